package pathway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// longest bounds one message; the largest honest one is a few hundred bytes.
const longest = 8 << 10

// textAtMost bounds one reason: a reason is a short sentence, not a clinical note.
const textAtMost = 300

// decode reads one flat JSON object into the struct that into points to, strictly: an unknown, repeated, missing or
// ill-typed field is refused by name, with what was found and what was expected. A field is required where its tag says
// must:"…". Times follow [ParseTime].
func decode(name string, raw []byte, into any, zone *time.Location) *Refusal {
	found, refusal := membersOf(name, raw)
	if refusal != nil {
		return refusal
	}
	return fill(name, found, into, zone)
}

func membersOf(name string, raw []byte) ([]member, *Refusal) {
	if len(raw) > longest {
		return nil, refuse(BadJSON, "%s: found %d bytes, expected at most %d", name, len(raw), longest)
	}
	found, err := object(raw)
	if err != nil {
		return nil, refuse(BadJSON, "%s: %v; expected one JSON object such as %s", name, err, Message(name).Example)
	}
	return found, nil
}

func fill(name string, found []member, into any, zone *time.Location) *Refusal {
	fields := fieldsOf(reflect.ValueOf(into).Elem())
	var open []leftOpen
	for _, f := range found {
		i := slices.IndexFunc(fields, func(known field) bool { return known.name == f.name })
		if c, ok := into.(interface{ other(member) bool }); i < 0 && ok && c.other(f) {
			continue
		}
		if i < 0 {
			var names []string
			for _, known := range fields {
				names = append(names, known.name)
			}
			return refuse(UnknownField, "%s: found the field %s, expected only %s", name, quoted(f.name), strings.Join(names, ", "))
		}
		if fields[i].found {
			return refuse(BadJSON, "%s: found the field %s twice, expected it once", name, quoted(f.name))
		}
		fields[i].found = true
		var left leftOpen
		err := fields[i].set(f.raw, zone)
		if errors.As(err, &left) { // all of them are named at once: a form has many
			open = append(open, left)
		} else if err != nil {
			return refuse(BadValue, "%s: %v", name, err)
		}
	}
	if len(open) > 0 {
		return refuse(BadValue, "%s: %s", name, stillOpen(open))
	}
	for _, f := range fields {
		if f.must && !f.found {
			return refuse(MissingField, "%s: the field %q is missing, expected %s", name, f.name, f.expected())
		}
	}
	return nil
}

type member struct {
	name string
	raw  json.RawMessage
}

// object reads the members of a JSON object in the order in which they stand, repeated ones included. Once it is known to be valid,
// where one value ends says less than a decoder would find out.
func object(raw []byte) ([]member, error) {
	rest := bytes.TrimLeft(raw, separators)
	if !json.Valid(raw) || rest[0] != '{' {
		return nil, noObject(raw)
	}
	var members []member
	for rest = rest[1:]; ; {
		if rest = bytes.TrimLeft(rest, separators); rest[0] == '}' {
			return members, nil
		}
		n := length(rest)
		var m member
		if err := text(rest[:n], &m.name); err != nil {
			return nil, err
		}
		rest = bytes.TrimLeft(rest[n:], separators)
		n = length(rest)
		m.raw, rest = json.RawMessage(rest[:n:n]), rest[n:]
		members = append(members, m)
	}
}

