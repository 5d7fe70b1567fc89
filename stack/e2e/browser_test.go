package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "the `folder` to write pictures of Temporal's Web UI to")

// chromium finds a browser under the names that systems give it.
func chromium(t testing.TB) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("This test needs Chromium or Chrome, and there is none under the names %s: build/prepare chromium installs it.", strings.Join(names, ", "))
	return ""
}

// window is the size of a laptop's.
var window = struct{ width, height int64 }{1280, 1000}

// browser is a window of Chromium, as somebody sits before it: it clicks where a person can click and reads what a person reads.
type browser struct {
	t       testing.TB
	ctx     context.Context
	traffic traffic
}

// traffic is what pages have asked for and not been answered, and what became of everything they sent.
type traffic struct {
	mu      sync.Mutex
	waiting map[network.RequestID]string
	sent    []string
}

func (f *traffic) hear(event any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ends := func(id network.RequestID, how string) {
		if what := f.waiting[id]; !strings.HasPrefix(what, http.MethodGet) {
			f.sent = append(f.sent, time.Now().UTC().Format(time.TimeOnly)+" "+what+" "+how)
		}
	}
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		f.waiting[e.RequestID] = e.Request.Method + " " + e.Request.URL
		ends(e.RequestID, "begins")
	case *network.EventResponseReceived:
		ends(e.RequestID, fmt.Sprint("is answered with ", e.Response.Status))
	case *network.EventLoadingFinished:
		ends(e.RequestID, "is read")
		delete(f.waiting, e.RequestID)
	case *network.EventLoadingFailed:
		ends(e.RequestID, "fails: "+e.ErrorText)
		delete(f.waiting, e.RequestID)
	}
}

// String tells it for the report of a test that failed.
func (f *traffic) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("the page waits for %q and has sent:\n%s", slices.Sorted(maps.Values(f.waiting)), strings.Join(f.sent, "\n"))
}

// browse opens a window for at most as long as given.
func browse(t testing.TB, atMost time.Duration) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // it wants rights that containers have not, and every page here is ours
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("force-prefers-reduced-motion", true), // machines that test have no GPU, and little to spare
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // nothing calls home
	)
	parent, stop := chromedp.NewExecAllocator(context.Background(), options...)
	opened, _ := chromedp.NewContext(parent)
	t.Cleanup(func() {
		closing, done := context.WithTimeout(opened, 10*time.Second)
		defer done()
		_ = chromedp.Cancel(closing)
		stop()
	})
	if err := chromedp.Do(opened); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	ctx, cancel := context.WithTimeout(opened, atMost)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, traffic: traffic{waiting: map[network.RequestID]string{}}}
	b.do("the page's traffic", func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return chromedp.Void{}, err
	})
	if err := chromedp.Listen(ctx, b.traffic.hear); err != nil {
		t.Fatal(err)
	}
	b.size(window.width, window.height)
	return b
}

// fail ends the test and says where to see what the browser showed.
func (b *browser) fail(format string, args ...any) {
	b.t.Helper()
	shown := "and no picture could be taken"
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), 10*time.Second)
	defer cancel()
	if png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		path := filepath.Join(root, "bin", "failed-"+strings.ReplaceAll(b.t.Name(), "/", "-")+".png")
		if os.WriteFile(path, png, 0o600) == nil {
			shown = "what the browser showed is in " + path
		}
	}
	b.t.Fatalf(format+"; "+shown+"; "+b.traffic.String(), args...)
}

func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.fail("%s: %v", what, err)
	}
}

func (b *browser) size(width, height int64, options ...chromedp.EmulateViewportOption) {
	b.t.Helper()
	b.do("the window's size", chromedp.EmulateViewport(width, height, options...))
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.do("opening "+url, chromedp.Navigate(url))
}

// until asks again until there is no error. It is for what the page does in its own time.
func (b *browser) until(what string, ask func() error) {
	b.t.Helper()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-b.ctx.Done():
			b.fail("waited for %s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// text is what an expression of JavaScript finds on the page, "" for nothing.
func (b *browser) text(expression string) (string, error) {
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[*string](expression))
	if err != nil || found == nil {
		return "", err
	}
	return *found, nil
}

// place is where a person would click: the middle of the first element that begins with a text, that is seen and that nothing lies
// upon. It is empty where there is none, or while it moves.
const place = `(async () => {
	const where = () => {
		for (const e of document.querySelectorAll(%q)) {
			if (e.disabled || !e.innerText.trim().startsWith(%q)) continue
			e.scrollIntoView({block: "nearest"})
			const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2
			if (r.width > 0 && e.contains(document.elementFromPoint(x, y))) return [x, y]
		}
		return []
	}
	const before = where()
	await new Promise(done => setTimeout(done, 100))
	const now = where()
	return now[0] === before[0] && now[1] === before[1] ? now : []
})()`

// click clicks on what is there, and says whether something was.
func (b *browser) click(selector, text string) error {
	at, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(place, selector, text), chromedp.EvalAwaitPromise))
	if err != nil {
		return err
	}
	if len(at) != 2 {
		return fmt.Errorf("there is no %s %q to click on", selector, text)
	}
	return chromedp.Do(b.ctx, chromedp.MouseClickXY(at[0], at[1]))
}

// choose clicks once it can.
func (b *browser) choose(what, selector, text string) {
	b.t.Helper()
	b.until(what, func() error { return b.click(selector, text) })
}

// paste replaces what is in a box.
func (b *browser) paste(what, selector, text string) {
	b.t.Helper()
	b.choose(what, selector, "")
	b.do(what, chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return chromedp.Void{}, err
	})
}

// picture keeps what is seen of an element in a window of some size, once it has come to rest; nothing where the test was not
// asked for pictures.
func (b *browser) picture(name, selector string, width, height int64, options ...chromedp.EmulateViewportOption) {
	b.t.Helper()
	if *pictures == "" {
		return
	}
	b.size(width, height, options...)
	defer b.size(window.width, window.height)
	laidOut, same := "", 0
	b.until("the page to come to rest", func() error {
		now, err := b.text(`[...document.querySelectorAll("main, main *, dialog *")].map(e => e.offsetHeight).join()`)
		if same++; now != laidOut {
			laidOut, same = now, 0
		}
		if err == nil && same < 5 {
			err = errors.New("it moves")
		}
		return err
	})
	seen := fmt.Sprintf(`(r => ({x: r.x, y: r.y, width: r.width, height: Math.min(r.height, innerHeight - r.y), scale: 1}))(document.querySelector(%q).getBoundingClientRect())`, selector)
	png, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		part, err := chromedp.Evaluate[*page.Viewport](seen)(ctx, t)
		if err != nil {
			return nil, err
		}
		shot, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: part})
		return shot.Data, err
	})
	if err := errors.Join(err, os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644)); err != nil {
		b.fail("the picture %s: %v", name, err)
	}
}
