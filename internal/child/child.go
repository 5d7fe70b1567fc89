// Package child runs a test's own program once more, as a process of its own, and listens to it.
package child

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Output is what a program says, and can be read while it is written.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes it down.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String is what has been said so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Process is one that runs. It is killed when its test ends.
type Process struct {
	T     testing.TB
	Ended chan error // what waiting for it said

	cmd  *exec.Cmd
	said Output
}

// Start runs the test's program without arguments; what it does, its TestMain decides by the environment.
func Start(t testing.TB, environ []string) *Process {
	t.Helper()
	p := &Process{T: t, cmd: exec.Command(os.Args[0]), Ended: make(chan error, 1)}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = environ, &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// Log is what it has said.
func (p *Process) Log() string { return p.said.String() }

// ExitCode is how it has ended, once it has.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Signal sends it a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.T.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.T.Fatal(err)
	}
}

// Await looks again and again, for half a minute.
func (p *Process) Await(what string, is func() bool) {
	p.T.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.T.Fatalf("waited for %s; it says\n%s", what, p.Log())
		}
	}
}

// Get reads one of its pages.
func (p *Process) Get(url string) (status int, body string) {
	p.T.Helper()
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		p.T.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.T.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
