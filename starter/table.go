package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// screen is the width for which everything is laid out.
const screen = 80

// table writes rows under a heading, each marked as mark says. A cell may hold several lines.
func (d *desk) table(head []string, rows [][]string, mark func(row []string) style) error {
	var laid bytes.Buffer
	t := tabwriter.NewWriter(&laid, 0, 0, 1, ' ', 0)
	var marks []style // of each line
	for i, row := range append([][]string{head}, rows...) {
		how := heading
		if i > 0 {
			how = mark(row)
		}
		text := tableRow(row)
		marks = append(marks, slices.Repeat([]style{how}, strings.Count(text, "\n"))...)
		if _, err := io.WriteString(t, text); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	n := 0
	for line := range strings.Lines(laid.String()) { // the last column's empty cells leave blanks
		if _, err := io.WriteString(d.stdout, d.paint(marks[n], strings.TrimRight(line, " \n"))+"\n"); err != nil {
			return err
		}
		n++
	}
	return nil
}

// unmarked leaves every line of a table as it is.
func unmarked([]string) style { return nil }

func tableRow(row []string) string {
	var cells [][]string
	height := 1
	for _, text := range row {
		lines := strings.Split(text, "\n")
		cells = append(cells, lines)
		height = max(height, len(lines))
	}
	var b strings.Builder
	for i := range height {
		for j, lines := range cells {
			if i < len(lines) {
				b.WriteString(clean(lines[i]))
			}
			if j < len(cells)-1 {
				b.WriteByte('\t')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// wrap breaks a text between words into lines of at most width; what is longer than a line is cut where cut says so.
func wrap(text string, width int, cut bool) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if cut {
			word = shorten(word, width)
		}
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return strings.Join(append(lines, line), "\n")
}

// indented wraps a text under an indentation, with a mark before its first line.
func indented(mark, text string) string {
	inner := strings.ReplaceAll(wrap(text, screen-len(mark), false), "\n", "\n"+strings.Repeat(" ", len(mark)))
	return mark + inner
}

func shorten(text string, width int) string {
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}

// clean keeps what others wrote from steering the terminal or the table.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// oneLine makes one line of a text with several.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
