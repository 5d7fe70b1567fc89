package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"kap/pathway"
	"kap/practice"
	"kap/records"
	"kap/stack/machine"
	"kap/workflows"
)

// house is one machine, with kap's worker and the bare workflow's.
type house struct {
	*machine.Machine
	options
	dir    string
	client client.Client
	store  *records.Store
	env    []string // of the programs
	zone   string   // in which it is the middle of the morning: mails go out at once
	rules  pathway.Protocol
	house  practice.Practice
	bare   *exec.Cmd
	hired  atomic.Int64

	slowness time.Duration // by which factor this machine takes longer than was thought
}

type team struct{ therapist, prescriber, desk string }

// known is how many teams stand in the practice's file: those that get mail.
const known = 8

// hire is a team that nobody has yet. It stands in no file: clients whose sessions are at the same moment need a calendar
// each, and nothing is written to their teams.
func (h *house) hire() team { return teamOf(known + int(h.hired.Add(1))) }

func teamOf(n int) team {
	return team{fmt.Sprintf("t-%d", n), fmt.Sprintf("p-%d", n), fmt.Sprintf("c-%d", n)}
}

// openHouse starts the stack, as often as cold starts are measured, and keeps the last one.
func openHouse(ctx context.Context, o options, r *report) (*house, error) {
	for n := 1; ; n++ {
		r.say("cold start %d", n)
		zone := midMorning(time.Now())
		h, took, err := coldStart(ctx, o, neverClosing(zone))
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		r.add(kap, "cold start until a worker polls", "s", took.Seconds())
		if n >= o.coldStarts {
			h.zone = zone
			return h, h.furnish(ctx)
		}
		if err := h.close(); err != nil {
			return nil, err
		}
	}
}

// coldStart starts everything in an empty folder, until a worker asks for work. An empty practice is the sample that kap brings.
func coldStart(ctx context.Context, o options, practice string) (h *house, took time.Duration, err error) {
	h = &house{options: o}
	if h.dir, err = os.MkdirTemp("", "kap-bench"); err != nil {
		return h, 0, err
	}
	if err := os.Chmod(h.dir, 0o755); err != nil { // the user that PostgreSQL runs as passes through
		return h, 0, err
	}
	worker := []string{"KAP_LOG_LEVEL=warn"}
	if practice != "" {
		file := filepath.Join(h.dir, "practice.yaml")
		if err := os.WriteFile(file, []byte(practice), 0o600); err != nil {
			return h, 0, err
		}
		worker = append(worker, "KAP_PRACTICE="+file)
	}
	programs, err := filepath.Abs(o.programs)
	if err != nil {
		return h, 0, err
	}
	log, err := os.Create(filepath.Join(h.dir, "machine.log"))
	if err != nil {
		return h, 0, err
	}
	begun := time.Now()
	h.Machine, err = machine.Start(ctx, machine.Config{Data: filepath.Join(h.dir, "data"), Log: log,
		StackPath: filepath.Join(programs, "stack"), WorkerPath: filepath.Join(programs, "worker"), WorkerEnv: worker})
	if err != nil {
		return h, 0, err
	}
	h.env = append(append(os.Environ(), h.Env()...), worker...)
	h.client, err = client.DialContext(ctx, client.Options{HostPort: h.TemporalAddress(), Namespace: machine.Namespace, Logger: quiet()})
	if err != nil {
		return h, 0, err
	}
	err = h.awaitPollers(ctx, workflows.TaskQueue)
	return h, time.Since(begun), err
}

// furnish opens what the measurements use beside the machine.
func (h *house) furnish(ctx context.Context) error {
	var err error
	if h.store, err = records.Open(ctx, h.DatabaseURL()); err != nil {
		return err
	}
	if h.house, err = practice.Load(filepath.Join(h.dir, "practice.yaml")); err != nil {
		return err
	}
	if h.rules, err = practice.LoadProtocol(""); err != nil {
		return err
	}
	return h.startBare(ctx)
}

func (h *house) close() error {
	if h == nil {
		return nil
	}
	h.stopBare()
	if h.store != nil {
		h.store.Close()
	}
	if h.client != nil {
		h.client.Close()
	}
	if h.Machine != nil {
		h.Stop()
	}
	return os.RemoveAll(h.dir)
}

func (h *house) awaitPollers(ctx context.Context, queue string) error {
	return until(ctx, time.Minute, "a worker on "+queue, func() (bool, error) {
		found, err := h.client.DescribeTaskQueue(ctx, queue, enums.TASK_QUEUE_TYPE_WORKFLOW)
		return err == nil && len(found.GetPollers()) > 0, nil
	})
}

// midMorning is a zone without summer time in which it is 10 o'clock or a little later now.
func midMorning(now time.Time) string {
	east := 10 - now.UTC().Hour()
	if east < -12 {
		east += 24
	}
	if east == 0 {
		return "Etc/GMT"
	}
	return fmt.Sprintf("Etc/GMT%+d", -east) // the sign of these names is the other way round
}

// neverClosing is a practice that never closes.
func neverClosing(zone string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `name: Linden Street
mail: {name: Linden Street Practice, from: appointments@linden.example, reply_to: desk@linden.example, phone: "+1 555 0100", location: "12 Linden Street"}
zone: %s
opening_hours:
`, zone)
	for _, day := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		fmt.Fprintf(&b, "  %s: [\"00:00-23:59\"]\n", day)
	}
	b.WriteString("staff:\n")
	member := func(id, role string) {
		fmt.Fprintf(&b, "  - {id: %s, name: %[1]s, role: %s, email: %[1]s@linden.example}\n", id, role)
	}
	for n := range known {
		t := teamOf(n)
		member(t.therapist, "therapist")
		member(t.prescriber, "prescriber")
		member(t.desk, "coordinator")
	}
	b.WriteString("on_call: c-0\n")
	return b.String()
}

// usage is what a machine has taken: resident memory of its processes, and the size of its databases.
type usage struct{ worker, bareWorker, server, database float64 }

func (h *house) usage() (u usage, err error) {
	for _, of := range []struct {
		pid  int
		into *float64
	}{{h.PID(machine.Worker), &u.worker}, {h.bare.Process.Pid, &u.bareWorker}, {h.PID(machine.Temporal), &u.server}} {
		if *of.into, err = resident(of.pid); err != nil {
			return u, err
		}
	}
	// The files of all databases; what PostgreSQL logs ahead of them is recycled and does not grow with them.
	err = filepath.WalkDir(filepath.Join(h.dir, "data", "postgres", "base"), func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // a table was rewritten at this moment
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			u.database += float64(info.Size())
		}
		return nil
	})
	return u, err
}

// resident is a process's memory in bytes, as ps says it.
func resident(pid int) (float64, error) {
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("the memory of process %d: %w", pid, err)
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	return n * 1024, err
}

// until asks again and again.
func until(ctx context.Context, patience time.Duration, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		done, err := ask()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s in vain: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func quiet() log.Logger {
	return log.NewStructuredLogger(slog.New(slog.DiscardHandler))
}

// opaque is something that nothing else is called.
func opaque() string { return strings.ToLower(rand.Text()[:10]) }
