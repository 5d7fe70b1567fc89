package program

import (
	"io"
	"log/slog"
	"strings"

	"kap/settings"
)

// NewLog writes lines that carry codes: no person, no free text, no cause.
func NewLog(out io.Writer, level settings.Level, format settings.LogFormat) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(level), ReplaceAttr: discreet}
	if format == settings.JSONLog {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// nondeterminism begins the SDK's error that quotes an event of the history, with all that somebody said.
const nondeterminism = "[TMPRL1100]"

// discreet takes out what the SDK would print of people's messages: what an activity returned, and what an event holds.
func discreet(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "Result" {
		return slog.Attr{}
	}
	if k := a.Value.Kind(); k != slog.KindString && k != slog.KindAny {
		return a
	}
	if text := a.Value.String(); strings.Contains(text, nondeterminism) {
		event, _, _ := strings.Cut(text, "(")
		return slog.String(a.Key, event)
	}
	return a
}
