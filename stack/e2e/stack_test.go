package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kap/internal/child"
)

// What make run runs, as somebody at a terminal runs it.
func TestTheStackAsAProgram(t *testing.T) {
	t.Parallel()
	program(t, "worker")
	program(t, "starter")
	machines <- struct{}{}
	t.Cleanup(func() { <-machines })
	data := filepath.Join(t.TempDir(), "data")
	// PostgreSQL's user passes through.
	for dir := filepath.Dir(data); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("stopped while it starts", func(t *testing.T) {
		s := startStack(t, data, "--empty")
		await(within(t, 30*time.Second), t, "the first process", func() error {
			if len(descendants(s.command.Process.Pid)) == 0 {
				return errors.New("there is none")
			}
			return nil
		})
		s.stop(syscall.SIGTERM)
	})
	t.Run("empty", func(t *testing.T) {
		s := startStack(t, data, "--empty")
		s.says("Ready.", time.Minute)
		s.running()
		s.stop(syscall.SIGINT)
	})
	t.Run("with its stories, on the same data", func(t *testing.T) {
		s := startStack(t, data)
		s.says("Be the prescriber", 3*time.Minute)
		text := s.out.String()
		_, table, _ := strings.Cut(text, "Where everyone is:")
		for _, want := range []string{"  completed  ", "  stopped-and-referred  ", "  declined-and-referred  ", "  withdrawn  ", "Say whether treatment is medically acceptable", "prescriber-clearance"} {
			if !strings.Contains(table, want) {
				t.Errorf("the stack does not say %q:\n%s", want, text)
			}
		}
		s.running()
		verified(t, data)
		s.stop(syscall.SIGTERM)
	})
}

// verified: every story kept the rules, by its journal alone, and the journal, the read model and Temporal's history agree.
func verified(t *testing.T, data string) {
	t.Helper()
	ctx := within(t, 2*time.Minute)
	out, err := exec.CommandContext(ctx, program(t, "starter"), "--env-file", filepath.Join(data, "env"), "verify").CombinedOutput()
	if err != nil || len(regexp.MustCompile(`(?m)^[0-9A-Z]{6}  kept .*  whole$`).FindAllString(string(out), -1)) != 8 {
		t.Errorf("starter verify ended with %v, expected each of the eight stories kept, and their histories whole:\n%s", err, out)
	}
	if long := regexp.MustCompile(`(?m)^.{81,}$`).FindString(string(out)); long != "" {
		t.Errorf("a line has more than 80 columns: %s", long)
	}
}

// stack is one run of bin/stack.
type stack struct {
	t       *testing.T
	command *exec.Cmd
	ended   chan error
	out     child.Output
}

func startStack(t *testing.T, data string, args ...string) *stack {
	t.Helper()
	args = append([]string{"--data", data, "--temporal-port", "0", "--ui-port", "0", "--inbox-port", "0", "--postgres-port", "0", "--metrics-port", "0", "--web-port", "0", "--web-health-port", "0"}, args...)
	s := &stack{t: t, command: exec.Command(program(t, "stack"), args...), ended: make(chan error, 1)}
	s.command.Stdout, s.command.Stderr = &s.out, &s.out
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.command.Wait() }()
	t.Cleanup(func() { _ = s.command.Process.Kill() })
	return s
}

func (s *stack) says(what string, within time.Duration) {
	s.t.Helper()
	for deadline := time.Now().Add(within); !strings.Contains(s.out.String(), what); {
		select {
		case err := <-s.ended:
			s.t.Fatalf("the stack ended (%v) before it said %q:\n%s", err, what, s.out.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("within %s the stack did not say %q:\n%s", within, what, s.out.String())
		}
	}
}

// running looks whether all is there.
func (s *stack) running() {
	s.t.Helper()
	if n := len(descendants(s.command.Process.Pid)); n < 3 {
		s.t.Errorf("the stack runs %d processes, expected PostgreSQL's, Temporal's server and the worker", n)
	}
}

// stop asks the stack to end, and looks whether it takes everything with it.
func (s *stack) stop(by syscall.Signal) {
	s.t.Helper()
	family := descendants(s.command.Process.Pid)
	if err := s.command.Process.Signal(by); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("the stack ended with %v:\n%s", err, s.out.String())
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("the stack did not end within a minute:\n%s", s.out.String())
	}
	for _, pid := range family {
		await(within(s.t, 5*time.Second), s.t, "the stack's processes to be gone", func() error { return gone(pid) })
	}
}

func gone(pid int) error {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || strings.Contains(string(state), ") Z ") { // dead, and collected whenever the machine's first process likes
		return nil
	}
	return fmt.Errorf("process %d is alive: %s", pid, state)
}

// descendants are a process's children and theirs.
func descendants(of int) []int {
	children := map[int][]int{}
	folders, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range folders {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var all []int
	for next := children[of]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, children[next[0]]...)
	}
	return all
}
