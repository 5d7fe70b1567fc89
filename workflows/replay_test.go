package workflows_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"kap/internal/histories"
	"kap/pathway"
	"kap/workflows"
)

// recorded are the histories of one release, or with "*" of all, by file.
func recorded(t *testing.T, release string) map[string]*historypb.History {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/histories", release, "*.json.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories of the release %s (%v): make histories records them", release, err)
	}
	all := map[string]*historypb.History{}
	for _, file := range files {
		if all[file], err = histories.Read(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// newest is the release that was recorded last.
func newest(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("testdata/histories")
	if err != nil || len(entries) == 0 {
		t.Fatalf("no histories (%v): make histories records them", err)
	}
	return entries[len(entries)-1].Name()
}

func TestTheHistoriesOfEveryEndingReplay(t *testing.T) {
	t.Parallel()
	all := recorded(t, newest(t))
	for _, name := range append([]string{"long"}, endings()...) {
		if !slices.ContainsFunc(files(all), func(f string) bool { return strings.HasPrefix(filepath.Base(f), name+"-") }) {
			t.Errorf("there is no history of %s: make histories records it", name)
		}
	}
	for _, file := range files(all) {
		if err := histories.Replay(all[file], workflows.Pathway); err != nil {
			t.Errorf("%s does not replay: %v\nA worker of today would not do what this release's did. If that is meant, it makes a new release: its runs are pinned, "+
				"so nothing breaks, but reset or unpinned runs would; say so, and record with make histories. If not, you have found a mistake. See docs/releases.md", file, err)
		}
	}
}

func endings() []string {
	var all []string
	for _, o := range pathway.Outcomes() {
		all = append(all, string(o))
	}
	return all
}

func files(all map[string]*historypb.History) []string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// The controls: what must not replay does not, so that the test above says something.
func TestChangedCodeDoesNotReplay(t *testing.T) {
	t.Parallel()
	all := recorded(t, newest(t))
	for name, control := range map[string]struct {
		pathway func(workflow.Context, pathway.Pathway) error
		of      string // the histories on which it must fail
	}{
		"another command": {func(ctx workflow.Context, p pathway.Pathway) error {
			if err := workflow.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			return workflows.Pathway(ctx, p)
		}, ""},
		"another rule: one preparation session more": {func(ctx workflow.Context, p pathway.Pathway) error {
			p.Protocol.Preparation.Sessions++
			return workflows.Pathway(ctx, p)
		}, "completed-1 stopped-and-referred-1 long-1"},
		"another rule: a client lapses a day later": {func(ctx workflow.Context, p pathway.Pathway) error {
			p.Protocol.Endings.LapseDays++
			return workflows.Pathway(ctx, p)
		}, "lapsed-1"},
		"another rule: nobody is asked for consent before the third day": {func(ctx workflow.Context, p pathway.Pathway) error {
			for i := range p.Protocol.Nudges.ClientDays {
				p.Protocol.Nudges.ClientDays[i] += 2
			}
			return workflows.Pathway(ctx, p)
		}, "lapsed-1"},
	} {
		failed := 0
		for _, file := range files(all) {
			if control.of != "" && !slices.Contains(strings.Fields(control.of), strings.TrimSuffix(filepath.Base(file), ".json.gz")) {
				continue
			}
			if err := histories.Replay(proto.CloneOf(all[file]), control.pathway); err == nil {
				t.Errorf("%s: %s replays all the same", name, file)
			}
			failed++
		}
		if failed == 0 {
			t.Errorf("%s: there is none of %s", name, control.of)
		}
	}
}

// A run that moves on hands its state to the next release: whatever an earlier release has written there, this one reads whole.
func TestStatesOfEveryReleaseAreTakenOver(t *testing.T) {
	t.Parallel()
	states := 0
	for file, h := range recorded(t, "*") {
		for _, e := range h.Events {
			input := e.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
			input = append(input, e.GetWorkflowExecutionContinuedAsNewEventAttributes().GetInput().GetPayloads()...)
			for _, state := range input {
				states++
				takesOver(t, file, state.GetData(), e.GetEventTime().AsTime())
			}
		}
	}
	if states < 8 {
		t.Errorf("only %d states were recorded", states)
	}
}

func takesOver(t *testing.T, file string, state []byte, at time.Time) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(state))
	d.DisallowUnknownFields()
	var p pathway.Pathway
	if err := d.Decode(&p); err != nil {
		t.Errorf("%s: this release does not read the state that a run hands on: %v\nA field that was removed or renamed is lost for every pathway under way. "+
			"Keep it, or read the old one too", file, err)
		return
	}
	again, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var was, is map[string]any
	if json.Unmarshal(state, &was) != nil || json.Unmarshal(again, &is) != nil {
		t.Fatalf("%s: no JSON", file)
	}
	for name, value := range was {
		a, _ := json.Marshal(value)
		b, _ := json.Marshal(is[name])
		if !bytes.Equal(a, b) {
			t.Errorf("%s: of a state that a run hands on, %s was\n%s\nand this release makes of it\n%s", file, name, a, b)
		}
	}
	resumed := p.Resume(&p, nil)
	resumed.Due(at)
	if s := resumed.Status(at); s.Pathway != p.Code {
		t.Errorf("%s: the status is of %q", file, s.Pathway)
	}
}

// What stands in an address, a telephone number, the names of processes, or those of the clients of the tests.
var personal = regexp.MustCompile(`[\w.+-]{2,}@[\w-]{3,}|[\w.-]+:[0-9a-f]{8}-[0-9a-f]{4}-|\+1 555|Fictional|Client-|1984-05-17|birth_date|given_name|family_name`)

func TestHistoriesHoldNothingPersonal(t *testing.T) {
	t.Parallel()
	for file, h := range recorded(t, "*") {
		text, err := proto.Marshal(h) // payloads stand in it as they are
		if err != nil {
			t.Fatal(err)
		}
		if found := personal.Find(text); found != nil {
			t.Errorf("%s holds %q", file, found)
		}
		info, err := os.Stat(file)
		if err != nil || info.Size() > 100<<10 {
			t.Errorf("%s is larger than 100 KB: record less (%v)", file, err)
		}
	}
}
