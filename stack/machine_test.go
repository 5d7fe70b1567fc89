package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/workflowservice/v1"

	"kap/stack/machine"
	"kap/workflows"
)

func TestEverythingAnswersAndNothingIsLost(t *testing.T) {
	t.Parallel()
	config := withWorker(t)
	config.Data = dataFolder(t)
	m := start(t, config)
	ctx := within(t, 2*time.Minute)

	for _, page := range []string{m.UIURL(), m.InboxURL()} {
		answer, err := http.Get(page)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", page, answer.Status)
		}
	}
	c := dial(t, m)
	found, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: machine.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	if days := found.Config.WorkflowExecutionRetentionTtl.AsDuration().Hours() / 24; days != 400 {
		t.Errorf("closed workflows are kept for %v days", days)
	}
	for name, kind := range workflows.SearchAttributes() {
		if _, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: name + " IS NULL"}); err != nil {
			t.Errorf("%s (%s): %v", name, kind, err)
		}
	}
	if m.PID(machine.Worker) == 0 {
		t.Error("no worker is running")
	}

	if _, err := machine.Start(ctx, machine.Config{Data: config.Data, Log: testLog{t}}); err == nil || !strings.Contains(err.Error(), "another stack") {
		t.Errorf("a second stack on the same data folder: %v", err)
	}

	w := begin(t, c, clockworkPlan{Count: 10})
	w.forwardTo(2)
	execute(t, m, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
	kill(t, m, machine.Postgres)
	kill(t, m, machine.Temporal)
	eventually(t, func() error { return query(ctx, m, "SELECT n FROM kept") })
	w.forwardTo(3)
	m.Stop()
	m.Stop()

	m = start(t, config)
	w.c = dial(t, m)
	if err := query(ctx, m, "SELECT n FROM kept"); err != nil {
		t.Error(err)
	}
	w.forwardTo(4)
	if n := len(w.wakes()); n != 4 {
		t.Errorf("woke %d times, wanted 4", n)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	m := start(t, machine.Config{})
	ctx := within(t, time.Minute)

	if err := m.CutDatabase(ctx); err != nil {
		t.Fatal(err)
	}
	if err := query(ctx, m, "SELECT 1"); err == nil {
		t.Error("the database answers though it is cut")
	}
	c := dial(t, m)
	if _, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{}); err != nil {
		t.Errorf("Temporal went with our database: %v", err)
	}
	if err := m.RestoreDatabase(ctx); err != nil {
		t.Fatal(err)
	}
	if err := query(ctx, m, "SELECT 1"); err != nil {
		t.Error(err)
	}

	if err := m.Pause(machine.Postgres); err != nil {
		t.Fatal(err)
	}
	if m.PID(machine.Postgres) != 0 {
		t.Error("PostgreSQL is running though it is paused")
	}
	if err := m.Resume(ctx, machine.Postgres); err != nil {
		t.Fatal(err)
	}
	if err := query(ctx, m, "SELECT 1"); err != nil {
		t.Error(err)
	}
	eventually(t, func() error {
		_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{})
		return err
	})
	if err := m.Pause("nobody"); err == nil {
		t.Error("a child that does not exist was paused")
	}
}

// runStack is the whole program when a test plays the stack itself: it tells who its children are and stays.
func runStack() int {
	m, err := machine.Start(context.Background(), machine.Config{Data: os.Getenv("STACK_TEST_DATA")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode([]int{m.PID(machine.Postgres), m.PID(machine.Temporal)})
	select {}
}

func TestChildrenEndWithAKilledStack(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stack := exec.Command(program)
	stack.Env = append(os.Environ(), roleVariable+"=stack", "STACK_TEST_DATA="+data)
	stack.Stderr = testLog{t}
	out, err := stack.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	defer stack.Process.Kill()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	if err := json.Unmarshal(line, &children); err != nil {
		t.Fatal(err)
	}
	_ = stack.Process.Kill()
	_ = stack.Wait()

	// Whatever the old children are still at, the next stack waits for them.
	m := start(t, machine.Config{Data: data})
	for _, pid := range children {
		// The dead may wait to be collected for as long as the machine's first process likes.
		state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if syscall.Kill(pid, 0) == nil && !strings.Contains(string(state), ") Z ") {
			t.Errorf("process %d of the killed stack is alive: %s", pid, state)
		}
	}
	if slices.Contains(children, m.PID(machine.Postgres)) {
		t.Error("the old PostgreSQL is taken for the new one")
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := filepath.Join(dataFolder(t), "data")
	port := l.Addr().(*net.TCPAddr).Port
	_, err = machine.Start(t.Context(), machine.Config{Data: data, UIPort: port, Log: testLog{t}})
	want := fmt.Sprintf("port %d (Temporal's Web UI) is already in use by another program; stop it or choose another with bin/stack --ui-port", port)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := os.Stat(filepath.Join(data, "postgres")); err == nil {
		t.Error("something was started before the ports were looked at")
	}
}

func TestAClosedFolderIsNamed(t *testing.T) {
	t.Parallel()
	closed := dataFolder(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // PostgreSQL runs as ourselves, who may pass
		start(t, machine.Config{Data: filepath.Join(closed, "data")})
		return
	}
	_, err := machine.Start(t.Context(), machine.Config{Data: filepath.Join(closed, "data"), Log: testLog{t}})
	if err == nil || !strings.Contains(err.Error(), "may not pass through the folder "+closed) {
		t.Error(err)
	}
}

func query(ctx context.Context, m *machine.Machine, sql string) error {
	conn, err := pgx.Connect(ctx, m.DatabaseURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var n int
	return conn.QueryRow(ctx, sql).Scan(&n)
}

func execute(t *testing.T, m *machine.Machine, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), m.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, ask func() error) {
	t.Helper()
	var err error
	for range 300 {
		if err = ask(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
}
