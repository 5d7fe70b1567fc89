package e2e_test

import (
	"context"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Mails are read on narrow telephones, by day and at night. The pages that their links open are looked at where they are opened,
// in [TestAnswersByLinks].
func TestEveryMailCanBeReadOnANarrowTelephone(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), program(t, "starter"), "mail", "preview", "--to", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	letters, err := filepath.Glob(filepath.Join(folder, "*", "letter.html"))
	if err != nil || len(letters) < 20 {
		t.Fatalf("%d letters: %v", len(letters), err)
	}
	b := browse(t, time.Minute)
	for _, letter := range letters {
		b.readable("file://" + letter)
	}

	// The same look finds what cannot be read.
	const head = `data:text/html,<meta name="viewport" content="width=device-width"><style>:root{color-scheme:light dark}body{background:%23fff;color:%23222}@media(prefers-color-scheme:dark){body{background:%23111;color:%23eee}}</style>`
	for page, found := range map[string]string{
		`<p>All is well.`: "",
		`<p style="white-space:nowrap">` + strings.Repeat("wide ", 30): "wider than the window",
		`<p>` + strings.Repeat("wide", 30):                             "wider than the window",
		`<p style="color:%23777">faint by night`:                       "by night: 4.",
		`<p style="color:%23999">faint by day`:                         "by day: 2.",
		`<div style="background:%23222"><p>forgotten by day</div>`:     "by day: 1.",
		`<p style="opacity:0">nothing is seen`:                         "has no text",
	} {
		wrong := b.unreadable(head + page)
		if found == "" && len(wrong) > 0 || found != "" && !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, found) }) {
			t.Errorf("%s: found %q, expected %q", page, wrong, found)
		}
	}
}

// readable looks whether a page can be read on a narrow telephone.
func (b *browser) readable(pages ...string) {
	b.t.Helper()
	for _, page := range pages {
		at, _ := url.Parse(page)
		for _, wrong := range b.unreadable(page) {
			b.t.Errorf("%s: %s", at.Path, wrong)
		}
	}
}

// unread is what is wrong with a page in one light. A text needs a contrast of 4.5 with what lies behind it (WCAG 2, AA).
const unread = `(light => {
	const wrong = [], width = document.documentElement.scrollWidth
	if (width > 320) wrong.push("by " + light + ": " + width + " pixels wide, wider than the window")
	const rgba = c => { const n = c.match(/[\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1] }
	const luminance = c => c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
	const behind = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c } return [255, 255, 255, 1] }
	let texts = 0
	for (const e of document.body.querySelectorAll("*")) {
		const text = [...e.childNodes].filter(n => n.nodeType === Node.TEXT_NODE).map(n => n.data).join("").trim()
		if (!text || !e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue
		texts++
		const [a, b] = [luminance(rgba(getComputedStyle(e).color)), luminance(behind(e))], contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
		if (contrast < 4.5) wrong.push("by " + light + ": " + contrast.toFixed(1) + ", expected a contrast of 4.5: " + text)
	}
	if (!texts) wrong.push("by " + light + ": it has no text")
	if ((luminance(behind(document.body)) < 0.2) !== (light === "night")) wrong.push("by " + light + ": its ground has the other light")
	return wrong
})`

// unreadable says what is wrong with a page in a window of 320 pixels, by day and by night.
func (b *browser) unreadable(page string) []string {
	b.t.Helper()
	b.size(320, 640, chromedp.EmulateMobile)
	b.open(page)
	var all []string
	for _, light := range []struct{ name, scheme string }{{"day", "light"}, {"night", "dark"}} {
		b.do(light.name, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: light.scheme}}})
			return chromedp.Void{}, err
		})
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](unread+`("`+light.name+`")`))
		if err != nil {
			b.fail("%s by %s: %v", page, light.name, err)
		}
		all = append(all, found...)
	}
	return all
}
