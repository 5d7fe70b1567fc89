package links_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kap/links"
)

const (
	key    = "a key of forty bytes, for tests and only!"
	before = "the key before it, also long enough: yes!"
)

func keys(t testing.TB, all ...string) *links.Keys {
	t.Helper()
	k, err := links.NewKeys(all[0], all[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var until = time.Date(2026, 12, 15, 15, 0, 0, 0, time.UTC)

// samples are one of each, with the longest names that a pathway gives its sessions.
var samples = []links.Link{
	{Purpose: links.Coming, Pathway: "K7Q2M9", Session: "preparation-1", Revision: 1, Until: until},
	{Purpose: links.AnotherTime, Pathway: "K7Q2M9", Session: "dosing-6.12", Revision: 40, Until: until},
	{Purpose: links.Coming, Pathway: "ZZZZZ9", Session: "integration-10.255", Revision: 65535, Until: until},
	{Purpose: links.Leave, Pathway: "K7Q2M9", Until: until.AddDate(2, 0, 0)},
}

func TestALinkSaysWhatWasSealed(t *testing.T) {
	t.Parallel()
	k := keys(t, key)
	for _, l := range samples {
		text, err := k.Seal(l)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := k.Open(text); err != nil || found != l {
			t.Errorf("found %+v (%v), expected %+v", found, err, l)
		}
	}
}

// Links of every kind look alike, and no two are the same.
func TestALinkRevealsNothing(t *testing.T) {
	t.Parallel()
	k, seen := keys(t, key), map[string]bool{}
	for _, l := range append(samples, samples...) {
		text, err := k.Seal(l)
		if err != nil || len(text) != links.Length || seen[text] {
			t.Errorf("%d characters, %v; seen before: %t", len(text), err, seen[text])
		}
		if seen[text] = true; strings.Contains(text, l.Pathway) {
			t.Errorf("%s shows the code", text)
		}
	}
}

func TestWhatWasChangedIsNoLink(t *testing.T) {
	t.Parallel()
	k := keys(t, key)
	text, err := k.Seal(samples[0])
	if err != nil {
		t.Fatal(err)
	}
	wrong := []string{"", "x", text[1:], text + "A", text[:links.Length-1] + "!", strings.Repeat("A", links.Length), strings.ToLower(text), text + strings.Repeat("A", 1<<16)}
	for i := range text {
		other := byte('A')
		if text[i] == other {
			other = 'B'
		}
		wrong = append(wrong, text[:i]+string(other)+text[i+1:])
	}
	for _, w := range wrong {
		if l, err := k.Open(w); !errors.Is(err, links.ErrNoLink) {
			t.Errorf("%.80s opens as %+v, %v", w, l, err)
		}
	}
}

func TestTheKeyBeforeIsStillOpened(t *testing.T) {
	t.Parallel()
	text, err := keys(t, before).Seal(samples[0])
	if err != nil {
		t.Fatal(err)
	}
	if l, err := keys(t, key, before).Open(text); err != nil || l != samples[0] {
		t.Errorf("found %+v, %v", l, err)
	}
	if _, err := keys(t, key).Open(text); err == nil {
		t.Error("it opens without the key before")
	}
	text, err = keys(t, key, before).Seal(samples[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys(t, before).Open(text); err == nil {
		t.Error("it is sealed with the key before")
	}
}

func TestAShortKeyIsRefused(t *testing.T) {
	t.Parallel()
	for _, all := range [][]string{{""}, {key[:31]}, {key, "short"}} {
		if _, err := links.NewKeys(all[0], all[1:]...); err == nil || !strings.Contains(err.Error(), "expected at least 32") {
			t.Errorf("%d keys: %v", len(all), err)
		}
	}
}

func TestWhatHasNoRoomIsSaidByName(t *testing.T) {
	t.Parallel()
	k := keys(t, key)
	for field, l := range map[string]links.Link{
		"pathway":  {Purpose: links.Leave, Pathway: "K7Q2M", Until: until},
		"purpose":  {Purpose: links.Leave, Pathway: "K7Q2M9", Session: "dosing-1", Until: until},
		"session":  {Purpose: links.Coming, Pathway: "K7Q2M9", Session: "dosing-1.256", Until: until},
		"revision": {Purpose: links.Coming, Pathway: "K7Q2M9", Session: "dosing-1", Revision: 1 << 16, Until: until},
	} {
		if text, err := k.Seal(l); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%s: found %q, %v", field, text, err)
		}
	}
	for _, name := range []string{"dosing", "dosing-", "dosing-0", "dosing-01", "dosing-1.0", "dosing-1.01", "dosing-1x", "dosing--1", "visit-1", "dosing-1.1.1"} {
		if _, err := k.Seal(links.Link{Purpose: links.Coming, Pathway: "K7Q2M9", Session: name, Until: until}); err == nil {
			t.Errorf("%s is sealed, and would be read as something else", name)
		}
	}
}

// Whatever text comes: it is no link, or one that says the same when it is sealed again.
func FuzzOpen(f *testing.F) {
	k := keys(f, key)
	for _, l := range samples {
		text, err := k.Seal(l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add("")
	f.Add(strings.Repeat("_", links.Length))
	f.Fuzz(func(t *testing.T, text string) {
		l, err := k.Open(text)
		if err != nil {
			if l != (links.Link{}) || !errors.Is(err, links.ErrNoLink) {
				t.Errorf("%q opens as %+v, %v", text, l, err)
			}
			return
		}
		if again, err := k.Seal(l); err != nil {
			t.Errorf("%+v is opened and cannot be sealed: %v", l, err)
		} else if found, err := k.Open(again); err != nil || found != l {
			t.Errorf("%+v is sealed again and says %+v, %v", l, found, err)
		}
	})
}

// Whatever is to be sealed: it has no room, or is read again as it was.
func FuzzSeal(f *testing.F) {
	k := keys(f, key)
	for _, l := range samples {
		f.Add(byte(l.Purpose), l.Pathway, l.Session, l.Revision, l.Until.Unix())
	}
	f.Fuzz(func(t *testing.T, purpose byte, code, session string, revision int, at int64) {
		l := links.Link{Purpose: links.Purpose(purpose), Pathway: code, Session: session, Revision: revision, Until: time.Unix(at, 0).UTC()}
		text, err := k.Seal(l)
		if err != nil {
			return
		}
		found, err := k.Open(text)
		late := found.Until.Sub(l.Until)
		if found.Until = l.Until; err != nil || found != l || late < 0 || late >= time.Minute || len(text) != links.Length {
			t.Errorf("%+v is read as %+v, %v", l, found, err)
		}
	})
}
