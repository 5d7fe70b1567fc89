package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kap/pathway"
	"kap/stack/machine"
)

// Two clients with one story, enrolled together. While the second is carried through their months, every process is killed,
// some of them several times. In the end nobody can tell which is which.
func TestKilledAndYetLikeItsTwin(t *testing.T) {
	t.Parallel()
	h := ownHouse(t)
	ctx := within(t, 10*time.Minute)
	calm, harried := h.enrol(ctx, t, h.team(), nil), h.enrol(ctx, t, h.team(), nil)
	// From the same moment on, and not close to the half hours on which sessions begin: kills cost time.
	begin := time.Now().Truncate(time.Hour).Add(time.Hour + 2*time.Minute)
	calm.forward(begin)
	harried.forward(begin)

	plot := story(t, 0, calm.team)
	calm.tell(plot, len(plot), nil)
	if s := calm.end(); s.Outcome != pathway.Completed {
		t.Fatalf("undisturbed, the story ends as %q: %s", s.Outcome, shown(s))
	}

	plot = story(t, 0, harried.team)
	k := newKiller(t, h, seed(t), len(plot))
	harried.tell(plot, len(plot), k.at)
	k.wait()
	end := harried.end()
	if end.Outcome != pathway.Completed {
		t.Errorf("killed, the story ends as %q: %s", end.Outcome, shown(end))
	}

	want, got := calm.books(), harried.books()
	if unknown := calm.sound(want); len(unknown) > 0 {
		t.Errorf("undisturbed, nobody knows whether these went out: %q", unknown)
	}
	unknown := harried.sound(got)
	t.Logf("killed: %s; asked again %d times; steps %d and %d; mails %d to the client and %d to staff; unknown %q", k, harried.retries, want.Steps, got.Steps, len(got.keys()), len(got.staffKeys()), unknown)
	same(t, "journal", want.Journal, explained(got, unknown))
	same(t, "appointments", want.Appointments, got.Appointments)
	same(t, "mails to the client", want.keys(), got.keys())
	same(t, "mails to staff", want.staffKeys(), got.staffKeys())
	if got.Outcome != want.Outcome {
		t.Errorf("the records say %q of one and %q of the other", want.Outcome, got.Outcome)
	}
	for key, m := range got.Mails {
		if twin := want.Mails[key]; m.Status != twin.Status && !slices.Contains(unknown, key) {
			t.Errorf("the mail %s is %s with one and %s with the other", key, twin.Status, m.Status)
		}
	}
}

// seed chooses where the kills fall; KAP_E2E_SEED tries others.
func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("KAP_E2E_SEED")
	if text == "" {
		return 20261123
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("KAP_E2E_SEED: found %q, expected a whole number", text)
	}
	return n
}

// explained leaves out of the journal what it says of mails that a kill caught while they were sent: for one to the client that
// nobody knows, and that somebody called; for one to staff that it may not have been sent.
func explained(b books, unknown []string) []string {
	journal := slices.Clone(b.Journal)
	for _, key := range unknown {
		if staff := b.Mails[key].Staff; staff != "" {
			i := slices.IndexFunc(journal, func(line string) bool { return strings.HasPrefix(line, "done mail-withdrawn") })
			if i >= 0 {
				journal = slices.Delete(journal, i, i+1)
			}
			continue
		}
		journal = slices.DeleteFunc(journal, func(line string) bool { return strings.Contains(line, key) })
	}
	return journal
}

// same compares two lists line by line and shows where they part.
func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	for i := range max(len(want), len(got)) {
		var a, b string
		if i < len(want) {
			a = want[i]
		}
		if i < len(got) {
			b = got[i]
		}
		if a != b {
			t.Errorf("the %s differ from line %d of %d and %d on:\n undisturbed  %s\n disturbed    %s\nall undisturbed:\n  %s\nall disturbed:\n  %s", what, i+1, len(want), len(got), a, b,
				strings.Join(want, "\n  "), strings.Join(got, "\n  "))
			return
		}
	}
}

// killer kills the machine's processes at chosen lines of a story, a little after the line begins.
type killer struct {
	t     *testing.T
	h     *house
	plan  map[int]strike
	going sync.WaitGroup
	mu    sync.Mutex
	done  []string
}

type strike struct {
	victim string
	delay  time.Duration
}

// newKiller deals each victim to different lines. The same seed deals the same way.
func newKiller(t *testing.T, h *house, seed uint64, lines int) *killer {
	random := rand.New(rand.NewPCG(seed, 0))
	victims := []string{machine.Worker, machine.Worker, machine.Worker, machine.Temporal, machine.Temporal, machine.Postgres, machine.Postgres}
	k := &killer{t: t, h: h, plan: map[int]strike{}}
	for i, line := range random.Perm(lines)[:len(victims)] {
		k.plan[line] = strike{victims[i], time.Duration(random.IntN(300)) * time.Millisecond}
	}
	return k
}

func (k *killer) at(line int) {
	s, ok := k.plan[line]
	if !ok {
		return
	}
	k.going.Go(func() {
		time.Sleep(s.delay) // anywhere in what the line sets going
		pid := k.h.PID(s.victim)
		if pid == 0 {
			return // still down from the last time
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			k.t.Errorf("%s cannot be killed: %v", s.victim, err)
			return
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.done = append(k.done, fmt.Sprintf("%s %s into line %d", s.victim, s.delay, line+1))
	})
}

func (k *killer) wait() {
	k.going.Wait()
	for _, victim := range []string{machine.Worker, machine.Temporal, machine.Postgres} {
		if !slices.ContainsFunc(k.done, func(s string) bool { return strings.HasPrefix(s, victim) }) {
			k.t.Errorf("%s was never killed", victim)
		}
	}
}

func (k *killer) String() string { return strings.Join(k.done, ", ") }
