package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"kap/release"
)

// releases keeps the program of every release that has begun a run here, and runs each beside the newest for as long as one of
// its runs is open: a run is pinned to the release that began it, and nobody else can go on with it.
type releases struct {
	folder   string
	temporal release.Releases
	conn     io.Closer // to it
	newest   string
	start    func(id, program string) *child

	mu      sync.Mutex
	earlier map[string]*child
	stop    context.CancelFunc
	ended   chan struct{}
}

// whichRelease asks the worker's program which release it is; no deployment means that Temporal is to keep none.
func (m *Machine) whichRelease(ctx context.Context) (deployment, id string, err error) {
	ask := exec.CommandContext(ctx, m.config.WorkerPath, "release")
	ask.Env = m.workerEnv()
	var problem bytes.Buffer
	ask.Stderr = &problem
	out, err := ask.Output()
	if err != nil {
		return "", "", fmt.Errorf("the worker %s does not say which release it is: %w: %s", m.config.WorkerPath, err, strings.TrimSpace(problem.String()))
	}
	deployment, id, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	return deployment, id, nil
}

// program is where a release's program is kept.
func (r *releases) program(id string) string { return filepath.Join(r.folder, id, "worker") }

// keep puts a program by, in one step: what is built next overwrites it where it was.
func (r *releases) keep(id, program string) error {
	if err := os.MkdirAll(filepath.Join(r.folder, id), 0o700); err != nil {
		return err
	}
	from, err := os.Open(program)
	if err != nil {
		return err
	}
	defer from.Close()
	draft := r.program(id) + ".new"
	to, err := os.OpenFile(draft, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Rename(draft, r.program(id))
}

// kept lists the releases whose programs are here, without the newest.
func (r *releases) kept() ([]string, error) {
	entries, err := os.ReadDir(r.folder)
	var all []string
	for _, e := range entries {
		if e.Name() != r.newest {
			all = append(all, e.Name())
		}
	}
	return all, err
}

// glance is how often it is looked whether an earlier release is still needed.
const glance = 2 * time.Second

// begin starts the earlier releases, makes the newest the current one, and lets go of those that nobody needs any more.
func (r *releases) begin(ctx context.Context, say func(string, ...any)) error {
	kept, err := r.kept()
	if err != nil {
		return err
	}
	for _, id := range kept {
		c := r.start(id, r.program(id))
		if err := c.up(ctx); err != nil { // somebody took its program away, say; the others can still run
			say("the earlier release %s cannot be run: %v", id, err)
			continue
		}
		r.earlier[id] = c
		say("the earlier release %s runs beside %s for as long as runs are pinned to it", id, r.newest)
	}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(r.ended)
		if r.promote(ctx) == nil {
			r.letGo(ctx, kept, say)
		}
	}()
	return nil
}

// promote makes the newest release the current one, once its worker is there: whoever starts the stack on a newer program means it.
func (r *releases) promote(ctx context.Context) error {
	for {
		current, err := r.temporal.Current(ctx)
		if err == nil && current != r.newest {
			err = r.temporal.Use(ctx, r.newest)
		}
		if err == nil {
			return nil
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// letGo ends each earlier release once no run of it was open at three looks in a row: lists are a moment behind the runs.
func (r *releases) letGo(ctx context.Context, kept []string, say func(string, ...any)) {
	idle := map[string]int{}
	for len(kept) > 0 {
		if wait(ctx, glance) != nil {
			return
		}
		for _, id := range slices.Clone(kept) {
			open, err := r.temporal.Open(ctx, id)
			idle[id]++
			if err != nil || open > 0 {
				idle[id] = 0
			}
			if idle[id] < 3 {
				continue
			}
			r.mu.Lock()
			c := r.earlier[id]
			delete(r.earlier, id)
			r.mu.Unlock()
			if c != nil {
				c.down()
			}
			if err := os.RemoveAll(filepath.Join(r.folder, id)); err != nil {
				say("the earlier release %s is no longer needed and cannot be removed: %v", id, err)
			} else {
				say("the earlier release %s has no open run any more and is removed", id)
			}
			kept = slices.DeleteFunc(kept, func(k string) bool { return k == id })
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// end stops the earlier releases, all at once; they stay where they are kept.
func (r *releases) end() {
	if r == nil {
		return
	}
	defer r.conn.Close()
	if r.stop == nil {
		return
	}
	r.stop()
	<-r.ended
	var all sync.WaitGroup
	for _, c := range r.earlier {
		all.Go(c.down)
	}
	all.Wait()
}

// Earlier lists the earlier releases that run beside the newest.
func (m *Machine) Earlier() []string {
	if m.releases == nil {
		return nil
	}
	m.releases.mu.Lock()
	defer m.releases.mu.Unlock()
	return slices.Sorted(maps.Keys(m.releases.earlier))
}

// Release is what the machine's own worker is called; "" where Temporal keeps no releases.
func (m *Machine) Release() string {
	if m.releases == nil {
		return ""
	}
	return m.releases.newest
}

func (m *Machine) startReleases(ctx context.Context, deployment, id string) error {
	conn, err := m.temporal.dial()
	if err != nil {
		return err
	}
	m.releases = &releases{
		conn: conn, folder: m.folder.releases(), newest: id, earlier: map[string]*child{}, ended: make(chan struct{}),
		temporal: release.Releases{Frontend: workflowservice.NewWorkflowServiceClient(conn), Namespace: Namespace, Deployment: deployment, Identity: "stack"},
		start: func(id, program string) *child {
			return m.workerChild("the worker of release "+id, "worker-"+id, program, "KAP_RELEASE="+id, "KAP_LISTEN=off")
		},
	}
	if err := m.releases.keep(id, m.config.WorkerPath); err != nil {
		return fmt.Errorf("the worker of release %s cannot be kept: %w", id, err)
	}
	m.children[Worker] = m.workerChild("the worker", "worker", m.releases.program(id), "KAP_RELEASE="+id)
	if err := m.children[Worker].up(ctx); err != nil {
		return err
	}
	return m.releases.begin(ctx, m.say)
}