// text reads a JSON text.
func text(raw []byte, into *string) error {
	if n := len(raw); n >= 2 && raw[0] == '"' && raw[n-1] == '"' && utf8.Valid(raw) && !bytes.ContainsAny(raw[1:n-1], `"\`) {
		*into = string(raw[1 : n-1])
		return nil
	}
	return json.Unmarshal(raw, into)
}

// separators stand between the values of valid JSON.
const separators = " \t\r\n,:"

// length is that of the value with which the rest of a valid object begins.
func length(rest []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case depth == 0 && (c == '}' || strings.IndexByte(separators, c) >= 0):
			return i
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return len(rest)
}

// noObject says what was found instead of a JSON object.
func noObject(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	first, err := d.Token()
	if err == io.EOF {
		return errors.New("found nothing")
	}
	if err != nil {
		return errors.New("found text that is not JSON")
	}
	if first != json.Delim('{') {
		return errors.New("found JSON of another kind")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return errors.New("found text that is not JSON")
		}
		if err := d.Decode(new(json.RawMessage)); err != nil {
			return fmt.Errorf("found text that is not JSON after %s", quoted(fmt.Sprint(key)))
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("found an object that does not end")
	}
	return errors.New("found more than one JSON value")
}

type field struct {
	name  string
	value reflect.Value
	must  bool
	found bool
}

// tagged is what the tags of a struct's field say.
type tagged struct {
	at     int
	name   string
	must   bool
	within []tagged // of a struct whose fields stand for it
}

// tags keeps them by type: they are asked for with every message.
var tags sync.Map

func tagsOf(t reflect.Type) []tagged {
	if known, ok := tags.Load(t); ok {
		return known.([]tagged)
	}
	var all []tagged
	for i := range t.NumField() {
		f := t.Field(i)
		switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case !f.IsExported() || f.Tag.Get("kap") != "": // nobody's to say but ours
		case f.Anonymous:
			all = append(all, tagged{at: i, within: tagsOf(f.Type)})
		default:
			all = append(all, tagged{at: i, name: name, must: f.Tag.Get("must") != ""})
		}
	}
	tags.Store(t, all)
	return all
}

func fieldsOf(v reflect.Value) []field {
	return appendFields(make([]field, 0, v.NumField()+3), v, tagsOf(v.Type())) // its own and the envelope's
}

func appendFields(to []field, v reflect.Value, known []tagged) []field {
	for _, f := range known {
		if one := v.Field(f.at); f.within != nil {
			to = appendFields(to, one, f.within)
		} else {
			to = append(to, field{name: f.name, value: one, must: f.must})
		}
	}
	return to
}

type options interface{ Options() []string }

// Takes is one field that a message takes.
type Takes struct {
	Name     string
	Expected string   // what it takes, in words
	Options  []string // where it is one of these
	Must     bool
	List     bool
}

// Takes lists the message's fields, those of every message (by, at, id) last.
func (m MessageType) Takes() []Takes {
	var own, every []Takes
	envelope := fieldsOf(reflect.ValueOf(&Envelope{}).Elem())
	for _, f := range fieldsOf(reflect.ValueOf(m.make()).Elem()) {
		t := Takes{Name: f.name, Expected: f.expected(), Must: f.must, List: f.value.Kind() == reflect.Slice}
		one := f.value.Type()
		if one.Kind() == reflect.Slice || one.Kind() == reflect.Pointer {
			one = one.Elem()
		}
		if o, ok := reflect.Zero(one).Interface().(options); ok {
			t.Options = o.Options()
		}
		if slices.ContainsFunc(envelope, func(e field) bool { return e.name == f.name }) {
			every = append(every, t)
		} else {
			own = append(own, t)
		}
	}
	return append(own, every...)
}

// CheckField says what is wrong with one field's value before the message is sent, or nil.
func (m MessageType) CheckField(name string, raw json.RawMessage, zone *time.Location) error {
	for _, f := range fieldsOf(reflect.ValueOf(m.make()).Elem()) {
		if f.name == name {
			return f.set(raw, zone)
		}
	}
	return nil // a correction takes the fields of what it corrects
}

// expected says what a field takes, for a person.
func (f field) expected() string {
	v := f.value
	switch v.Kind() {
	case reflect.Slice:
		return "a list of " + field{value: reflect.New(v.Type().Elem()).Elem()}.expected()
	case reflect.Pointer:
		return field{value: reflect.New(v.Type().Elem()).Elem()}.expected()
	}
	if o, ok := v.Interface().(options); ok {
		return "one of " + strings.Join(o.Options(), ", ")
	}
	switch v.Interface().(type) {
	case time.Time:
		return "a time such as 2026-03-12T10:00:00-04:00, or 2026-03-12 10:00 on the practice's clock"
	case bool:
		return "true or false"
	case int:
		return "a whole number"
	case Day:
		return "a date such as 2026-12-10"
	}
	return "a text"
}

// leftOpen is the error of a field that stands as it was proposed: in angle brackets, for somebody to say.
type leftOpen struct{ field, expected string }

func (l leftOpen) Error() string { return stillOpen([]leftOpen{l}) }

// stillOpen names the fields that are left open, those together that expect the same.
func stillOpen(all []leftOpen) string {
	var parts []string
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].expected == all[0].expected {
			n++
		}
		var names []string
		for _, l := range all[:n] {
			names = append(names, l.field)
		}
		found := "found it still open"
		if n > 1 {
			found = "found them still open"
		}
		parts = append(parts, fmt.Sprintf("%s: %s, expected %s", andList(names), found, all[0].expected))
		all = all[n:]
	}
	return strings.Join(parts, "; ")
}

// isOpen says whether a value stands as [choice] and its like leave it.
func isOpen(raw json.RawMessage) bool {
	var said string
	if !bytes.HasPrefix(raw, []byte{'"'}) || text(raw, &said) != nil {
		return false
	}
	said = strings.TrimSpace(said)
	return strings.HasPrefix(said, "<") && strings.HasSuffix(said, ">")
}

func (f field) set(raw json.RawMessage, zone *time.Location) error {
	v := f.value
	if v.Kind() != reflect.Slice && isOpen(raw) {
		l := leftOpen{f.name, f.expected()}
		switch {
		case f.name == "by":
			l.expected = "a staff id"
		case l.expected == "a text":
			l.expected = "your own words"
		}
		return l
	}
	wrong := func() error {
		return fmt.Errorf("%s: found %s, expected %s", f.name, quoted(string(raw)), f.expected())
	}
	if v.Kind() == reflect.Slice {
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil || items == nil || len(items) > 20 {
			return wrong()
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, len(items))) // an empty list is not none
		for _, item := range items {
			one := field{name: f.name, value: reflect.New(v.Type().Elem()).Elem()}
			if err := one.set(item, zone); err != nil {
				return err
			}
			v.Set(reflect.Append(v, one.value))
		}
		return nil
	}
	if v.Kind() == reflect.Pointer { // a field whose absence says something else than false
		v.Set(reflect.New(v.Type().Elem()))
		return field{name: f.name, value: v.Elem(), must: f.must}.set(raw, zone)
	}
	switch v.Interface().(type) {
	case int, bool: // they are proposed as texts in brackets, so a text that is one counts
		raw = bytes.Trim(raw, `"`)
		if string(raw) == "null" || json.Unmarshal(raw, v.Addr().Interface()) != nil {
			return wrong()
		}
		return nil
	}
	var said string
	if string(raw) == "null" || text(raw, &said) != nil {
		return wrong()
	}
	said = strings.TrimSpace(said)
	if !utf8.Valid(raw) || strings.ContainsFunc(said, unicode.IsControl) {
		return fmt.Errorf("%s: found characters that cannot be printed, expected a text on one line", f.name)
	}
	if _, ok := v.Interface().(time.Time); ok {
		t, err := ParseTime(f.name, said, zone)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(t))
		return nil
	}
	if o, ok := v.Interface().(options); ok && !slices.Contains(o.Options(), said) { // it may be a word about the client
		return fmt.Errorf("%s: found %s, expected %s", f.name, counted(said), f.expected())
	}
	if _, ok := v.Interface().(Day); ok {
		if _, valid := Day(said).in(zone); !valid {
			return wrong()
		}
	}
	if f.must && said == "" {
		return wrong()
	}
	if len(said) > textAtMost {
		return fmt.Errorf("%s: found %d characters, expected at most %d", f.name, len(said), textAtMost)
	}
	v.SetString(said)
	if c, ok := v.Interface().(interface{ check() error }); ok {
		if err := c.check(); err != nil {
			return fmt.Errorf("%s: found %s, %w", f.name, quoted(said), err)
		}
	}
	return nil
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

var code = regexp.MustCompile(`^"?[A-Za-z0-9][A-Za-z0-9._:+/ -]{0,39}"?$`)

// quoted repeats what was found where it looks like a code, a number or a time. What may be somebody's own words is only
// counted: refusals end up in error texts, which Temporal never encrypts.
func quoted(found string) string {
	if !code.MatchString(found) || strings.Count(found, " ") > 1 || strings.Contains(found, " ") && !strings.ContainsAny(found, "0123456789") {
		return counted(strings.Trim(found, `"`))
	}
	if strings.HasPrefix(found, `"`) || found == "null" || found == "true" || found == "false" {
		return found
	}
	return strconv.Quote(found)
}

// counted says of somebody's own words only how long they are.
func counted(text string) string {
	switch n := utf8.RuneCountInString(text); n {
	case 0:
		return "nothing"
	case 1:
		return "something of 1 character"
	default:
		return fmt.Sprintf("something of %d characters", n)
	}
}
