package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"kap/records"
	known "kap/settings"
)

// desk is what one command line works with: where it reads and writes, its settings, and the two servers, each opened when
// it is first needed.
type desk struct {
	ctx            context.Context // of the command that runs
	stdin          *bufio.Reader
	stdout, stderr io.Writer
	env            []string
	envFile        string
	terminal       bool // somebody sits there who can be asked
	colours        bool // and what is printed is read there
	now            func() time.Time

	read     *settings
	store    *records.Store
	temporal client.Client
}

func newDesk(stdin io.Reader, stdout, stderr io.Writer, env []string) *desk {
	return &desk{stdin: bufio.NewReader(stdin), stdout: stdout, stderr: stderr, env: env, terminal: isTerminal(stdin), colours: wantsColours(stdout, env), now: time.Now}
}

func (d *desk) close() {
	if d.store != nil {
		d.store.Close()
	}
	if d.temporal != nil {
		d.temporal.Close()
	}
}

func (d *desk) run(ctx context.Context, args []string) int {
	d.ctx = ctx
	root := d.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return done
	}
	var f *failure
	if !errors.As(err, &f) { // cobra's own: an unknown command, flag or argument
		first, _, _ := strings.Cut(err.Error(), "\n")
		f = usage("%s; see starter --help", first)
	}
	if text := "starter: " + clean(f.sentence); f.sentence != "" && d.terminal {
		fmt.Fprintln(d.stderr, indented("", text))
	} else if f.sentence != "" {
		fmt.Fprintln(d.stderr, text)
	}
	return f.exit
}

func (d *desk) say(format string, args ...any) { fmt.Fprintf(d.stdout, format+"\n", args...) }

func (d *desk) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "starter",
		Short:         "The practice's command line",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVar(&d.envFile, "env-file", "", "file of KEY=value lines for settings that are not in the environment (default .kap/env)")
	root.SetIn(d.stdin)
	root.SetOut(d.stdout)
	root.SetErr(d.stderr)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%s; see %s --help", ofConversion.ReplaceAllString(err.Error(), ""), c.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: "day", Title: "Every day:"}, &cobra.Group{ID: "pathway", Title: "One pathway:"}, &cobra.Group{ID: "practice", Title: "The practice:"})
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{"day", []*cobra.Command{d.todayCommand(), d.tasksCommand(), d.doneCommand(), d.listCommand(), d.watchCommand(), d.viewsCommand(), d.findCommand()}},
		{"pathway", []*cobra.Command{d.enrolCommand(), d.recordCommand(), d.showCommand(), d.historyCommand(), d.addressCommand()}},
		{"practice", []*cobra.Command{d.practiceCommand(), d.prepareCommand(), d.releasesCommand(), d.restoredCommand(), d.resumeCommand(), d.verifyCommand()}},
	} {
		for _, c := range group.commands {
			c.GroupID = group.id
			root.AddCommand(c)
		}
	}
	d.completes(root)
	return root
}

// ofConversion is what Go's own errors say of a number that is none, beside what was found.
var ofConversion = regexp.MustCompile(`: strconv\.Parse\w+: parsing "[^"]*"`)

// does is how every command runs: whatever goes wrong ends up as one sentence and an exit code.
func (d *desk) does(what func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		return asFailure(what(c.Context(), args))
	}
}

// takes refuses another number of arguments, in a sentence.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			found := fmt.Sprintf("%d arguments", len(args))
			switch len(args) {
			case 0:
				found = "nothing"
			case 1:
				found = shorten(fmt.Sprintf("%q", args[0]), 60)
			}
			return usage("%s: found %s, expected %s; see %s --help", c.Name(), found, what, c.CommandPath())
		}
		return nil
	}
}

var rootHelp = `The practice's command line: enrol clients, record what was done, and see where
each pathway is. For trial data only: nobody verifies yet who sends a message.

Settings come from the environment, and where a variable is not set there, from
the file that the stack writes, .kap/env:

` + known.Table("starter") + `
Where Temporal is, is read from its own TEMPORAL_ variables and its profile file
(without them 127.0.0.1:7233, and the namespace kap).

Exit codes:
  0  done
  1  a fault
  2  the command itself, or a setting, is missing something or wrong
  3  refused: by the rules, or because a field of the message is wrong; or
     verify found what breaks them
  4  not found, or a question that only a person can answer
  5  Temporal or PostgreSQL does not answer`
