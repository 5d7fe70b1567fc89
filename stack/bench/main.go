// Command bench measures kap on the real stack, and beside each quantity, where there is one, a bare Temporal workflow that
// does the same on the same server in the same run. It prints a table and writes JSON. It judges nothing: what the figures
// mean is in docs/measurements.md.
//
// Enrolments go through kap's own packages, records and the client, as `starter enrol` does it, not through thousands of
// processes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareCommand {
		os.Exit(bareMain())
	}
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// size is how much a run measures.
type size struct {
	rounds     int           // of everything that is measured several times
	rules      time.Duration // for the rules alone
	arcs       int           // whole pathways in the SDK's environment
	coldStarts int
	stories    int           // whole pathways on the real stack
	enrolments int           // at each number at once
	updates    int           // of each kind
	burst      int           // reminders in one second
	spread     int           // reminders spread
	window     time.Duration // over which they are spread
	waiting    []int         // pathways, at which memory and database are looked at
	crowd      int           // pathways that wait while reminders go out
}

// sizes are the runs there are. Spreading is at the protocol's rate for 10,000 pathways: as many in its 15 minutes as in
// the window here.
var sizes = map[string]size{
	"small": {rounds: 2, rules: 300 * time.Millisecond, arcs: 3, coldStarts: 1, stories: 2, enrolments: 32, updates: 60,
		burst: 40, spread: 110, window: 10 * time.Second, waiting: []int{100, 200}, crowd: 300},
	"whole": {rounds: 3, rules: time.Second, arcs: 10, coldStarts: 3, stories: 3, enrolments: 192, updates: 400,
		burst: 1000, spread: 1000, window: 90 * time.Second, waiting: []int{1000, 5000}, crowd: 10_000},
}

type options struct {
	size
	named    string
	only     []string
	json     string
	programs string
}

func parse(args []string) (options, error) {
	var o options
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.named, "size", "whole", "how much to measure: small, about two minutes, or whole")
	flags.StringVar(&only, "only", "", "measure these alone, such as `history,burst`: "+strings.Join(names(), ", "))
	flags.StringVar(&o.json, "json", "bench.json", "the `file` to write every sample to")
	flags.StringVar(&o.programs, "programs", filepath.Join("..", "bin"), "the `folder` of stack, worker and starter")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var known bool
	if o.size, known = sizes[o.named]; !known {
		return o, fmt.Errorf("-size: found %q, expected small or whole", o.named)
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	for _, name := range o.only {
		if !slices.Contains(names(), name) {
			return o, fmt.Errorf("-only: found %q, expected some of %s", name, strings.Join(names(), ", "))
		}
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("found %q, expected flags alone", flags.Arg(0))
	}
	return o, nil
}

// scenario is one thing to measure. Those that take a house need the stack.
type scenario struct {
	name  string
	alone func(options, *report) error
	on    func(context.Context, *house, *report) error
}

// scenarios are in the order in which they disturb each other least: what fills the database comes last.
func scenarios() []scenario {
	return []scenario{
		{name: "rules", alone: measureRules},
		{name: "environment", alone: measureEnvironment},
		{name: "updates", on: measureUpdates},
		{name: "history", on: measureHistory},
		{name: "burst", on: measureBurst},
		{name: "spread", on: measureSpread},
		{name: "enrolments", on: measureEnrolments},
		{name: "waiting", on: measureWaiting},
		{name: "crowd", on: measureCrowd},
	}
}

func names() []string {
	var all []string
	for _, s := range scenarios() {
		all = append(all, s.name)
	}
	return all
}

func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

func run(ctx context.Context, o options) error {
	r := newReport(o)
	for _, s := range scenarios() {
		if s.alone != nil && o.wants(s.name) {
			r.say("%s", s.name)
			if err := s.alone(o, r); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	err := onTheStack(ctx, o, r) // what was measured until it failed is shown all the same
	r.print(os.Stdout)
	return errors.Join(err, r.write(o.json))
}

func onTheStack(ctx context.Context, o options, r *report) error {
	h, err := openHouse(ctx, o, r)
	if err != nil {
		return err
	}
	for _, s := range scenarios() {
		if s.on != nil && o.wants(s.name) {
			r.say("%s", s.name)
			if err := s.on(ctx, h, r); err != nil {
				return errors.Join(fmt.Errorf("%s: %w\n%s", s.name, err, h.Logs()), h.close())
			}
		}
	}
	return h.close()
}
