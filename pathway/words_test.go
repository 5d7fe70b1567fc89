package pathway

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// words are the members of a message, each as JSON.
type words []word

type word struct{ name, raw string }

// with adds members, a name and a value each, over what is there.
func (w words) with(pairs ...any) words {
	for i := 0; i+1 < len(pairs); i += 2 {
		w = w.put(pairs[i].(string), written(pairs[i+1]))
	}
	return w
}

func (w words) put(name, raw string) words {
	for i := range w {
		if w[i].name == name {
			w[i].raw = raw
			return w
		}
	}
	return append(w, word{name, raw})
}

func (w words) without(name string) words {
	var rest words
	for _, x := range w {
		if x.name != name {
			rest = append(rest, x)
		}
	}
	return rest
}

// written is a value as JSON. Texts of these tests need no escapes.
func written(value any) string {
	switch v := value.(type) {
	case string:
		return `"` + v + `"`
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case time.Time:
		return `"` + v.UTC().Format(time.RFC3339) + `"`
	}
	raw, _ := json.Marshal(value)
	return string(raw)
}

func (w words) json() []byte {
	size := 2
	for _, x := range w {
		size += len(x.name) + len(x.raw) + 6
	}
	b := make([]byte, 0, size)
	b = append(b, '{')
	for i, x := range w {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(append(append(b, '"'), x.name...), `": `...), x.raw...)
	}
	return append(b, '}')
}

func (w words) raw(name string) string {
	for _, x := range w {
		if x.name == name {
			return x.raw
		}
	}
	return ""
}

func (w words) text(name string) string { return strings.Trim(w.raw(name), `"`) }
func (w words) yes(name string) bool    { return w.raw(name) == "true" }

func (w words) time(name string) time.Time {
	t, _ := time.Parse(time.RFC3339, w.text(name))
	return t.UTC()
}

// list are the members of a list of codes.
func (w words) list(name string) []string {
	var all []string
	if raw := w.raw(name); raw != "" {
		_ = json.Unmarshal([]byte(raw), &all)
	}
	return all
}

// parsed reads the words of a message.
func parsed(text string) words {
	members, _ := object([]byte(text))
	w := make(words, 0, len(members)+8)
	for _, m := range members {
		w = append(w, word{m.name, string(m.raw)})
	}
	return w
}
