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
	fromFile map[string]bool // settings that the stack's file says, and nothing else
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
	help := root.HelpFunc()
	var unknown error
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if c.HasSubCommands() { // or the help would be of something else than was asked about
			if unknown = knows(c, c.Flags().Args()); unknown != nil {
				return
			}
		}
		help(c, args)
	})
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = unknown
	}
	if err == nil {
		return done
	}
	var f *failure
	if !errors.As(err, &f) { // cobra's own: an unknown command, flag or argument
		first, _, _ := strings.Cut(err.Error(), "\n")
		f = usage("%s; see starter --help", first)
	}
	if f.sentence != "" {
		d.complain(d.withStack(f))
	}
	return f.exit
}

// withStack adds to what is said of a server that is away how to start it, where its address is the stack's.
func (d *desk) withStack(f *failure) *failure {
	if f.away == "" || !d.fromFile[f.away] {
		return f
	}
	return fail(f.exit, "%s; make run starts the stack, whose address is in .kap/env", f.sentence)
}

func (d *desk) say(format string, args ...any) { fmt.Fprintf(d.stdout, format+"\n", args...) }

func (d *desk) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "starter",
		Short:         "The practice's command line",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knows,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVar(&d.envFile, "env-file", "", "`file` of KEY=value lines for settings that are not in the environment (default .kap/env)")
	root.SetIn(d.stdin)
	root.SetOut(d.stdout)
	root.SetErr(d.stderr)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%s; see %s --help", flagFault(c, err), c.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: "day", Title: "Every day:"}, &cobra.Group{ID: "pathway", Title: "One pathway:"}, &cobra.Group{ID: "practice", Title: "The practice:"})
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{"day", []*cobra.Command{d.todayCommand(), d.tasksCommand(), d.doneCommand(), d.listCommand(), d.watchCommand(), d.viewsCommand(), d.findCommand()}},
		{"pathway", []*cobra.Command{d.enrolCommand(), d.recordCommand(), d.showCommand(), d.historyCommand(), d.addressCommand()}},
		{"practice", []*cobra.Command{d.practiceCommand(), d.mailCommand(), d.prepareCommand(), d.releasesCommand(), d.restoredCommand(), d.resumeCommand(), d.verifyCommand()}},
	} {
		for _, c := range group.commands {
			c.GroupID = group.id
			root.AddCommand(c)
		}
	}
	d.completes(root)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // which would explain itself whatever it is asked for
			c.Args, c.RunE = knows, func(c *cobra.Command, _ []string) error { return c.Help() }
			for _, shell := range c.Commands() { // one line of it is longer than an old terminal
				shell.Long = strings.Replace(shell.Long, "\nIf it is not installed already, you can install it via", "\nIf it is not installed already, you can install it via\n", 1)
			}
		}
	}
	return root
}

func helpCommand() *cobra.Command {
	offers := func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var all []string
		if of, rest, err := c.Root().Find(args); err == nil && len(rest) == 0 {
			for _, x := range of.Commands() {
				if x.IsAvailableCommand() {
					all = append(all, x.Name()+"\t"+x.Short)
				}
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	return &cobra.Command{Use: "help [COMMAND]", Short: "Help about any command", ValidArgsFunction: offers, RunE: func(c *cobra.Command, args []string) error {
		of, rest, err := c.Root().Find(args)
		if err != nil || len(rest) > 0 {
			return knows(of, rest)
		}
		of.InitDefaultHelpFlag()
		return of.Help()
	}}
}

// knows refuses a command that there is none of, naming those that there are, and first the one that was nearly typed.
func knows(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var all []string
	for _, x := range c.Commands() {
		if x.IsAvailableCommand() {
			all = append(all, x.Name())
		}
	}
	meant := ""
	c.SuggestionsMinimumDistance = min(2, (len(args[0])+3)/4) // letters: of a short word two make another
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		meant = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return usage("found the command %s, expected one of %s%s", shorten(fmt.Sprintf("%q", args[0]), 60), strings.Join(all, ", "), meant)
}

// What the library says of flags.
var (
	invalidFlag = regexp.MustCompile(`^invalid argument ("(?:[^"\\\\]|\\\\.)*") for "(?:-\w, )?--([\w-]+)" flag: `)
	bareFlag    = regexp.MustCompile(`^flag needs an argument: (.+)$`)
	unknownFlag = regexp.MustCompile(`^unknown flag: (.+)$`)
)

// flagFault says what is wrong with a flag as the rest of kap does: what was found, and what was expected.
func flagFault(c *cobra.Command, err error) string {
	text := err.Error()
	if m := invalidFlag.FindStringSubmatch(text); m != nil {
		expected := "another value"
		if f := c.Flag(m[2]); f != nil {
			expected = map[string]string{"int": "a whole number", "bool": "true or false", "duration": "a duration such as 30s or 5m"}[f.Value.Type()]
		}
		return fmt.Sprintf("--%s: found %s, expected %s", m[2], shorten(m[1], 60), expected)
	}
	if m := bareFlag.FindStringSubmatch(text); m != nil {
		return m[1] + ": found nothing, expected a value after it"
	}
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("found the flag %s, which %s does not have", m[1], c.CommandPath())
	}
	return text
}

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
