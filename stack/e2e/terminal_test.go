package e2e_test

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a command that runs at a terminal of 80 columns, as somebody sees it.
type terminal struct {
	t       *testing.T
	keys    io.WriteCloser
	command *exec.Cmd
	mu      sync.Mutex
	text    strings.Builder
	ended   chan struct{}
}

func (h *house) terminal(ctx context.Context, t *testing.T, args ...string) *terminal {
	t.Helper()
	command := exec.CommandContext(ctx, program(t, "starter"), args...)
	command.Dir, command.Env = h.dir, append(h.env, "TERM=xterm")
	file, err := pty.StartWithSize(command, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	s := &terminal{t: t, keys: file, command: command, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := file.Read(buffer)
			s.mu.Lock()
			s.text.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil { // the other side is closed
				return
			}
		}
	}()
	return s
}

func (s *terminal) shows() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// answers types a line once the screen shows a question behind what it showed before.
func (s *terminal) answers(ctx context.Context, question, line string) {
	s.t.Helper()
	s.awaits(ctx, question)
	s.mu.Lock()
	s.text.Reset()
	s.mu.Unlock()
	if _, err := io.WriteString(s.keys, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *terminal) awaits(ctx context.Context, text string) {
	s.t.Helper()
	for !strings.Contains(s.shows(), text) {
		select {
		case <-ctx.Done():
			s.t.Fatalf("the screen does not show %q but\n%s", text, s.shows())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *terminal) ends(exit int) string {
	s.t.Helper()
	<-s.ended
	_ = s.command.Wait()
	_ = s.keys.Close()
	if found := s.command.ProcessState.ExitCode(); found != exit {
		s.t.Errorf("it ended with %d, expected %d:\n%s", found, exit, s.shows())
	}
	return s.shows()
}

// Seven in the morning: what is owed, by whom, and done from the same place; the board follows.
func TestAWorkingDayAtATerminal(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	ctx := within(t, 2*time.Minute)
	p := h.enrol(ctx, t, h.team(), nil)
	name := "Client-" + p.therapist

	h.says(ctx, t, []string{"tasks", "--for", p.prescriber}, p.code+"  "+name+" Fictional", "record prescriber-clearance "+p.code)
	board := h.terminal(ctx, t, "watch", "--for", p.therapist, "--every", "300ms")
	board.awaits(ctx, "prescriber")

	clearance := h.terminal(ctx, t, "record", "prescriber-clearance", p.code, "--by", p.prescriber)
	clearance.answers(ctx, "decision (cleared,", "cleared")
	for _, field := range []string{"medications_reviewed", "cardiovascular_history_reviewed", "psychiatric_history_reviewed", "medically_stable"} {
		clearance.answers(ctx, field, "yes")
	}
	clearance.answers(ctx, "or Enter to go on", "")
	clearance.answers(ctx, "Record this? [yes/no]", "yes")
	if said := clearance.ends(0); !strings.Contains(said, "Recorded: prescriber's clearance: cleared") {
		t.Errorf("it says\n%s", said)
	}
	board.awaits(ctx, p.code+"*")
	if !strings.Contains(board.shows(), "\x1b[") {
		t.Error("the board has no colours at a terminal")
	}
	if _, err := board.keys.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	board.ends(0)

	// Whoever thinks better of it has recorded nothing.
	left := h.terminal(ctx, t, "record", "consent", p.code, "--by", p.therapist)
	left.answers(ctx, "decision (given, withdrawn)", "given")
	left.awaits(ctx, "risks")
	if _, err := left.keys.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if said := left.ends(1); !strings.Contains(said, "interrupted; nothing was recorded") {
		t.Errorf("it says\n%s", said)
	}

	// What the decision makes necessary is asked for before anything is sent.
	defers := h.terminal(ctx, t, "record", "psychological-evaluation", p.code, "--by", p.therapist, "decision=defer",
		"trauma_history_reviewed=true", "substance_use_history_reviewed=true", "attachment_history_reviewed=true")
	defers.answers(ctx, "what_must_change (a text):", "sleep")
	defers.answers(ctx, "review_on (a date such as 2026-12-10):", "tomorrow")
	defers.answers(ctx, "review_on (a date such as 2026-12-10):", p.now().AddDate(0, 0, 30).Format(time.DateOnly))
	defers.answers(ctx, "or Enter to go on", "")
	defers.answers(ctx, "Record this? [yes/no]", "yes")
	if said := defers.ends(0); !strings.Contains(said, "Recorded: psychological evaluation: deferred") {
		t.Errorf("it says\n%s", said)
	}

	// What the rules refuse is refused here, too, with the reason.
	wrong := h.terminal(ctx, t, "record", "safety-plan", p.code, "--by", p.prescriber)
	wrong.answers(ctx, "decision (on-file, revised)", "on-file")
	wrong.answers(ctx, "between_sessions_plan", "yes")
	wrong.answers(ctx, "emergency_contact_on_file", "yes")
	wrong.answers(ctx, "or Enter to go on", "")
	wrong.answers(ctx, "Record this? [yes/no]", "yes")
	if said := wrong.ends(3); !strings.Contains(said, "who is this pathway's prescriber") {
		t.Errorf("it says\n%s", said)
	}
	for _, look := range []struct {
		args  []string
		shows []string
	}{
		{[]string{"today", "--for", p.prescriber}, []string{"prescriber", "Owed", "prescriber's clearance: cleared"}},
		{[]string{"history", p.code}, []string{name, "prescriber's clearance: cleared", "safety-plan was not taken: by: found " + p.prescriber}},
		{[]string{"list", "--for", p.therapist}, []string{p.code, "screening"}},
	} {
		h.says(ctx, t, look.args, look.shows...)
	}
}

// says waits until a command says all of this: the records are written a moment after the pathway has answered.
func (h *house) says(ctx context.Context, t *testing.T, args []string, texts ...string) {
	t.Helper()
	await(ctx, t, strings.Join(args, " "), func() error {
		out, problem, exit := h.starter(ctx, t, nil, args...)
		for _, text := range texts {
			if exit != 0 || !strings.Contains(out, text) {
				return fmt.Errorf("it ends with %d and does not say %q: %s%s", exit, text, out, problem)
			}
		}
		return nil
	})
}
