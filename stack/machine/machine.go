// Package machine runs everything that a practice needs on one machine: PostgreSQL, Temporal's server and its Web UI,
// the inbox that stands in for SendGrid, and the project's worker and web process. Each server is a process of its own, started again
// when it dies; what they know is in the data folder, and a machine started on it again goes on where the last one
// stopped. It knows nothing of pathways.
package machine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	ui "github.com/temporalio/ui-server/v2/server"
)

// The children's names, for PID, Pause and Resume.
const (
	Postgres = "postgres"
	Temporal = "temporal"
	Worker   = "worker"
	Inbox    = "inbox"
	Web      = "web"
)

// startWithin is the time for everything to become ready; a first start on a busy machine takes a fraction of it.
const startWithin = 3 * time.Minute

// Machine is everything, running.
type Machine struct {
	config   Config
	folder   folder
	lock     *os.File
	postgres *postgres
	temporal *temporal
	ui       *ui.Server
	children map[string]*child
	releases *releases // nil where Temporal keeps none

	eventsKey string // the public half, as SendGrid would show it
	linksKey  string // which seals the links in mails

	control sync.Mutex // one of Stop, Pause, Resume at a time
	stopped bool
}

// Start brings everything up and returns when it can be used. On an error nothing is left running. The context is for
// the start alone: what runs afterwards runs until Stop.
func Start(ctx context.Context, config Config) (_ *Machine, err error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("after %s", startWithin))
	defer cancel()

	m := &Machine{config: config, children: map[string]*child{}}
	defer func() {
		if err != nil {
			m.Stop()
		}
	}()
	if m.folder, m.lock, err = openFolder(config.Data); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		m.preparePostgres, m.settlePorts, m.prepareWeb, m.startPostgres, m.startTemporal, m.startWindows, m.startWorker, m.startWeb, m.writeEnv,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Machine) preparePostgres(context.Context) error {
	m.postgres = &postgres{folder: m.folder}
	return m.postgres.find()
}

// settlePorts names a port that is taken before anything is started.
func (m *Machine) settlePorts(ctx context.Context) error {
	m.postgres.awaitPredecessor(ctx)
	if err := settle(m.config.ports()); err != nil {
		return err
	}
	m.postgres.port = m.config.PostgresPort
	return nil
}

func (m *Machine) startPostgres(ctx context.Context) error {
	if err := m.postgres.initialise(ctx); err != nil {
		return err
	}
	m.children[Postgres] = m.postgres.child(m.say)
	if err := m.children[Postgres].up(ctx); err != nil {
		return err
	}
	if err := m.postgres.discardUnfinished(ctx); err != nil {
		return err
	}
	return m.postgres.prepareDatabases(ctx)
}

func (m *Machine) startTemporal(ctx context.Context) error {
	m.temporal = &temporal{
		program: m.config.StackPath, port: m.config.TemporalPort, postgres: m.postgres, log: m.folder.log("temporal"),
	}
	m.children[Temporal] = m.temporal.child(m.say)
	if err := m.children[Temporal].up(ctx); err != nil {
		return err
	}
	if err := m.temporal.prepareNamespace(ctx); err != nil {
		return err
	}
	return m.postgres.markFinished(ctx)
}

// startWindows opens what people look through.
func (m *Machine) startWindows(ctx context.Context) error {
	m.children[Inbox] = m.inboxChild()
	err := m.children[Inbox].up(ctx)
	if err != nil {
		return err
	}
	m.ui, err = startUI(ctx, m.config.UIPort, m.config.TemporalPort)
	return err
}

func (m *Machine) startWorker(ctx context.Context) error {
	if m.config.WorkerPath == "" {
		return nil
	}
	deployment, id, err := m.whichRelease(ctx)
	if err != nil {
		return err
	}
	if deployment != "" {
		return m.startReleases(ctx, deployment, id)
	}
	m.children[Worker] = m.workerChild("the worker", "worker", m.config.WorkerPath)
	return m.children[Worker].up(ctx)
}

// Stop ends everything, in the order that lets each finish what it has begun. Stopping twice is stopping once.
func (m *Machine) Stop() {
	m.control.Lock()
	defer m.control.Unlock()
	if m.stopped {
		return
	}
	m.stopped = true
	m.down(Web)
	m.down(Worker)
	m.releases.end()
	if m.ui != nil {
		m.ui.Stop()
	}
	m.down(Inbox)
	m.down(Temporal)
	m.down(Postgres)
	if m.lock != nil {
		_ = m.lock.Close()
	}
}

func (m *Machine) down(name string) {
	if c := m.children[name]; c != nil {
		c.down()
	}
}

// PID is the process of a child, 0 while it is not running.
func (m *Machine) PID(name string) int {
	if c := m.children[name]; c != nil {
		return c.pid()
	}
	return 0
}

// Pause stops a child and leaves it stopped until Resume.
func (m *Machine) Pause(name string) error {
	m.control.Lock()
	defer m.control.Unlock()
	c, err := m.known(name)
	if err != nil {
		return err
	}
	c.down()
	return nil
}

// Resume starts a child that Pause has stopped and returns when it is ready.
func (m *Machine) Resume(ctx context.Context, name string) error {
	m.control.Lock()
	defer m.control.Unlock()
	c, err := m.known(name)
	if err != nil {
		return err
	}
	return c.up(ctx)
}

func (m *Machine) known(name string) (*child, error) {
	if m.stopped {
		return nil, errors.New("the machine is stopped")
	}
	c := m.children[name]
	if c == nil {
		return nil, fmt.Errorf("this machine runs no child %q", name)
	}
	return c, nil
}

// CutDatabase takes our own database away while Temporal keeps its own: sessions end, new ones are refused.
func (m *Machine) CutDatabase(ctx context.Context) error { return m.postgres.setReachable(ctx, false) }

// RestoreDatabase undoes CutDatabase.
func (m *Machine) RestoreDatabase(ctx context.Context) error {
	return m.postgres.setReachable(ctx, true)
}

// Logs is the end of every child's log, for a test that failed.
func (m *Machine) Logs() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.children)) {
		fmt.Fprintf(&b, "%s:\n%s\n", m.children[name].logFile, tailOf(m.children[name].logFile))
	}
	return b.String()
}

func (m *Machine) say(format string, args ...any) {
	fmt.Fprintf(m.config.Log, "stack: "+format+"\n", args...)
}
