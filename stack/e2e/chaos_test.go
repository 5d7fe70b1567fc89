package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kap/stack/inbox"
	"kap/stack/machine"
	"kap/stack/stories"
)

var (
	harriedClients = flag.Int("harried", 24, "how `many` clients the test of faults carries through them")
	faultSeed      = flag.Uint64("fault-seed", 20261123, "the `number` that deals the faults")
)

// Every story is told once in peace. Then many clients live the same stories while the worker, Temporal, PostgreSQL and the
// inbox are killed, stopped, restarted and made to fail, at random. In the end nobody can tell a client from their twin.
func TestHarriedAndYetLikeTheirTwins(t *testing.T) {
	t.Parallel()
	all, err := stories.Load("")
	if err != nil {
		t.Fatal(err)
	}
	h := ownHouse(t)
	ctx := within(t, 10*time.Minute+time.Duration(*harriedClients)*10*time.Second)
	// From the same moment on, and not close to the half hours on which sessions begin: faults cost time.
	begin := time.Now().Truncate(time.Hour).Add(time.Hour + 2*time.Minute)
	live := func(n int) []*person {
		people := make([]*person, n)
		for i := range people {
			people[i] = h.enrolled(ctx, t, all[i%len(all)])
		}
		return people
	}
	tell := func(people []*person) {
		t.Helper()
		var together sync.WaitGroup
		for i, p := range people {
			p.t = apart{t}
			plot := retold(t, all[i%len(all)], p.team)
			together.Go(func() {
				p.forward(begin)
				p.tell(plot, len(plot))
				p.end()
			})
		}
		together.Wait()
		for _, p := range people {
			p.t = t
		}
		if t.Failed() {
			t.FailNow()
		}
	}

	// All are enrolled before anything is told: what is asked of a client goes by the time since.
	calm, harried := live(len(all)), live(*harriedClients)
	tell(calm)
	want := make([]books, len(calm))
	for i, p := range calm {
		want[i] = p.books()
		if unknown := p.sound(want[i]); len(unknown) > 0 {
			t.Errorf("undisturbed, nobody knows whether these went out: %q", unknown)
		}
	}

	f := newFaults(t, h, *faultSeed)
	tell(harried)
	f.end(ctx)

	asked, unknown := 0, 0
	for i, p := range harried {
		p.end()
		asked += p.retries
		unknown += p.like(calm[i%len(all)], want[i%len(all)])
	}
	if out, problem, exit := h.starter(ctx, t, nil, "verify"); exit != 0 {
		t.Errorf("starter verify ended with %d: %s%s", exit, out, problem)
	}
	t.Logf("%d clients, %d milestones; faults survived: %s; asked again %d times; mails of which nobody knew whether they went out, called about or, reminders, sent again: %d; milestones lost 0, bookings doubled 0, other mails lost or doubled 0", len(harried), milestones(harried, all), f, asked, unknown)
}

// like holds a client's books to those of their twin, and returns of how many mails nobody knew whether they went out.
func (p *person) like(twin *person, want books) int {
	p.t.Helper()
	for i := range p.said { // sessions are booked on the half hour: later than this, another time is the right one
		if late := p.said[i].Sub(twin.said[i]); late > 25*time.Minute {
			p.t.Errorf("faults cost the clock of %s %s until line %d of its story: it cannot be compared with its twin's", p.code, late, i+1)
			return 0
		}
	}
	got := p.books()
	unknown := p.sound(got)
	expected, journal := untimed(want.Journal), slices.DeleteFunc(untimed(got.Journal), answered)
	if len(unknown) > 0 {
		expected, journal = uncalled(expected), uncalled(journal)
	}
	same(p.t, "journal of "+p.code, expected, journal)
	same(p.t, "appointments of "+p.code, want.Appointments, got.Appointments)
	same(p.t, "mails to the client of "+p.code, unasked(want.keys()), unasked(got.keys()))
	if got.Outcome != want.Outcome {
		p.t.Errorf("the records say %q of %s and %q of its twin %s", got.Outcome, p.code, want.Outcome, twin.code)
	}
	for key, m := range got.Mails {
		if of := want.Mails[key]; m.Staff == "" && m.Status != of.Status && !slices.Contains(unknown, key) && !isQuestion(key) {
			p.t.Errorf("the mail %s of %s is %s and its twin's %s", key, p.code, m.Status, of.Status)
		}
	}
	return len(unknown)
}

// answered says whether a line of a journal tells that a client was no longer asked for what they had given by then: the mail service was
// away when they were to be asked.
func answered(line string) bool {
	key, found := strings.CutPrefix(line, "done withdrawn : a mail that no longer holds was not sent: ")
	return found && isQuestion(key)
}

func isQuestion(key string) bool { return strings.HasPrefix(key, "ask/") }

// untimed is a journal without whoever was reminded of what they owe, or asked for it: faults cost time, and that goes by it, at moments
// in the morning that differ from code to code.
func untimed(journal []string) []string {
	return slices.DeleteFunc(slices.Clone(journal), func(line string) bool {
		return strings.HasPrefix(line, "done nudge ") || strings.HasPrefix(line, "done asked ")
	})
}

// unasked are keys of mails without those that ask for something.
func unasked(keys []string) []string { return slices.DeleteFunc(keys, isQuestion) }

