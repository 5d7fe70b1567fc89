package pathway

import (
	cli "flag"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The random histories of these tests are numbered: a number gives the same history every time.
var (
	histories = cli.Int("histories", 0, "how many random histories the invariants are held against (default 2000, under the race detector 300)")
	from      = cli.Uint64("from", 1, "the number of the first of them, to go on where a run was broken off")
	oneOnly   = cli.Uint64("history", 0, "run the history of this number alone and tell its story")
)

// bulk is what came of many histories.
type bulk struct {
	mu      sync.Mutex
	n       int
	dosings [10]int
	ended   map[Outcome]int
	turns   int
	first   uint64 // the lowest number that failed
	why     string
}

// run lets so many histories happen on all cores. It stops soon after the first that breaks an invariant.
func run(n int, change func(*history)) *bulk {
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // they leave much behind and keep little
	b := &bulk{ended: map[Outcome]int{}}
	var next, failed atomic.Uint64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			mine := bulk{ended: map[Outcome]int{}}
			for failed.Load() == 0 {
				number := next.Add(1) - 1 + *from
				if number > uint64(n) {
					break
				}
				h := &history{chance: seed(number)}
				change(h)
				if why := h.live(); why != "" {
					failed.Store(1)
					b.mu.Lock()
					if b.first == 0 || number < b.first {
						b.first, b.why = number, why
					}
					b.mu.Unlock()
				}
				dosings, outcome := h.reached()
				mine.n++
				mine.turns += h.turn
				mine.dosings[min(dosings, 9)]++
				mine.ended[outcome]++
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.n += mine.n
			b.turns += mine.turns
			for i, n := range mine.dosings {
				b.dosings[i] += n
			}
			for o, n := range mine.ended {
				b.ended[o] += n
			}
		})
	}
	all.Wait()
	return b
}

// story lets one history happen again and tells it.
func story(number uint64) (why, told string) {
	h := &history{chance: seed(number), told: &strings.Builder{}}
	why = h.live()
	return why, h.told.String()
}

func TestInvariantsHoldInEveryHistory(t *testing.T) {
	if *oneOnly > 0 {
		why, told := story(*oneOnly)
		t.Logf("history %d\n%s", *oneOnly, told)
		if why != "" {
			t.Fatal(why)
		}
		return
	}
	n := *histories
	if n == 0 {
		n = usually
	}
	began := time.Now()
	b := run(n, func(*history) {})
	if b.first != 0 {
		_, told := story(b.first)
		t.Fatalf("%s\nhistory %d, which -history=%d repeats: %s", told, b.first, b.first, b.why)
	}
	took := time.Since(began)
	t.Logf("%d histories in %s, %.0f a second, %d turns each", b.n, took.Round(time.Second), float64(b.n)/took.Seconds(), b.turns/b.n)
	t.Logf("by dosing sessions: %v; by ending: %s", b.dosings[:7], pretty(b.ended))
	if b.n < 2000 {
		return // too few to say how far they go
	}
	far := 0
	for _, n := range b.dosings[3:] {
		far += n
	}
	if far*5 < b.n {
		t.Errorf("%d of %d histories reach the third dosing session, expected a fifth at least", far, b.n)
	}
	if b.dosings[6] == 0 {
		t.Error("no history reaches the sixth dosing session")
	}
	for _, o := range []Outcome{Completed, StoppedAndReferred, DeclinedAndReferred, WithdrawnByClient, Lapsed} {
		if b.ended[o] == 0 {
			t.Errorf("no history ends as %s", o)
		}
	}
}

// The same histories, drawn by rapid, which shortens one that breaks an invariant.
func TestInvariantsHoldAndFailuresShrink(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := &history{chance: drawn{t}, told: &strings.Builder{}}
		if why := h.live(); why != "" {
			t.Fatalf("%s\n%s", why, h.told)
		}
	})
}
