package pathway

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// stages are pathways at different points of their way, as they are handed to a program.
func stages(t fataler) []*house {
	fresh, dosed, ended := newHouse(t), walk(t, 1), walk(t, 1)
	dosed.must("hold", "by", "t-lane", "cause", "concern", "reason", "a question")
	ended.must("withdraw", "by", "c-desk")
	return []*house{fresh, dosed, ended}
}

// Whatever somebody sends: it is taken or refused in a sentence that repeats nobody's words, and the pathway goes on.
func FuzzMessage(f *testing.F) {
	for _, m := range Messages() {
		f.Add(uint8(1), m.Name, []byte(m.Example))
	}
	for _, raw := range []string{``, `null`, `[]`, `{}`, `{"by":"t-lane"}{}`, `{"by":"t-lane","by":"t-lane"}`, `{"by":"c-desk","at":"2026-03-29 02:30"}`,
		`{"by":"c-desk","session":"dosing-1","start":"2026-11-01 01:30"}`, `{"by":"t-lane","entry":"enrolment","why":"mistyped","findings":["mania-history"]}`,
		"{\"by\":\"t-lane\",\"reason\":\"\xff\x00\"}", `{"by":"t-lane","scale":"phq-9","total":1e400,"item_9":-1}`} {
		f.Add(uint8(0), "move-session", []byte(raw))
		f.Add(uint8(2), "correct", []byte(raw))
	}
	var states [][]byte
	var nows []time.Time
	for _, h := range stages(f) {
		text, err := json.Marshal(h.p)
		if err != nil {
			f.Fatal(err)
		}
		states, nows = append(states, text), append(nows, h.now)
	}
	f.Fuzz(func(t *testing.T, stage uint8, name string, raw []byte) {
		n := int(stage) % len(states)
		var p Pathway
		if err := json.Unmarshal(states[n], &p); err != nil {
			t.Fatal(err)
		}
		before := facts(t, p)
		_, err := p.Record(name, raw, nows[n])
		if err != nil {
			r := AsRefusal(err)
			if r == nil {
				t.Fatalf("no refusal: %v", err)
			}
			presentable(t, r.Sentence, raw)
			if after := facts(t, p); !bytes.Equal(before, after) {
				t.Fatalf("refused, and yet the pathway was\n%s\nand is\n%s", before, after)
			}
		}
		if again, err2 := p.Record(name, raw, nows[n]); err == nil && (err2 != nil || again.Result != AlreadySo) {
			t.Fatalf("the second time: %v, %v", again, err2)
		}
		step, _ := p.Due(nows[n])
		if step != nil {
			step.Digest()
		}
		p.Status(nows[n])
		facts(t, p)
	})
}

// A message's members are those that the standard library's decoder finds, in their order.
func FuzzObject(f *testing.F) {
	for _, m := range Messages() {
		f.Add([]byte(m.Example))
	}
	for _, raw := range []string{``, ` {} `, `{"a":1}{}`, `{"a":1,"a":[{"}":"]"}],"\u0062\"":"\\\"}","":null}`, "\n{ \"a\" :\t-1e9 ,\r\"b\": {\"c\":[]} }", "{\"\xff\":\"\xff\"}", `["a"]`, `:{}`, `{"a"`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := object(raw)
		d := json.NewDecoder(bytes.NewReader(raw))
		var want []member
		if first, _ := d.Token(); !json.Valid(raw) || first != json.Delim('{') {
			if err == nil {
				t.Fatalf("taken: %q", raw)
			}
			return
		}
		for d.More() {
			name, _ := d.Token()
			m := member{name: name.(string)}
			if err := d.Decode(&m.raw); err != nil {
				t.Fatal(err)
			}
			want = append(want, m)
		}
		if err != nil || !slices.EqualFunc(found, want, func(a, b member) bool { return a.name == b.name && string(a.raw) == string(b.raw) }) {
			t.Fatalf("%q: found %q, %v, expected %q", raw, found, err, want)
		}
	})
}

// facts are all that a pathway knows, but for what it notes of those who were refused.
func facts(t *testing.T, p Pathway) []byte {
	t.Helper()
	p.Pending, p.Refused, p.Woken = nil, nil, time.Time{}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatalf("the pathway cannot be handed on: %v", err)
	}
	if !utf8.Valid(text) {
		t.Fatal("the pathway is no text")
	}
	return text
}

// presentable holds a refusal to what Temporal may keep in clear: a line of sensible length, without three words in a row of
// what was sent.
func presentable(t *testing.T, sentence string, raw []byte) {
	t.Helper()
	if !utf8.ValidString(sentence) || strings.ContainsFunc(sentence, unicode.IsControl) || len(sentence) > 2000 {
		t.Fatalf("refused with %q", sentence)
	}
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil {
		return
	}
	for _, value := range fields {
		text, ok := value.(string)
		if words := strings.Fields(text); ok && len(words) > 2 && len(text) > 20 && !expectedWord(text) && strings.Contains(sentence, text) {
			t.Fatalf("the refusal repeats what was said: %q", sentence)
		}
	}
}

// expectedWord says whether a text stands in kap's own sentences anyway.
func expectedWord(text string) bool {
	return slices.ContainsFunc(Messages(), func(m MessageType) bool { return strings.Contains(m.Example+m.About, text) })
}

// Steps and answers come back from PostgreSQL, where other programs and people can write, too.
func FuzzStoredStep(f *testing.F) {
	for _, h := range stages(f) {
		for i, s := range h.steps {
			body, err := json.Marshal(s)
			if err != nil {
				f.Fatal(err)
			}
			answer, err := json.Marshal(h.answers[i])
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body, answer)
		}
	}
	f.Add([]byte(`{"number":1,"acts":[{"do":"book"},{"do":"move"},{"do":"cancel"},{"do":"withdraw"}],"entries":[{"kind":"taken","name":"measure","message":{}}]}`), []byte(`{"acts":[{},{}]}`))
	fresh, err := json.Marshal(newHouse(f).p)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, answer []byte) {
		var p Pathway
		var s Step
		var a Answer
		if err := json.Unmarshal(fresh, &p); err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(body, &s) != nil || json.Unmarshal(answer, &a) != nil {
			return
		}
		written := p.Clone()
		written.Settle(s, a)
		if _, err := json.Marshal(written); err != nil {
			return // a year that JSON cannot say; PostgreSQL holds none
		}
		p.Onto(written, s).Status(p.Enrolment.At)
		p.Resume(written, s.Entries).Status(p.Enrolment.At)
	})
}

// What people write for times, days and hours.
func FuzzTimes(f *testing.F) {
	for _, text := range []string{"2026-03-12T10:00:00-04:00", "2026-03-12 10:00", "2026-03-12T10:00:00", "2026-3-1T1:0:0", "2026-11-01 01:30", "2026-03-08 02:30", "tuesday 09:00-13:00",
		"tuesday 9-13", "2026-12-10", "America/New_York", "Local", "../../etc/passwd", "09:00-"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := ParseTime("at", text, newYork()); err == nil && (at.Location() != time.UTC || at.Year() < 1999 || at.Year() > 2200) {
			t.Fatalf("%q is %s", text, at)
		}
		if w, err := ParseWeekly(text); err == nil && (w.From < 0 || w.Until > 24*time.Hour || w.From >= w.Until) {
			t.Fatalf("%q is %+v", text, w)
		}
		if zone, err := Location("zone", text); err == nil {
			Day(text).in(zone)
		}
		Day(text).in(newYork())
		_ = CheckStaffID(text)
	})
}