// uncalled is a journal without what follows from a mail of which nobody knows whether it went out: the call, and that somebody made it.
func uncalled(journal []string) []string {
	return slices.DeleteFunc(slices.Clone(journal), func(line string) bool {
		return slices.ContainsFunc([]string{"done call ", "done mail-", "taken task-done : call/"}, func(is string) bool { return strings.HasPrefix(line, is) })
	})
}

func milestones(people []*person, all []stories.Story) (sum int) {
	for i := range people {
		sum += len(all[i%len(all)].Messages)
	}
	return sum
}

// enrolled enrols the client of a story with a team of their own.
func (h *house) enrolled(ctx context.Context, t testing.TB, s stories.Story) *person {
	t.Helper()
	var as fields
	if err := json.Unmarshal(s.Enrol, &as); err != nil {
		t.Fatal(err)
	}
	by := h.team()
	for _, own := range []string{"care_team", "by", "given_name", "email"} {
		delete(as, own)
	}
	return h.enrol(ctx, t, by, as)
}

// apart is the test as seen from a goroutine of its own, which alone ends where it fails.
type apart struct{ testing.TB }

func (a apart) Fatal(args ...any) {
	a.Helper()
	a.Error(args...)
	runtime.Goexit()
}

func (a apart) Fatalf(format string, args ...any) {
	a.Helper()
	a.Errorf(format, args...)
	runtime.Goexit()
}

// same compares two lists line by line and shows where they part.
func same(t testing.TB, what string, want, got []string) {
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

// faults befall the machine's processes, one after the other, until they are ended.
type faults struct {
	t      testing.TB
	h      *house
	stop   chan struct{}
	gone   chan struct{}
	counts map[string]int
}

// newFaults begins. The same seed deals the same faults in the same order: first each process is killed, soon, and then they come at
// random.
func newFaults(t testing.TB, h *house, seed uint64) *faults {
	f := &faults{t: t, h: h, stop: make(chan struct{}), gone: make(chan struct{}), counts: map[string]int{}}
	random := rand.New(rand.NewPCG(seed, 0))
	kills := slices.Clone(processes)
	random.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
	go func() {
		defer close(f.gone)
		for {
			pause := 2 * time.Second
			if len(kills) == 0 {
				pause = time.Duration(3000+random.IntN(8000)) * time.Millisecond
			}
			select {
			case <-f.stop:
				return
			case <-time.After(pause):
			}
			if len(kills) == 0 {
				f.strike(deal(random))
			} else if f.strike(fault{victim: kills[0], how: "killed"}) {
				kills = kills[1:]
			}
		}
	}()
	return f
}

var processes = []string{machine.Worker, machine.Temporal, machine.Postgres, machine.Inbox}

// fault is what befalls a process: for so long, or, where it is made to fail, so often in this way.
type fault struct {
	victim, how string
	pause       time.Duration
	fails       inbox.Faults
}

func deal(random *rand.Rand) fault {
	f := fault{
		victim: append(processes, machine.Worker)[random.IntN(5)],
		how:    []string{"killed", "killed", "stopped for a while", "restarted", "made to fail"}[random.IntN(5)],
		pause:  time.Duration(200+random.IntN(4000)) * time.Millisecond,
		fails:  inbox.Faults{Mode: []inbox.Mode{inbox.TooManyRequests, inbox.ServerError, inbox.Hang, inbox.Drop}[random.IntN(4)], Times: 1 + random.IntN(3)},
	}
	if f.how == "made to fail" {
		f.victim = machine.Inbox
	}
	return f
}

// strike says whether there was anything to strike.
func (f *faults) strike(with fault) bool {
	victim := with.victim
	pid := f.h.PID(victim)
	if pid == 0 {
		return false // still down from the last time
	}
	var err error
	switch with.how {
	case "killed":
		err = syscall.Kill(pid, syscall.SIGKILL)
	case "stopped for a while":
		if err = syscall.Kill(pid, syscall.SIGSTOP); err == nil {
			time.Sleep(with.pause)
			err = syscall.Kill(pid, syscall.SIGCONT)
		}
	case "restarted":
		if err = f.h.Pause(victim); err == nil {
			err = f.h.Resume(context.Background(), victim)
		}
	case "made to fail":
		if f.h.fail(with.fails) != nil {
			return false // it is away, which is worse
		}
		victim += " (" + string(with.fails.Mode) + ")"
	}
	if err != nil {
		f.t.Errorf("%s cannot be %s: %v", victim, with.how, err)
	}
	f.counts[victim+" "+with.how]++
	return true
}

// end lets everything run again.
func (f *faults) end(ctx context.Context) {
	f.t.Helper()
	close(f.stop)
	<-f.gone
	await(ctx, f.t, "the inbox", func() error { return f.h.fail(inbox.Faults{Mode: inbox.None}) })
	if err := f.h.awaitWorker(ctx); err != nil {
		f.t.Fatal(err)
	}
	for _, victim := range processes {
		if f.counts[victim+" killed"] == 0 {
			f.t.Errorf("%s was never killed: %s", victim, f)
		}
	}
}

func (f *faults) String() string {
	var all []string
	sum := 0
	for what, n := range f.counts {
		all = append(all, fmt.Sprintf("%s %d times", what, n))
		sum += n
	}
	slices.Sort(all)
	return fmt.Sprintf("%d (%s)", sum, strings.Join(all, ", "))
}
