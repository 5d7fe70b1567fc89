package settings

import (
	"fmt"
	"slices"
	"strings"
)

// screen is the width for which a table is laid out.
const screen = 80

// Table is a program's settings as its help shows them, each with its default.
func Table(program string) string {
	var names, texts []string
	width := 0
	for _, s := range All() {
		if !slices.Contains(s.Programs, program) {
			continue
		}
		text := s.About
		if s.Default != "" {
			text += " (default " + s.Default + ")"
		}
		names, texts = append(names, s.Name), append(texts, text)
		width = max(width, len(s.Name))
	}
	var b strings.Builder
	for i, name := range names {
		for _, line := range lines(texts[i], screen-width-4) {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, name, line)
			name = ""
		}
	}
	return b.String()
}

// lines breaks a text between words.
func lines(text string, width int) []string {
	var all []string
	for _, word := range strings.Fields(text) {
		last := len(all) - 1
		if last < 0 || len(all[last])+1+len(word) > width {
			all = append(all, word)
		} else {
			all[last] += " " + word
		}
	}
	return all
}
