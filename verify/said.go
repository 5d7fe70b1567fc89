package verify

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// said are the fields of a message, as somebody wrote them.
type said map[string]json.RawMessage

func read(text string) said {
	var fields said
	if json.Unmarshal([]byte(text), &fields) != nil {
		return said{}
	}
	return fields
}

// text is a field's value, whether it was written as a text, a number or a yes.
func (s said) text(name string) string {
	var text string
	if json.Unmarshal(s[name], &text) == nil {
		return strings.TrimSpace(text)
	}
	return strings.Trim(string(s[name]), `"`)
}

func (s said) yes(name string) bool { return s.text(name) == "true" }
func (s said) no(name string) bool  { return s.text(name) == "false" }

func (s said) number(name string) int {
	n, _ := strconv.Atoi(s.text(name))
	return n
}

func (s said) list(name string) []string {
	var all []string
	_ = json.Unmarshal(s[name], &all)
	return all
}

// time is a moment with its offset, or on the practice's clock; zero where there is none.
func (s said) time(name string, zone *time.Location) time.Time {
	text := s.text(name)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC().Truncate(time.Second)
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// corrected is a message as it should have been.
func (s said) corrected(by said) said {
	now := maps.Clone(s)
	for name, raw := range by {
		switch name {
		case "by", "at", "id", "entry", "why", "void", "happened":
		default:
			if string(raw) == "null" { // it should not have been said
				delete(now, name)
			} else {
				now[name] = raw
			}
		}
	}
	return now
}
