package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"

	"kap/internal/diligent"
	"kap/pathway"
)

// The rule that the later release changes: it wants one preparation session more than the protocol says.
const (
	ruleFile = "pathway/session.go"
	rule     = "return held >= p.Protocol.Preparation.Sessions || enough"
	changed  = "return held > p.Protocol.Preparation.Sessions || enough"
	bookFile = "pathway/agenda.go"
	books1   = "return !p.prepared() && n < p.Protocol.Preparation.Sessions"
	books2   = "return !p.prepared() && n <= p.Protocol.Preparation.Sessions"
)

// laterRelease builds the worker from the same source with that rule changed.
func laterRelease(t *testing.T, dir string) string {
	t.Helper()
	replace := map[string]string{}
	for file, words := range map[string][2]string{ruleFile: {rule, changed}, bookFile: {books1, books2}} {
		path := filepath.Join(root, file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), words[0]) != 1 {
			t.Fatalf("%s does not say %q once: choose another rule for the later release to change", file, words[0])
		}
		replace[path] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(replace[path], []byte(strings.Replace(string(text), words[0], words[1], 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "later-worker")
	build := exec.CommandContext(t.Context(), "go", "-C", root, "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "./worker")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return program
}

// restart stops the machine and starts it on the same data, with another worker.
func (h *house) restart(t *testing.T, worker string, env ...string) {
	t.Helper()
	h.client.Close()
	h.Stop()
	h.config.WorkerPath = worker
	h.config.WorkerEnv = append(slices.DeleteFunc(h.config.WorkerEnv, func(v string) bool { return strings.HasPrefix(v, "KAP_DEPLOYMENT=") }), env...)
	if err := h.start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	await(within(t, time.Minute), t, "the release to be current", func() error {
		time.Sleep(200 * time.Millisecond)
		all := h.releases(t)
		if !slices.ContainsFunc(all, func(r releaseLine) bool { return r.Release == h.Release() && r.Current }) {
			return fmt.Errorf("it is not: %v", all)
		}
		return nil
	})
}

type releaseLine struct {
	Release string `json:"release"`
	Current bool   `json:"current"`
	Open    int    `json:"open"`
}

func (h *house) releases(t *testing.T) []releaseLine {
	t.Helper()
	var all []releaseLine
	out, problem, exit := h.starter(t.Context(), t, nil, "releases", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || exit != 0 {
		t.Fatalf("starter releases ended with %d, said %q and %q", exit, out, problem)
	}
	return all
}

// use makes a release the current one by hand.
func (h *house) use(t *testing.T, id string, want int) {
	t.Helper()
	if out, problem, exit := h.starter(t.Context(), t, nil, "releases", "use", id); exit != want {
		t.Errorf("starter releases use %s ended with %d, said %q and %q, expected %d", id, exit, out, problem, want)
	}
}

// pinned is the release that the pathway's run is pinned to, and that run; no release where it has none.
func (p *person) pinned() (id, run string) {
	p.t.Helper()
	found, err := p.h.client.DescribeWorkflowExecution(p.ctx, p.id, "")
	if err != nil {
		p.t.Fatal(err)
	}
	info := found.GetWorkflowExecutionInfo()
	v := info.GetVersioningInfo()
	if v.GetBehavior() == enums.VERSIONING_BEHAVIOR_PINNED { // it is not before the run's first task
		id = v.GetDeploymentVersion().GetBuildId()
	}
	return id, info.GetExecution().GetRunId()
}

// moves waits until the pathway's latest run is pinned to a release.
func (p *person) moves(to string) {
	p.t.Helper()
	await(within(p.t, time.Minute), p.t, "a run on "+to, func() error {
		if id, _ := p.pinned(); id != to {
			return fmt.Errorf("it is on %q", id)
		}
		return nil
	})
	p.settle()
}

// work does what the pathway asks for, until it is as wanted.
func (p *person) work(staff diligent.Staff, what string, wanted func(pathway.Status) bool) pathway.Status {
	p.t.Helper()
	for range 400 {
		s := p.status()
		switch {
		case wanted(s):
			return s
		case len(s.Tasks) > 0:
			p.begins(s.Tasks[0], s)
			p.say(s.Tasks[0].Message, json.RawMessage(staff.Fill(s.Tasks[0], s)))
		case s.NextWake.IsZero():
			p.t.Fatalf("%s waited for %s, but nothing more happens: %s", p.code, what, shown(s))
		default:
			p.forward(s.NextWake)
		}
		p.settle()
	}
	p.t.Fatalf("%s waited for %s in vain: %s", p.code, what, shown(p.status()))
	return pathway.Status{}
}

func held(s pathway.Status, kind string) (n int) {
	for _, x := range s.Sessions {
		if strings.HasPrefix(x.Name, kind) && x.State == pathway.Held {
			n++
		}
	}
	return n
}

func blockedBy(s pathway.Status, code string) bool {
	return slices.ContainsFunc(s.Blocked, func(b pathway.Blocker) bool { return string(b.Code) == code })
}

// Two pathways are in the middle when a release comes with another rule. They began on a worker that was no release; they are
// pinned to the first release, stay with its rule while the second is there, and have the second's from the moment at which
// they are refreshed, or wake. Then the first release's program is gone.
func TestAReleaseInTheMiddleOfAPathway(t *testing.T) {
	t.Parallel()
	h := ownHouse(t, "KAP_DEPLOYMENT=off")
	first, later := h.config.WorkerPath, laterRelease(t, h.dir)
	ctx := within(t, 8*time.Minute)
	staff := diligent.Staff{Dosings: 1}

	refreshed, waking := h.enrol(ctx, t, h.team(), nil), h.enrol(ctx, t, h.team(), nil)
	for _, p := range []*person{refreshed, waking} {
		if id, _ := p.pinned(); id != "" {
			t.Fatalf("%s began on the release %s", p.code, id)
		}
		p.work(staff, "its first preparation", func(s pathway.Status) bool { return held(s, "preparation") == 1 })
	}

	// The first release. What began without one goes on on it.
	h.restart(t, first)
	one := h.Release()
	var journals [][]string
	for _, p := range []*person{refreshed, waking} {
		s := p.work(staff, "a dosing session", func(s pathway.Status) bool { return s.NextSession != nil && s.NextSession.Name == "dosing-1" })
		if blockedBy(s, "preparation") || held(s, "preparation") != 2 {
			t.Fatalf("%s: two preparation sessions do not suffice on the first release: %s", p.code, shown(s))
		}
		p.moves(one)
		journals = append(journals, p.books().Journal)
	}

	// The second release. Nobody has spoken and nothing was due: the runs stay on the first, with its rule.
	h.restart(t, later)
	two := h.Release()
	if one == two {
		t.Fatalf("both programs are the release %s", one)
	}
	if earlier := h.Earlier(); !slices.Equal(earlier, []string{one}) {
		t.Errorf("beside %s there run %q, expected %s", two, earlier, one)
	}
	_, run := refreshed.pinned()
	for _, p := range []*person{refreshed, waking} {
		if s := p.status(); blockedBy(s, "preparation") {
			t.Errorf("%s has the second release's rule before it moved on: %s", p.code, shown(s))
		}
		if id, _ := p.pinned(); id != one {
			t.Errorf("%s is on %s, expected %s", p.code, id, one)
		}
	}
	young := h.enrol(ctx, t, h.team(), nil)
	young.moves(two)

	// Somebody goes back to the first release, and thinks better of it.
	for _, id := range []string{one, two} {
		h.use(t, id, 0)
		young.say("refresh", fields{"by": "operator"})
		young.moves(id)
	}

	// One of them is refreshed as many are: by a batch of the stock command line, from somebody on no care team.
	query := fmt.Sprintf("WorkflowId = '%s' AND TemporalWorkerDeploymentVersion = 'kap:%s' AND ExecutionStatus = 'Running'", refreshed.id, one)
	if out, problem, exit := refreshed.temporal("workflow", "signal", "--query", query, "--name", "refresh", "--input", `{"by": "operator"}`, "--reason", "a release", "--yes"); exit != 0 {
		t.Fatalf("temporal workflow signal ended with %d, said %s and %s", exit, out, problem)
	}
	refreshed.moves(two)
	if s := refreshed.status(); !blockedBy(s, "preparation") {
		t.Errorf("%s has not the second release's rule: %s", refreshed.code, shown(s))
	}
	if s := waking.status(); blockedBy(s, "preparation") {
		t.Errorf("%s was not refreshed and has the second release's rule: %s", waking.code, shown(s))
	}
	if found, err := h.client.DescribeWorkflowExecution(ctx, refreshed.id, run); err != nil || found.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
		t.Errorf("the run on the first release is %v (%v), expected one that continued as new", found.GetWorkflowExecutionInfo().GetStatus(), err)
	}

	// The other wakes by itself.
	waking.forward(waking.status().NextWake)
	waking.moves(two)

	for i, p := range []*person{refreshed, waking} {
		s := p.work(staff, "an ending", func(s pathway.Status) bool { return s.Outcome != "" })
		s = p.end()
		if s.Outcome != pathway.Completed || held(s, "preparation") != 3 || held(s, "dosing") != 1 {
			t.Errorf("%s ends as %q after %d preparation sessions, expected the second release's three: %s", p.code, s.Outcome, held(s, "preparation"), shown(s))
		}
		b := p.books()
		if unknown := p.sound(b); len(unknown) > 0 {
			t.Errorf("%s: nobody knows whether these went out: %q", p.code, unknown)
		}
		if len(b.Journal) < len(journals[i]) {
			t.Errorf("%s: the journal has become shorter", p.code)
		} else {
			same(t, "journal up to the second release", journals[i], b.Journal[:len(journals[i])])
		}
	}

	// Nothing is open on the first release any more: its program ends and is removed.
	await(within(t, time.Minute), t, "the first release to be gone", func() error {
		if earlier := h.Earlier(); len(earlier) > 0 {
			return fmt.Errorf("there still run %q", earlier)
		}
		if _, err := os.Stat(filepath.Join(h.config.Data, "releases", one)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("its program is still there (%v)", err)
		}
		return nil
	})
	for _, r := range h.releases(t) {
		if want := r.Release == two; r.Current != want || (r.Open > 0) != want {
			t.Errorf("of %s it says: current %v, open %d", r.Release, r.Current, r.Open)
		}
	}

	h.use(t, "v0.0.0", 4) // which nobody runs
}
