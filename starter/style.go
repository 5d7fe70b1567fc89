package main

import (
	"io"
	"os"
	"slices"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"
)

// style is how something is marked at a terminal. Elsewhere, and where NO_COLOR or a dumb terminal ask for it, nothing is; so a
// colour never says what the words do not.
type style []color.Attribute

var (
	heading  = style{color.Bold}
	pressing = style{color.Bold, color.FgRed}
	overdue  = style{color.FgYellow}
	faint    = style{color.Faint}
)

func (d *desk) paint(s style, text string) string {
	if !d.colours || text == "" {
		return text
	}
	c := color.New(s...)
	c.EnableColor() // its own guess is about this process's output, ours about the desk's
	return c.Sprint(text)
}

// wantsColours asks the environment as much as the stream.
func wantsColours(out io.Writer, env []string) bool {
	return isTerminal(out) && !slices.Contains(env, "TERM=dumb") && !slices.ContainsFunc(env, func(line string) bool {
		return len(line) > len("NO_COLOR=") && line[:len("NO_COLOR=")] == "NO_COLOR="
	})
}

// isTerminal says whether somebody sits at a stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
