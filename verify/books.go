package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kap/pathway"
	"kap/records"
)

// chained looks for entries of the journal that were altered, taken out or put in, and for an end that is missing.
func chained(b records.Books) []Finding {
	var found []Finding
	wrong := func(l records.ChainedLine, code, format string, args ...any) {
		found = append(found, Finding{Violation, code, fmt.Sprintf("entry-%d", l.Number), l.Recorded, fmt.Sprintf(format, args...)})
	}
	number, hash := 0, ""
	for _, l := range b.Journal {
		switch {
		case l.Hash == "" || l.Number <= number:
			wrong(l, "chain-inserted", "the journal holds an entry of step %d that is not chained to the others", l.Step)
			continue
		case l.Number > number+1:
			wrong(l, "chain-removed", "before it, %d of the journal's entries are missing", l.Number-number-1)
		case l.HashAfter(hash) != l.Hash:
			wrong(l, "chain-altered", "the journal's entry %d is not what was written, or does not follow what stands before it", l.Number)
		}
		number, hash = l.Number, l.Hash
	}
	if number != b.Number || hash != b.Hash {
		found = append(found, Finding{Sort: Violation, Code: "chain-end", About: fmt.Sprintf("entry-%d", b.Number), Text: fmt.Sprintf("the journal ends with entry %d, and was written up to %d", number, b.Number)})
	}
	return found
}

func difference(code, about, format string, args ...any) Finding {
	return Finding{Sort: Difference, Code: code, About: about, Text: fmt.Sprintf(format, args...)}
}

// stepped holds the journal against the steps: each was written once, follows the one before, and its entries are the journal's.
func stepped(b records.Books) []Finding {
	var found []Finding
	number, digest := 0, ""
	said := map[int][]records.ChainedLine{}
	for _, l := range b.Journal {
		if pathway.EntryKind(l.Kind) != pathway.Done && pathway.EntryKind(l.Kind) != pathway.Sent {
			said[l.Step] = append(said[l.Step], l)
		}
	}
	for _, s := range b.Steps {
		about := fmt.Sprintf("step-%d", s.Number)
		var step pathway.Step
		sum := sha256.Sum256([]byte(s.Body))
		switch {
		case hex.EncodeToString(sum[:]) != s.Digest || json.Unmarshal([]byte(s.Body), &step) != nil || step.Number != s.Number:
			found = append(found, difference("step-altered", about, "it is not what was written"))
		case s.Number != number+1 || step.Previous != digest:
			found = append(found, difference("step-missing", about, "it does not follow the step before it that stands in the records"))
		case !sameEntries(step.Entries, said[s.Number]):
			found = append(found, difference("step-entries", about, "the journal does not say what the step says"))
		}
		delete(said, s.Number)
		number, digest = s.Number, s.Digest
	}
	for n := range said {
		found = append(found, difference("step-missing", fmt.Sprintf("step-%d", n), "the journal has entries of it, and the records do not have it"))
	}
	if number != b.LastStep || digest != b.LastDigest {
		found = append(found, difference("step-end", fmt.Sprintf("step-%d", b.LastStep), "the last step that stands in the records is %d", number))
	}
	return found
}

func sameEntries(step []pathway.Entry, journal []records.ChainedLine) bool {
	return slices.EqualFunc(step, journal, func(e pathway.Entry, l records.ChainedLine) bool {
		message := ""
		if l.Message != nil {
			message = *l.Message
		}
		return string(e.Kind) == l.Kind && e.Name == l.Name && legible(e.By) == l.By && legible(e.ID) == l.ID && legible(e.Text) == l.Text &&
			e.At.UnixMicro() == l.At.UnixMicro() && e.Recorded.UnixMicro() == l.Recorded.UnixMicro() && canonical(e.Message) == canonical([]byte(message))
	})
}

// legible is a text as PostgreSQL takes it.
func legible(text string) string { return strings.ReplaceAll(text, "\x00", "\ufffd") }

// readModel holds what lists and calendars read against the journal.
func (a *account) readModel(b records.Books) []Finding {
	var found []Finding
	differs := func(code, about, format string, args ...any) {
		found = append(found, difference(code, about, format, args...))
	}
	if string(a.outcome) != b.Outcome || (a.outcome != "") != (b.Phase == string(pathway.Over)) {
		differs("outcome", "", "the read model says %q, the journal %q", b.Outcome, a.outcome)
	}
	if n := len(a.dosings()); n != b.DosingDone {
		differs("dosing-sessions", "", "the read model counts %d dosing sessions, the journal %d", b.DosingDone, n)
	}
	if a.team.Therapist != b.Therapist || a.team.Prescriber != b.Prescriber {
		differs("care-team", "", "the read model and the journal name different clinicians")
	}
	if !a.enrolledAs(b.Enrolment) {
		differs("enrolment", "", "the enrolment is not the one, or its numbers are not those, with which the journal begins")
	}
	return append(append(append(found, a.appointments(b)...), a.outbox(b)...), a.tasks(b)...)
}

