package machine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Config says where a machine lives and what it listens on.
type Config struct {
	// Data is the folder that everything is kept in. Default: .kap in the working directory.
	Data string

	// The ports, all on 127.0.0.1. 0: a free one.
	TemporalPort, UIPort, InboxPort, PostgresPort int
	// MetricsPort is the worker's, for health and metrics, where it is run from here.
	MetricsPort int

	// WebPort and WebHealthPort are the web process's, where it is run from here: what the outside reaches, and how it is.
	WebPort, WebHealthPort int

	// StackPath is the stack's program, which is Temporal's server under a hidden subcommand. Default: the program
	// that is running.
	StackPath string

	// WorkerPath is the project's worker. Default: none is run.
	WorkerPath string
	// WebPath is the project's web process. Default: none is run, and the inbox tells nobody what becomes of mails.
	WebPath string
	// WorkerEnv is added to the environment of the worker and of the web process, over the caller's own and the machine's addresses.
	WorkerEnv []string

	// Log takes one line for each thing worth knowing. Default: standard error.
	Log io.Writer
}

func (c *Config) complete() error {
	if c.Data == "" {
		c.Data = ".kap"
	}
	if c.Log == nil {
		c.Log = os.Stderr
	}
	if c.StackPath == "" {
		path, err := os.Executable()
		if err != nil {
			return fmt.Errorf("the path of this program cannot be found: %w", err)
		}
		c.StackPath = path
	}
	for _, p := range []struct{ path, what, flag string }{{c.WorkerPath, "worker", "worker"}, {c.WebPath, "web process", "web"}} {
		if p.path == "" {
			continue
		}
		info, err := os.Stat(p.path)
		if err != nil || info.IsDir() || info.Mode().Perm()&0o111 == 0 {
			return fmt.Errorf("there is no %s to run at %s: build it, or say where it is with --%s", p.what, p.path, p.flag)
		}
	}
	for _, line := range c.practiceFiles() {
		if name, path, _ := strings.Cut(line, "="); strings.ContainsAny(path, takenApart) {
			return fmt.Errorf("%s: found %q, expected a path without blanks, quotes and other signs that a shell takes apart", name, path)
		}
	}
	if c.TemporalPort < 0 || c.UIPort < 0 || c.InboxPort < 0 || c.PostgresPort < 0 || c.MetricsPort < 0 || c.WebPort < 0 || c.WebHealthPort < 0 {
		return errors.New("a port cannot be negative")
	}
	return nil
}

func (c *Config) ports() []port {
	all := []port{
		{&c.PostgresPort, "PostgreSQL", "postgres-port"},
		{&c.TemporalPort, "Temporal", "temporal-port"},
		{&c.UIPort, "Temporal's Web UI", "ui-port"},
		{&c.InboxPort, "the inbox", "inbox-port"},
	}
	if c.WorkerPath != "" {
		all = append(all, port{&c.MetricsPort, "the worker's metrics", "metrics-port"})
	}
	if c.WebPath != "" {
		all = append(all, port{&c.WebPort, "the web process", "web-port"}, port{&c.WebHealthPort, "the web process's health", "web-health-port"})
	}
	return all
}
