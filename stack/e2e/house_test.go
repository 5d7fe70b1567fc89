// Package e2e_test holds the whole to its word: the real stack, the programs of bin, PostgreSQL and Temporal's server as
// processes that can be killed. Nothing in it is mocked, and it links no server, so that it runs under the race detector.
package e2e_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"kap/stack/machine"
	"kap/workflows"
)

// root is the project's folder, found from where this file lies.
var root = func() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..")
}()

// program is one of the programs in bin.
func program(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(root, "bin", name)
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		t.Fatalf("bin/%s is missing: make test builds it, and this test runs it", name)
	}
	return path
}

// house is one machine with a worker, and a practice with many therapists.
type house struct {
	*machine.Machine
	config machine.Config
	client client.Client
	env    []string
	dir    string
	hired  atomic.Int64
}

// therapists is how many the practice has. Each client gets one of their own, with a prescriber and a coordinator, so that no
// calendar and no mail to staff mixes clocks.
const therapists = 60

// onCall holds the on-call number for all of them.
const onCall = "o-call"

// writePractice writes a practice that is open all week and never closed, so that no test depends on the day it runs.
func writePractice(dir string) (string, error) {
	var b strings.Builder
	b.WriteString(`name: Linden Street
mail: {name: Linden Street Practice, from: appointments@linden.example, reply_to: desk@linden.example, phone: "+1 555 0100", location: "12 Linden Street"}
zone: America/New_York
opening_hours:
`)
	for _, day := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		fmt.Fprintf(&b, "  %s: [\"08:00-18:00\"]\n", day)
	}
	b.WriteString("staff:\n")
	member := func(id, role string) {
		fmt.Fprintf(&b, "  - {id: %s, name: %[1]s, role: %s, email: %s}\n", id, role, address(id))
	}
	for n := range therapists {
		member(fmt.Sprintf("t-%d", n+1), "therapist")
		member(fmt.Sprintf("p-%d", n+1), "prescriber")
		member(fmt.Sprintf("c-%d", n+1), "coordinator")
	}
	member(onCall, "coordinator")
	fmt.Fprintf(&b, "on_call: %s\n", onCall)
	path := filepath.Join(dir, "practice.yaml")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// machines bounds how many run at once: each is several servers.
var machines = make(chan struct{}, 3)

// open starts a house in a new folder, and tells its worker more than usual. Whoever calls it closes it.
func open(ctx context.Context, worker, stack string, more ...string) (*house, error) {
	return openWith(ctx, machine.Config{WorkerPath: worker, StackPath: stack, WorkerEnv: more})
}

// openWith starts a house as a configuration says, in a new folder with a practice of its own.
func openWith(ctx context.Context, config machine.Config) (*house, error) {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return nil, err
	}
	h := &house{dir: dir}
	if err := os.Chmod(dir, 0o755); err != nil { // the user that PostgreSQL runs as passes through
		return h, err
	}
	practice, err := writePractice(dir)
	if err != nil {
		return h, err
	}
	log, err := os.Create(filepath.Join(dir, "machine.log"))
	if err != nil {
		return h, err
	}
	h.config = config
	h.config.Data, h.config.Log, h.config.WorkerEnv = filepath.Join(dir, "data"), log, append(config.WorkerEnv, "KAP_PRACTICE="+practice)
	return h, h.start(ctx)
}

// start starts the machine, also once more on the same data.
func (h *house) start(ctx context.Context) error {
	var err error
	if h.Machine, err = machine.Start(ctx, h.config); err != nil {
		return err
	}
	h.env = append(append(os.Environ(), h.Env()...), h.config.WorkerEnv...)
	h.client, err = client.DialContext(ctx, client.Options{HostPort: h.TemporalAddress(), Namespace: machine.Namespace, Logger: quiet()})
	if err != nil {
		return err
	}
	return h.awaitWorker(ctx)
}

func (h *house) awaitWorker(ctx context.Context) error {
	return until(ctx, "a worker to ask for work", func() error {
		queue, err := h.client.DescribeTaskQueue(ctx, workflows.TaskQueue, enums.TASK_QUEUE_TYPE_WORKFLOW)
		if err == nil && len(queue.GetPollers()) == 0 {
			err = fmt.Errorf("nobody polls")
		}
		return err
	})
}

func (h *house) close() error {
	if h.client != nil {
		h.client.Close()
	}
	if h.Machine != nil {
		h.Stop()
	}
	return os.RemoveAll(h.dir)
}

// ownHouse is a house for a test that cuts, kills or stops.
func ownHouse(t testing.TB, more ...string) *house {
	t.Helper()
	return houseOf(t, machine.Config{WorkerPath: program(t, "worker"), StackPath: program(t, "stack"), WorkerEnv: more})
}

// houseWithWeb is one in which the mail service says what becomes of mails.
func houseWithWeb(t testing.TB, more ...string) *house {
	t.Helper()
	return houseOf(t, machine.Config{WorkerPath: program(t, "worker"), WebPath: program(t, "web"), StackPath: program(t, "stack"), WorkerEnv: more})
}

func houseOf(t testing.TB, config machine.Config) *house {
	t.Helper()
	machines <- struct{}{}
	t.Cleanup(func() { <-machines })
	h, err := openWith(t.Context(), config)
	t.Cleanup(func() {
		if h == nil {
			return
		}
		if t.Failed() && h.Machine != nil {
			t.Log(h.Logs())
		}
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var shared struct {
	once  sync.Once
	house *house
	err   error
}

// sharedHouse is the one for tests that leave it running.
func sharedHouse(t testing.TB) *house {
	t.Helper()
	worker, stack := program(t, "worker"), program(t, "stack")
	shared.once.Do(func() {
		machines <- struct{}{}
		shared.house, shared.err = open(context.Background(), worker, stack)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(shared.house.Logs())
		}
	})
	return shared.house
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.house != nil {
		if err := shared.house.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// team is who cares for one client.
type team struct{ therapist, prescriber, desk string }

// team is one that has no client yet.
func (h *house) team() team {
	n := h.hired.Add(1)
	return team{fmt.Sprintf("t-%d", n), fmt.Sprintf("p-%d", n), fmt.Sprintf("c-%d", n)}
}

// address is where a member of staff reads their mail.
func address(staff string) string { return staff + "@linden.example" }

// until asks again and again until there is no error, or no time.
func until(ctx context.Context, what string, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func await(ctx context.Context, t testing.TB, what string, ask func() error) {
	t.Helper()
	if err := until(ctx, what, ask); err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func quiet() log.Logger {
	return log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
}
