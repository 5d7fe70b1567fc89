package pathway

import (
	"testing"
	"time"
)

func TestPulse(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	for _, c := range []struct {
		name       string
		asOf, wake *time.Time
		want       Pulse
	}{
		{"nothing written yet", nil, nil, Beating},
		{"looked days ago, looks again tomorrow", at(-72 * time.Hour), at(24 * time.Hour), Beating},
		{"looks again about now", at(-72 * time.Hour), at(-9 * time.Minute), Beating},
		{"should have looked", at(-72 * time.Hour), at(-11 * time.Minute), Stalled},
		{"a demo, months ahead", at(2000 * time.Hour), at(2100 * time.Hour), OwnClock},
		{"two machines' clocks", at(time.Minute), at(time.Hour), Beating},
	} {
		if found := Feel(now, c.asOf, c.wake); found != c.want {
			t.Errorf("%s: found %q, expected %q", c.name, found, c.want)
		}
	}
}
