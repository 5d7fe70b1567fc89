package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what was measured, in the order in which it was.
type report struct {
	Date    time.Time   `json:"date"`
	Size    string      `json:"size"`
	Commit  string      `json:"commit"`
	Machine string      `json:"machine"`
	Load    string      `json:"load_at_start"` // of the machine, before anything was measured
	Took    float64     `json:"took_seconds"`
	Rows    []*quantity `json:"quantities"`
}

// quantity is one row: kap's samples, and the bare workflow's where it does the same. A sample is one round's figure.
type quantity struct {
	Name string    `json:"name"`
	Unit string    `json:"unit"`
	Kap  []float64 `json:"kap,omitempty"`
	Bare []float64 `json:"bare,omitempty"`
}

// side says whose a sample is.
type side bool

const (
	kap  side = true
	bare side = false
)

func (s side) String() string {
	if s == kap {
		return "kap"
	}
	return "bare"
}

func newReport(o options) *report {
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	load, _ := os.ReadFile("/proc/loadavg")
	return &report{Date: time.Now().UTC(), Size: o.named, Commit: strings.TrimSpace(string(commit)),
		Machine: fmt.Sprintf("%d cores, %s/%s, %s%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), processor()),
		Load:    strings.TrimSpace(string(load))}
}

// processor is what Linux says it is; other systems say nothing.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return ", " + strings.TrimSpace(value)
		}
	}
	return ""
}

// add takes one sample. The first of a name makes its row.
func (r *report) add(whose side, name, unit string, value float64) {
	i := slices.IndexFunc(r.Rows, func(q *quantity) bool { return q.Name == name })
	if i < 0 {
		i = len(r.Rows)
		r.Rows = append(r.Rows, &quantity{Name: name, Unit: unit})
	}
	if whose == kap {
		r.Rows[i].Kap = append(r.Rows[i].Kap, value)
	} else {
		r.Rows[i].Bare = append(r.Rows[i].Bare, value)
	}
}

// say tells whoever waits how far it is.
func (r *report) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: %5.0fs  %s\n", time.Since(r.Date).Seconds(), fmt.Sprintf(format, args...))
}

func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// print writes the table, at most 80 columns wide: the median, and the lowest and the highest sample in brackets.
func (r *report) print(w io.Writer) {
	r.Took = time.Since(r.Date).Seconds()
	fmt.Fprintf(w, "\n%s, %s run of %.0f s, commit %s\n%s\n\n", r.Date.Format("2 January 2006, 15:04 MST"), r.Size, r.Took, r.Commit, r.Machine)
	fmt.Fprintf(w, "%-31s %-6s %20s %20s\n%s\n", "", "", "kap", "bare", strings.Repeat("-", 80))
	for _, q := range r.Rows {
		fmt.Fprintf(w, "%-31s %-6s %20s %20s\n", q.Name, q.Unit, shown(q.Kap), shown(q.Bare))
	}
}

func shown(samples []float64) string {
	switch len(samples) {
	case 0:
		return ""
	case 1:
		return figure(samples[0])
	}
	return fmt.Sprintf("%s [%s–%s]", figure(median(samples)), figure(slices.Min(samples)), figure(slices.Max(samples)))
}

// figure shows three digits that count.
func figure(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// median lies in the middle of two where their number is even.
func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile is the sample below which so many of all lie; 1 is the last.
func quantile(samples []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
