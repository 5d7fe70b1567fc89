package main_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"kap/stack/inbox"
	"kap/stack/machine"
	"kap/stack/settings"
	"kap/stack/temporalserver"
)

// roleVariable tells the test's own program that it is started as the machine's worker, or as the stack itself.
const roleVariable = "STACK_TEST_ROLE"

// The test's program plays all parts: the machine starts it once more as Temporal's server and as the worker.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == settings.ServerCommand:
		os.Exit(temporalserver.Main())
	case len(os.Args) > 1 && os.Args[1] == settings.InboxCommand:
		os.Exit(inbox.Main(os.Args[2:]))
	case os.Getenv(roleVariable) == "worker" && len(os.Args) > 1:
		os.Exit(0) // asked for its release, of which it is none
	case os.Getenv(roleVariable) == "worker":
		os.Exit(runClockworkWorker())
	case os.Getenv(roleVariable) == "stack":
		os.Exit(runStack())
	}
	os.Exit(m.Run())
}

// start runs a machine with the test's worker until the test ends, and leaves nothing behind.
func start(t *testing.T, config machine.Config) *machine.Machine {
	t.Helper()
	if config.Data == "" {
		config.Data = dataFolder(t)
	}
	if config.Log == nil {
		config.Log = testLog{t}
	}
	m, err := machine.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Stop()
		if t.Failed() {
			t.Log(m.Logs())
		}
	})
	return m
}

// dataFolder is like t.TempDir, but the user that PostgreSQL runs as may pass through it.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stack")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func withWorker(t *testing.T) machine.Config {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return machine.Config{WorkerPath: program, WorkerEnv: []string{roleVariable + "=worker"}}
}

func dial(t *testing.T, m *machine.Machine, more ...grpc.DialOption) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: m.TemporalAddress(), Namespace: machine.Namespace, Logger: quiet(),
		ConnectionOptions: client.ConnectionOptions{DialOptions: more},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func quiet() log.Logger {
	return log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s", line)
	return len(line), nil
}