// enrolledAs compares what the pathway's row says with the beginning of the journal, corrections apart.
func (a *account) enrolledAs(row pathway.Enrolment) bool {
	row.Availability = nil
	one, _ := json.Marshal(a.began)
	other, _ := json.Marshal(row)
	return string(one) == string(other)
}

func (a *account) appointments(b records.Books) []Finding {
	var found []Finding
	for _, v := range a.visits {
		i := slices.IndexFunc(b.Appointments, func(x records.AppointmentLine) bool { return x.Name == v.name })
		if i < 0 {
			found = append(found, difference("appointment", v.name, "the calendar does not have it"))
			continue
		}
		x := b.Appointments[i]
		switch state := v.filed(); {
		case !slices.Contains(state, x.State):
			found = append(found, difference("appointment", v.name, "the calendar says %s, the journal %s", x.State, state[0]))
		case !x.Start.Equal(v.start) || !x.End.Equal(v.end):
			found = append(found, difference("appointment", v.name, "the calendar and the journal have different times for it"))
		case x.Revision != v.revision || x.Kind != string(v.kind):
			found = append(found, difference("appointment", v.name, "the calendar and the journal have different revisions or kinds of it"))
		}
	}
	for _, x := range b.Appointments {
		if a.visit(x.Name) == nil {
			found = append(found, difference("appointment", x.Name, "the calendar has it, and the journal does not"))
		}
	}
	return found
}

// filed are the states that the calendar may have a session in. A session that has begun, or whose time was given away while the records had
// lost it, is booked.
func (v *visit) filed() []string {
	switch {
	case v.record != nil:
		return []string{v.record.outcome()}
	case v.off:
		return []string{string(v.state)}
	}
	return []string{pathway.Booked, "begun", "double-booked"}
}

func (a *account) outbox(b records.Books) []Finding {
	var found []Finding
	rows := map[string]records.BookedMail{}
	for _, m := range b.Mails {
		rows[m.Key] = m
		if m.Kept && m.Status == string(pathway.SentMail) && !a.sent[m.Key] {
			found = append(found, difference("mail", m.Key, "the outbox says that it was sent, and the journal does not"))
		}
	}
	for key := range a.sent {
		if m, ok := rows[key]; !ok || m.Status != string(pathway.SentMail) {
			found = append(found, difference("mail", key, "the journal says that it was sent, and the outbox does not"))
		}
	}
	return found
}

// askedForAnotherTime says whether the client did, of a session at a revision, such as dosing-2/r1, that still stands.
func (a *account) askedForAnotherTime(about string) bool {
	return slices.ContainsFunc(a.facts, func(f *fact) bool {
		v := a.visit(f.said.text("session"))
		return f.name == "answer" && f.said.text("answer") == "another-time" && v != nil && v.standing() && about == fmt.Sprintf("%s/r%d", v.name, v.revision)
	})
}

// tasks compares those that follow from the account without asking the rules: each hold in force is somebody's task, and a session's record
// is asked for until it is there.
func (a *account) tasks(b records.Books) []Finding {
	var found []Finding
	if a.outcome != "" {
		return nil
	}
	asked := map[string]bool{}
	for _, key := range b.Tasks {
		kind, about, _ := strings.Cut(key, "/")
		about, _, _ = strings.Cut(about, "/")
		switch kind {
		case "hold":
			asked[about] = true
			if h := a.hold(about); h == nil || h.lifted || a.released(h, farFuture) {
				found = append(found, difference("task", key, "somebody is asked to release what does not hold the pathway by the journal"))
			}
		case "record":
			if v := a.visit(about); v == nil || !v.standing() {
				found = append(found, difference("task", key, "somebody is asked for a record that the journal does not wait for"))
			}
		case "call":
			if session, answered := strings.CutPrefix(key, "call/answer/"); answered && !a.askedForAnotherTime(session) {
				found = append(found, difference("task", key, "somebody is asked to call a client who does not wait for another time by the journal"))
			}
		}
	}
	for _, h := range a.holds {
		if !h.lifted && !a.released(h, farFuture) && !asked[h.Hold] {
			found = append(found, difference("task", h.Hold, "it holds the pathway, and nobody is asked to release it"))
		}
	}
	return found
}
