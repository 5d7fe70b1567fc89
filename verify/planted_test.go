package verify_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/pathway"
	"kap/records"
	"kap/verify"
)

// journal is one that somebody changes.
type journal []records.ChainedLine

func (j journal) find(t *testing.T, what string, is func(records.ChainedLine, pathway.Fact) bool) int {
	t.Helper()
	for i, l := range j {
		var f pathway.Fact
		if l.Fact != nil {
			_ = json.Unmarshal([]byte(*l.Fact), &f)
		}
		if is(l, f) {
			return i
		}
	}
	t.Fatalf("the journal has no %s", what)
	return 0
}

// said finds what somebody recorded, by its name and a part of its words.
func (j journal) said(t *testing.T, name, part string) int {
	t.Helper()
	return j.find(t, name+" "+part, func(l records.ChainedLine, _ pathway.Fact) bool {
		return l.Kind == string(pathway.Taken) && l.Name == name && strings.Contains(*l.Message, part)
	})
}

// did finds what kap did about a session, or a hold, or a mail by its key.
func (j journal) did(t *testing.T, name, about string) int {
	t.Helper()
	return j.find(t, name+" "+about, func(l records.ChainedLine, f pathway.Fact) bool {
		return l.Kind == string(pathway.Done) && l.Name == name && (f.Session == about || f.Hold == about || f.Key == about || about == "")
	})
}

func (j journal) sent(t *testing.T, key string) int {
	t.Helper()
	return j.find(t, "mail "+key, func(l records.ChainedLine, f pathway.Fact) bool {
		return l.Kind == string(pathway.Sent) && f.Key == key
	})
}

func (j journal) without(i int) journal { return slices.Delete(j, i, i+1) }

// unsaid takes away all that was recorded under a name with a part of its words.
func (j journal) unsaid(name, part string) journal {
	return slices.DeleteFunc(j, func(l records.ChainedLine) bool {
		return l.Kind == string(pathway.Taken) && l.Name == name && strings.Contains(*l.Message, part)
	})
}

// words changes fields of what somebody recorded, a name and its JSON each.
func (j journal) words(i int, pairs ...string) journal {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal([]byte(*j[i].Message), &fields)
	for n := 0; n < len(pairs); n += 2 {
		fields[pairs[n]] = json.RawMessage(pairs[n+1])
	}
	text, _ := json.Marshal(fields)
	message := string(text)
	j[i].Message = &message
	return j
}

func (j journal) fact(i int, change func(*pathway.Fact)) journal {
	var f pathway.Fact
	_ = json.Unmarshal([]byte(*j[i].Fact), &f)
	change(&f)
	return j.setFact(i, f)
}

func (j journal) setFact(i int, f pathway.Fact) journal {
	raw, _ := json.Marshal(f)
	text := string(raw)
	j[i].Fact = &text
	return j
}

// rules changes the numbers with which the pathway began.
func (j journal) rules(change func(*pathway.Enrolment)) journal {
	return j.fact(0, func(f *pathway.Fact) { change(f.Enrolment) })
}

// says puts in a message behind an entry, some time later.
func (j journal) says(i int, after time.Duration, by, name, message string) journal {
	at := j[i].Recorded.Add(after).Truncate(time.Second)
	l := records.ChainedLine{Pathway: j[i].Pathway, Step: j[i].Step, Kind: string(pathway.Taken), Name: name, By: by, ID: "planted-" + name, At: at, Recorded: at, Text: "planted", Message: &message}
	return slices.Insert(j, i+1, l)
}

// does puts in a deed of kap's behind an entry.
func (j journal) does(i int, name string, f pathway.Fact) journal {
	l := records.ChainedLine{Pathway: j[i].Pathway, Step: j[i].Step, Kind: string(pathway.Done), Name: name, At: j[i].Recorded, Recorded: j[i].Recorded, Text: "planted"}
	return slices.Insert(j, i+1, l).setFact(i+1, f)
}

// nudged finds the nudges that tell of something, or all.
func (j journal) nudged(t *testing.T, task string) []int {
	t.Helper()
	var all []int
	for i, l := range j {
		var f pathway.Fact
		if l.Name == "nudge" && l.Fact != nil && json.Unmarshal([]byte(*l.Fact), &f) == nil && (task == "" || slices.ContainsFunc(f.Owed, func(o pathway.Owed) bool { return o.Task == task })) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		t.Fatalf("the journal has no nudge about %s", task)
	}
	return all
}

// untold takes something out of some nudges.
func (j journal) untold(task string, nudges []int) journal {
	for _, i := range nudges {
		j.fact(i, func(f *pathway.Fact) {
			if f.Owed = slices.DeleteFunc(f.Owed, func(o pathway.Owed) bool { return o.Task == task }); len(f.Owed) == 0 {
				f.Owed = []pathway.Owed{{Task: "something-else"}}
			}
		})
	}
	return j
}

// unnudged takes away all nudges from one on.
func (j journal) unnudged(from int) journal {
	return append(j[:from], slices.DeleteFunc(j[from:], func(l records.ChainedLine) bool { return l.Name == "nudge" })...)
}

// unnudgedTo takes away all that go to somebody.
func (j journal) unnudgedTo(staff string) journal {
	return slices.DeleteFunc(j, func(l records.ChainedLine) bool {
		return l.Name == "nudge" && strings.Contains(*l.Fact, `"staff":"`+staff+`"`)
	})
}

// again puts a nudge in once more, in the step of another entry and behind it.
func (j journal) again(nudge, behind int) journal {
	l := j[nudge]
	l.Step, l.At, l.Recorded = j[behind].Step, j[behind].Recorded, j[behind].Recorded
	return slices.Insert(j, behind+1, l)
}

// anew puts a nudge in once more, as another.
func (j journal) anew(nudge int, change func(*pathway.Fact)) journal {
	return j.again(nudge, nudge).fact(nudge+1, change)
}

func (j journal) end() int { return len(j) - 1 }

func (j journal) therapist() string { return "t-" + strings.ToLower(j[0].Pathway) }

// plants are journals on which a rule was not kept: by the code of what is to be found, in a story, with a chain that is whole.
var plants = []struct {
	code, story string
	change      func(t *testing.T, j journal) journal
}{
	// A dosing session that something forbade, and that no deviation names.
	{"phase", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.said(t, "session-held", `"integration-1"`), time.Minute, "c-desk", "withdraw", `{"by":"c-desk"}`)
	}},
	{"eligibility", "completed", func(t *testing.T, j journal) journal { return j.rules(func(e *pathway.Enrolment) { e.Adult = false }) }},
	{"finding", "completed", func(t *testing.T, j journal) journal {
		return j.words(j.said(t, "psychological-evaluation", ""), "findings", `["substance-use-not-addressed"]`)
	}},
	{"psychological-evaluation", "completed", func(t *testing.T, j journal) journal {
		return j.words(j.said(t, "psychological-evaluation", ""), "decision", `"defer"`)
	}},
	{"prescriber-clearance", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "prescriber-clearance", "")) }},
	{"clearance-void", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.said(t, "session-held", `"integration-1"`), time.Minute, "p-singh", "adverse-event", `{"by":"p-singh","kind":"misuse","severity":"moderate"}`)
	}},
	{"clearance-days", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.Protocol.Clearance.Days = 1 })
	}},
	{"clearance-sessions", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.Protocol.Clearance.DosingSessions = 1 })
	}},
	{"checkpoint", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.Protocol.Clearance.EveryDosingSessions = 1 })
	}},
	{"consent", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "consent", "")) }},
	{"safety-plan", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "safety-plan", "")) }},
	{"preparation", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "session-held", `"preparation-2"`)) }},
	{"integration", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "session-held", `"integration-1"`)) }},
	{"spacing", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.Protocol.Dosing.DaysApartAtLeast = 40 })
	}},
	{"maximum", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.Protocol.Dosing.AtMost = 2 })
	}},
	{"measure", "completed", func(t *testing.T, j journal) journal { return j.unsaid("measure", `"phq-9"`) }},
	{"risk-assessment", "completed", func(t *testing.T, j journal) journal { return j.words(j.said(t, "measure", `"phq-9"`), "item_9", "1") }},
	{"review", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) {
			e.Protocol.Measures.NotWorking = pathway.NotWorkingRules{FromDosing: 2, PercentAtMost: 100}
			e.Protocol.Measures.PCL5.Important = 80
		})
	}},
	{"hold", "completed", func(t *testing.T, j journal) journal {
		i := j.said(t, "session-held", `"integration-1"`)
		j = j.says(i, time.Minute, "p-singh", "hold", `{"by":"p-singh","cause":"concern","reason":"planted"}`)
		return j.does(i+1, "hold", pathway.Fact{Hold: "hold-1", Cause: pathway.Concern, From: "planted-hold", Since: j[i+1].At})
	}},
	{"cancelled", "completed", func(t *testing.T, j journal) journal {
		return j.does(j.did(t, "reminder", "dosing-1"), "cancelled", pathway.Fact{Session: "dosing-1", State: pathway.Cancelled})
	}},
	{"unbooked", "completed", func(t *testing.T, j journal) journal {
		i := j.said(t, "session-held", `"dosing-1"`)
		return j.words(i, "start", `"`+j[i].At.Add(-50*time.Hour).Format(time.RFC3339)+`"`)
	}},
	{"in-person", "completed", ofDosing("in_person", "false")},
	{"present", "completed", ofDosing("therapist_present_throughout", "false")},
	{"willing", "completed", ofDosing("client_still_willing", "false")},
	{"prescription", "completed", ofDosing("prescription_reference", `"none"`)},
	{"pressure-before", "completed", ofDosing("blood_pressure_before", `"not-taken"`)},
	{"pressure-40", "completed", ofDosing("blood_pressure_at_40_minutes", `"not-taken"`)},
	{"pressure-leaving", "completed", ofDosing("blood_pressure_leaving", `"not-taken"`)},
	{"pressure-limit", "completed", ofDosing("blood_pressure_before", `"150/95"`)},
	{"pregnancy-asked", "completed", ofDosing("pregnancy_asked", "false")},
	{"medication-asked", "completed", ofDosing("medication_change_asked", "false")},
	{"urinary-asked", "completed", ofDosing("urinary_symptoms_asked", "false")},
	{"driving-explained", "completed", ofDosing("no_driving_until_next_day_explained", "false")},

	// Holds.
	{"not-held", "held", func(t *testing.T, j journal) journal { return j.without(j.did(t, "hold", "hold-1")) }},
	{"released", "held", func(t *testing.T, j journal) journal {
		i := j.said(t, "release", `"hold-1"`)
		j[i].By = "p-singh"
		return j
	}},
	{"released-unassessed", "held", func(t *testing.T, j journal) journal { return j.without(j.said(t, "risk-assessment", "")) }},
	{"released-unplanned", "held", func(t *testing.T, j journal) journal {
		return j.words(j.said(t, "risk-assessment", ""), "safety_plan_reviewed", "false")
	}},

	// Who records what.
	{"wrong-person", "completed", func(t *testing.T, j journal) journal { j[j.said(t, "safety-plan", "")].By = "c-desk"; return j }},
	{"wrong-person", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.did(t, "booked", "preparation-1"), time.Minute, "c-desk", "answer", `{"by":"c-desk","session":"preparation-1","revision":1,"answer":"coming"}`)
	}},
	{"wrong-person", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.did(t, "booked", "preparation-1"), time.Minute, "client.link", "contact", `{"by":"client.link","mail_permission":false,"zone":"Asia/Tokyo"}`)
	}},
	{"answer-stale", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.did(t, "booked", "preparation-1"), time.Minute, "client.link", "answer", `{"by":"client.link","session":"preparation-1","revision":2,"answer":"coming"}`)
	}},
	{"answer-stale", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.said(t, "session-held", `"preparation-1"`), time.Minute, "client.link", "answer", `{"by":"client.link","session":"preparation-1","revision":1,"answer":"coming"}`)
	}},
	{"two-people", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.said(t, "safety-plan", ""), time.Second, "c-desk", "care-team", `{"by":"c-desk","prescriber":"`+j.therapist()+`","reason":"leave"}`)
	}},
	{"after-the-ending", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.end(), time.Hour, j.therapist(), "measure", `{"by":"x","scale":"pcl-5","total":12}`)
	}},

	// The calendar.
	{"unscreened", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "safety-plan", "")) }},
	{"unwilling", "completed", func(t *testing.T, j journal) journal {
		return j.words(j.said(t, "session-held", `"dosing-1"`), "outcome", `"attended-not-dosed"`, "client_still_willing", "false")
	}},
	{"booked-while-blocked", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.Protocol.Dosing.DaysApartAtLeast = 40 })
	}},
	{"integration-time", "completed", func(t *testing.T, j journal) journal {
		return j.fact(j.did(t, "booked", "dosing-1"), func(f *pathway.Fact) { f.Paired.Start = f.Paired.Start.AddDate(0, 0, 4) })
	}},
	{"integration-time", "early", func(t *testing.T, j journal) journal { return j.without(j.did(t, "moved", "integration-1")) }},
	{"unknown-session", "completed", func(t *testing.T, j journal) journal {
		return j.does(j.end(), "cancelled", pathway.Fact{Session: "dosing-9"})
	}},
	{"cancelled-unheard", "completed", func(t *testing.T, j journal) journal {
		return j.does(j.did(t, "booked", "dosing-2"), "cancelled", pathway.Fact{Session: "dosing-2", State: pathway.Cancelled})
	}},
	{"overlap", "completed", func(t *testing.T, j journal) journal {
		return j.fact(j.did(t, "booked", "dosing-1"), func(f *pathway.Fact) { f.Paired.Start = f.Start; f.Paired.End = f.End })
	}},
	{"two-dosings", "completed", func(t *testing.T, j journal) journal {
		i := j.did(t, "booked", "dosing-1")
		return j.does(i, "booked", pathway.Fact{Session: "dosing-9", Kind: pathway.Dosing, Start: j[i].At.AddDate(0, 1, 0), End: j[i].At.AddDate(0, 1, 0).Add(3 * time.Hour)})
	}},
	{"not-cancelled", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.did(t, "reminder", "remind/dosing-2/r1/48h"), time.Minute, "p-singh", "prescriber-clearance", `{"by":"p-singh","decision":"revoked","reason":"planted"}`)
	}},
	{"booked-after-the-ending", "completed", func(t *testing.T, j journal) journal {
		return j.does(j.end(), "booked", pathway.Fact{Session: "integration-9", Kind: pathway.Integration, Start: j[j.end()].At.AddDate(0, 0, 9), End: j[j.end()].At.AddDate(0, 0, 10)})
	}},

	// Endings.
	{"ended-while-booked", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "session-held", `"integration-3"`)) }},
	{"ended-twice", "completed", func(t *testing.T, j journal) journal {
		return j.does(j.end(), "ended", pathway.Fact{Outcome: pathway.Completed})
	}},
	{"undecided", "stopped", func(t *testing.T, j journal) journal { return j.without(j.said(t, "stop", "")) }},
	{"no-referral", "stopped", func(t *testing.T, j journal) journal { return j.without(j.said(t, "referral", "")) }},
	{"no-conversation", "stopped", func(t *testing.T, j journal) journal { return j.without(j.said(t, "task-done", `"conversation"`)) }},
	{"no-discharge-contact", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "task-done", `"discharge-contact"`)) }},
	{"no-letter", "completed", func(t *testing.T, j journal) journal { return j.without(j.said(t, "task-done", `"letter"`)) }},
	{"no-assessment", "completed", func(t *testing.T, j journal) journal { return j.words(j.said(t, "measure", `"phq-9"`), "item_9", "1") }},
	{"no-integration", "stopped", func(t *testing.T, j journal) journal { return j.without(j.said(t, "session-held", `"integration-1"`)) }},
	{"no-closing-measure", "completed", func(t *testing.T, j journal) journal { return j.unsaid("measure", `"pcl-5"`) }},
	{"unmeasured", "unmeasured", func(t *testing.T, j journal) journal {
		return j.says(j.said(t, "session-held", `"close"`), 3*24*time.Hour, "p-singh", "review", `{"by":"p-singh","decision":"complete","reason":"they feel well"}`)
	}},
	{"unmeasured", "unmeasured", func(t *testing.T, j journal) journal {
		closing := j[j.said(t, "session-held", `"close"`)].At
		j = j.says(len(j)-1, closing.AddDate(0, 0, 11).Sub(j[len(j)-1].Recorded), "p-singh", "review", `{"by":"p-singh","decision":"complete","reason":"they feel well"}`)
		return j.says(len(j)-1, time.Hour, "p-singh", "correct", `{"by":"p-singh","entry":"planted-review","why":"it was earlier","happened":"`+closing.AddDate(0, 0, 3).Format(time.RFC3339)+`"}`)
	}},
	{"lapsed-early", "completed", lapses},
	{"lapsed-uncalled", "completed", lapses},
	{"lapsed-unowed", "completed", lapses},

	// Mails.
	{"reminder-stale", "completed", func(t *testing.T, j journal) journal {
		return j.fact(j.did(t, "reminder", "remind/dosing-2/r1/48h"), func(f *pathway.Fact) { f.Revision = 7 })
	}},
	{"reminder-stale", "completed", func(t *testing.T, j journal) journal {
		return j.fact(j.sent(t, "remind/dosing-2/r1/48h"), func(f *pathway.Fact) { f.Start = f.Start.Add(time.Hour) })
	}},
	{"sent-stale", "completed", func(t *testing.T, j journal) journal {
		return j.fact(j.sent(t, "booked/dosing-2/r1"), func(f *pathway.Fact) { f.Start = f.Start.Add(time.Hour) })
	}},
	{"sent-twice", "completed", func(t *testing.T, j journal) journal {
		i := j.sent(t, "booked/dosing-2/r1")
		return slices.Insert(j, i+1, j[i])
	}},
	{"sent-after-the-ending", "completed", func(t *testing.T, j journal) journal {
		return j.fact(j.sent(t, "remind/integration-3/r1/2h"), func(f *pathway.Fact) { f.After = 100000 }).moved(t, "remind/integration-3/r1/2h")
	}},
	{"letter-before-the-ending", "completed", func(t *testing.T, j journal) journal {
		return j.fact(j.sent(t, "booked/dosing-2/r1"), func(f *pathway.Fact) { f.Mail = pathway.LetterMail })
	}},
	{"sent-unwanted", "completed", func(t *testing.T, j journal) journal {
		return j.says(j.said(t, "safety-plan", ""), time.Second, "c-desk", "contact", `{"by":"c-desk","mail_permission":false}`)
	}},
	{"sent-unwanted", "completed", func(t *testing.T, j journal) journal {
		return j.does(j.said(t, "safety-plan", ""), "address", pathway.Fact{What: string(pathway.MailBounced)})
	}},
	{"sent-unwanted", "completed", func(t *testing.T, j journal) journal {
		return j.does(j.said(t, "safety-plan", ""), "opted-out", pathway.Fact{What: string(pathway.MailUnsubscribed)})
	}},
	{"sent-unwanted", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.AddressReturned = true })
	}},
	{"sent-unwanted", "completed", func(t *testing.T, j journal) journal { // another address is no wish to be mailed
		i := j.said(t, "safety-plan", "")
		return j.does(i, "address", pathway.Fact{What: string(pathway.AddressCorrected)}).does(i, "opted-out", pathway.Fact{What: string(pathway.MailReported)})
	}},
	{"sent-late", "completed", func(t *testing.T, j journal) journal {
		i := j.sent(t, "remind/dosing-2/r1/24h")
		j[i].At = j[i].At.Add(7 * time.Hour)
		return j
	}},
	{"sent-at-night", "completed", func(t *testing.T, j journal) journal {
		i := j.sent(t, "booked/dosing-2/r1")
		j[i].At = time.Date(2026, 3, 5, 7, 0, 0, 0, time.UTC)
		return j
	}},

	{"sent-at-night", "completed", func(t *testing.T, j journal) journal { // where the client has gone by then
		return j.says(j.said(t, "safety-plan", ""), time.Second, "c-desk", "contact", `{"by":"c-desk","zone":"Asia/Tokyo"}`)
	}},

	// Nudges.
	{"nudge-missing", "awaited", func(t *testing.T, j journal) journal { // in one morning's list it is left out
		return j.untold("prescriber-clearance", j.nudged(t, "prescriber-clearance")[3:])
	}},
	{"nudge-missing", "awaited", func(t *testing.T, j journal) journal { // nobody is nudged any more
		return j.unnudged(j.nudged(t, "")[2])
	}},
	{"nudge-missing", "awaited", func(t *testing.T, j journal) journal { // what is urgent, at once
		return j.unnudged(j.nudged(t, "hold/hold-1/prescriber")[0])
	}},
	{"nudge-missing", "awaited", func(t *testing.T, j journal) journal { // and the hour after
		return j.untold("hold/hold-1/prescriber", j.nudged(t, "hold/hold-1/prescriber")[1:])
	}},
	{"nudge-missing", "stopped", func(t *testing.T, j journal) journal { return j.untold("ending", j.nudged(t, "ending")) }},
	{"nudge-missing", "awaited", func(t *testing.T, j journal) journal { // that somebody is called, whom what is urgent did not reach
		return j.does(j.nudged(t, "prescriber-clearance")[0], "mail-returned", pathway.Fact{Key: "staff-urgent/p-singh/9", Mail: pathway.UrgentMail, What: string(pathway.MailBounced)})
	}},
	{"nudge-missing", "completed", func(t *testing.T, j journal) journal { // or the client, whom a mail did not
		return j.does(j.sent(t, "booked/dosing-2/r1"), "mail-returned", pathway.Fact{Key: "booked/dosing-2/r1", Mail: pathway.BookedMail, Session: "dosing-2", What: string(pathway.MailBounced)})
	}},
	{"nudge-missing", "early", func(t *testing.T, j journal) journal { // that an earlier time is to be found, where kap found none
		i := j.did(t, "moved", "integration-1")
		j[i].Name = "not-moved"
		return j.setFact(i, pathway.Fact{Session: "integration-1"})
	}},
	{"nudge-early", "awaited", func(t *testing.T, j journal) journal { // on the third day
		return j.again(j.nudged(t, "prescriber-clearance")[0], j.said(t, "contact", "New_York"))
	}},
	{"nudge-early", "awaited", func(t *testing.T, j journal) journal { // twice on one day
		i := j.nudged(t, "safety-plan")[3]
		return j.again(i, i+slices.IndexFunc(j[i:], func(l records.ChainedLine) bool { return l.Name == "contact" }))
	}},
	{"nudge-early", "awaited", func(t *testing.T, j journal) journal { // before the next hour
		return j.rules(func(e *pathway.Enrolment) { e.Protocol.Nudges.UrgentHours = 2 })
	}},
	{"nudge-early", "awaited", func(t *testing.T, j journal) journal { // before it is owed
		return j.fact(j.nudged(t, "safety-plan")[0], func(f *pathway.Fact) { f.Owed[0].Since = f.Owed[0].Since.AddDate(0, 0, 9) })
	}},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { // to another
		return j.fact(j.nudged(t, "prescriber-clearance")[0], func(f *pathway.Fact) { f.Staff = j.therapist() })
	}},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { return j.unnudgedTo("c-desk") }},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { return j.unnudgedTo(pathway.OnCall) }},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { // to the coordinators before their time
		return j.anew(j.nudged(t, "prescriber-clearance")[0], func(f *pathway.Fact) { f.Staff = "c-desk" })
	}},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { // to whoever is on call before theirs
		return j.anew(j.nudged(t, "hold/hold-1/prescriber")[0], func(f *pathway.Fact) { f.Staff = pathway.OnCall })
	}},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { // what is urgent, as if it were not
		for _, i := range j.nudged(t, "hold/hold-1/prescriber") {
			j.fact(i, func(f *pathway.Fact) {
				if f.Mail == pathway.UrgentMail {
					f.Mail = pathway.NudgeMail
				}
			})
		}
		return j
	}},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { // and the other way round
		for _, i := range j.nudged(t, "safety-plan") {
			j.fact(i, func(f *pathway.Fact) { f.Mail = pathway.UrgentMail })
		}
		return j
	}},
	{"nudge-astray", "awaited", func(t *testing.T, j journal) journal { // in two ways at once
		return j.anew(j.nudged(t, "safety-plan")[0], func(f *pathway.Fact) { f.Mail = pathway.UrgentMail })
	}},

	// What is on record, and what is not proved.
	{"deviation", "held", func(t *testing.T, j journal) journal { return j }},
	{"known-after-the-ending", "completed", func(t *testing.T, j journal) journal {
		i := j.said(t, "safety-plan", "")
		return j.says(j.end(), time.Hour, j.therapist(), "correct", `{"by":"x","entry":"`+j[i].ID+`","why":"another client's","void":true}`)
	}},
	{"no-enrolment", "completed", func(t *testing.T, j journal) journal { return j.without(0) }},
	{"gap", "completed", func(t *testing.T, j journal) journal { return j.does(9, "gap", pathway.Fact{}) }},
	{"zone", "completed", func(t *testing.T, j journal) journal {
		return j.rules(func(e *pathway.Enrolment) { e.PracticeZone = "Nowhere/Else" })
	}},
}

func ofDosing(field, value string) func(*testing.T, journal) journal {
	return func(t *testing.T, j journal) journal {
		return j.words(j.said(t, "session-held", `"dosing-1"`), field, value)
	}
}

func lapses(t *testing.T, j journal) journal {
	t.Helper()
	return j.says(j.did(t, "booked", "preparation-1"), time.Minute, j.therapist(), "stop", `{"by":"x","as":"lapsed","reason":"planted"}`)
}

// moved puts a mail that went out at the end.
func (j journal) moved(t *testing.T, key string) journal {
	t.Helper()
	i := j.sent(t, key)
	l := j[i]
	return append(j.without(i), l)
}

// write puts a journal in place of the one that stands, with a chain that is whole.
func (h *house) write(code string, j journal) {
	h.t.Helper()
	b := &pgx.Batch{}
	b.Queue(`delete from journal where pathway = $1`, code)
	hash := ""
	for i, l := range j {
		l.Number = i + 1
		hash = l.HashAfter(hash)
		b.Queue(`insert into journal (pathway, number, hash, step, kind, name, by, message_id, at, recorded, code, text, message, fact) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			l.Pathway, l.Number, hash, l.Step, l.Kind, l.Name, l.By, l.ID, l.At, l.Recorded, l.Code, l.Text, l.Message, l.Fact)
	}
	b.Queue(`update pathway set journal_number = $2, journal_hash = $3 where code = $1`, code, len(j), hash)
	if err := h.conn.SendBatch(context.Background(), b).Close(); err != nil {
		h.t.Fatal(err)
	}
}

func codes(r verify.Report) []string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Code)
	}
	return all
}

// Each violation is planted into a journal whose chain is whole, and found in what PostgreSQL has of it.
func TestEachViolationIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := stories(h)
	for _, plant := range plants {
		t.Run(plant.code, func(t *testing.T) {
			code := all[plant.story].p.Code
			whole := h.books(code).Journal
			h.write(code, plant.change(t, slices.Clone(journal(whole))))
			r := verify.Pathway(h.books(code), verify.History{Reach: verify.HistoryGone})
			if !slices.Contains(codes(r), plant.code) {
				t.Errorf("%s is not found, only %q", plant.code, codes(r))
			}
			for _, f := range r.Findings {
				if strings.HasPrefix(f.Code, "chain-") {
					t.Errorf("the chain is whole, and verify says %+v", f)
				}
			}
			h.write(code, whole)
		})
	}
}

// untolds are what staff are owed to hear of, in a story, and do not where each nudge about it is taken out.
var untolds = []struct{ task, story string }{
	{"information/asked", "neglected"},
	{"defer/hold-1", "neglected"},
	{"address", "neglected"},
	{"call/ask/consent", "neglected"},
	{"call/ask/consent/1/20260202T140000", "neglected"}, // in place of a form's mail
	{"lapse", "neglected"},
	{"refused/safety-plan/p-singh", "neglected"},
	{"call/booked/preparation-1/r1", "uncalled"},
	{"call/remind/preparation-2/r1/48h", "uncalled"},
	{"call/answer/preparation-1/r1", "uncalled"},
	{"talk/preparation", "uncalled"},
	{"book/preparation", "uncalled"},
	{"agree/integration-1", "undecided"},
	{"call/cancelled/dosing-2/r1", "undecided"},
	{"call/cancelled/integration-2/r1", "undecided"},
	{"review/therapist", "unmeasured"},
	{"review/prescriber", "unmeasured"},
	{"call/booked/preparation-1/r1", "unreached"},    // of whose mail nobody knows
	{"call/booked/preparation-2/r1", "unreached"},    // whose mail was not accepted
	{"call/staff/p-singh", "unreached"},              // likewise
	{"call/remind/preparation-1/r1/2h", "unreached"}, // whose reminder came too late
	{"call/booked/preparation-2/r2", "unreached"},    // whose mail waited for the morning when the client wanted none
	{"call/moved/preparation-2/r3", "unreached"},     // who wanted mail when it was booked
	{"call/cancelled/preparation-2/r3", "unreached"}, // long before it
}

func TestEachNudgeThatIsMissingIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := stories(h)
	for _, untold := range untolds {
		t.Run(untold.task, func(t *testing.T) {
			j := slices.Clone(journal(h.books(all[untold.story].p.Code).Journal))
			found := verify.Journal(j.untold(untold.task, j.nudged(t, untold.task)), time.Time{})
			if len(found) != 1 || found[0].Code != "nudge-missing" || found[0].About != untold.task {
				t.Errorf("found %+v", found)
			}
		})
	}
}

// brief is what is owed for no longer than it may be late.
var brief = []string{"call/ask/consent/1/20260202T140000", "call/remind/preparation-1/r1/2h"}

// Where nothing is written any more, nobody is told of anything either; it is found once that has been so for a day, or an hour where it is urgent.
func TestSilenceIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := stories(h)
	for _, untold := range untolds {
		if slices.Contains(brief, untold.task) {
			continue
		}
		t.Run(untold.task, func(t *testing.T) {
			whole := journal(h.books(all[untold.story].p.Code).Journal)
			i := whole.nudged(t, untold.task)[0]
			last, step := whole[i].Recorded, whole[i].Step
			whole = slices.DeleteFunc(whole, func(l records.ChainedLine) bool { return l.Step > step || l.Step == step && l.Name == "nudge" })
			tells := func(asOf time.Time) bool {
				return slices.ContainsFunc(verify.Journal(slices.Clone(whole), asOf), func(f verify.Finding) bool { return f.Code == "nudge-missing" && f.About == untold.task })
			}
			if tells(last.Add(time.Hour)) != tells(time.Time{}) { // where that step itself had to tell of it, it is missing there
				t.Error("found before it was late")
			}
			if !tells(last.AddDate(0, 0, 3)) {
				t.Error("not found")
			}
		})
	}
	b := h.books(all["awaited"].p.Code)
	b.Journal = nil
	for hours, found := range map[int]bool{23: false, 25: true} {
		b.AsOf = b.Enrolment.At.Add(time.Duration(hours) * time.Hour)
		if slices.Contains(codes(verify.Pathway(b, verify.History{Reach: verify.HistoryGone})), "never-began") != found {
			t.Errorf("%d hours after an enrolment of which nothing was written, expected found: %t", hours, found)
		}
	}
}

// brings are entries that say which call they bring, about which nobody is told.
var brings = []struct {
	name string
	fact pathway.Fact
}{
	{"mail-returned", pathway.Fact{Mail: pathway.QuestionnaireMail, Call: &pathway.Fact{Key: "call/ask/dosing-2/r1/1", Session: "dosing-2"}}},
	{"mail-overtaken", pathway.Fact{Call: &pathway.Fact{Key: "call/overtaken/booked/dosing-2/r1", Session: "dosing-2", Urgent: true}}},
	{"opted-out", pathway.Fact{Call: &pathway.Fact{Key: "call/opted-out/booked/dosing-2/r1"}}},
	{"too-late", pathway.Fact{Call: &pathway.Fact{Key: "call/booked/dosing-2/r1", Session: "dosing-2", Urgent: true}}},
	{"moved", pathway.Fact{Session: "dosing-2", Kind: pathway.Dosing, Paired: &pathway.Fact{Session: "integration-2", Kind: pathway.Integration, Call: &pathway.Fact{Key: "call/moved/integration-2/r1", Session: "integration-2"}}}},
}

func TestACallOfWhichNobodyIsToldIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", nil)
	s.goOn(func() bool { return s.booked("dosing-2") != nil })
	start := s.booked("dosing-2").Start
	s.goOn(func() bool { return s.now.After(start) })
	whole := journal(h.books(s.p.Code).Journal)
	for _, b := range brings {
		c := b.fact.Call
		if b.fact.Paired != nil {
			c = b.fact.Paired.Call
		}
		found := verify.Journal(slices.Clone(whole).does(whole.sent(t, "booked/dosing-2/r1"), b.name, b.fact), time.Time{})
		if !slices.ContainsFunc(found, func(f verify.Finding) bool { return f.Code == "nudge-missing" && f.About == c.Key }) {
			t.Errorf("%s: found %+v", b.name, found)
		}
	}
}

// That a client was reached is declared void: the call is owed as before.
func TestACallThatWasNotMadeAfterAll(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := undecided(h)
	const task = "call/cancelled/dosing-2/r1"
	s.say("task-done", `{"by":"c-desk","id":"made","task":"`+task+`","outcome":"reached"}`)
	s.waits(s.now.AddDate(0, 0, 1))
	s.say("correct", `{"by":"c-desk","entry":"made","why":"another client's","void":true}`)
	s.waits(s.now.AddDate(0, 0, 1))
	j := journal(h.books(s.p.Code).Journal)
	if found := verify.Journal(j, time.Time{}); len(found) > 0 {
		t.Fatalf("%+v", found)
	}
	since := j.said(t, "correct", "made")
	found := verify.Journal(j.untold(task, slices.DeleteFunc(j.nudged(t, task), func(i int) bool { return i < since })), time.Time{})
	if len(found) != 1 || found[0].Code != "nudge-missing" || found[0].About != task {
		t.Errorf("found %+v", found)
	}
}

// A mail that comes back once its session has begun leaves nothing to say by telephone, however near it was.
func TestAMailThatComesBackTooLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", nil)
	s.goOn(func() bool { return s.booked("dosing-1") != nil })
	start := s.booked("dosing-1").Start
	s.goOn(func() bool { return !s.now.Before(start) })
	s.waits(start.AddDate(0, 0, 2))
	j := journal(h.books(s.p.Code).Journal)
	j = j.does(j.nudged(t, "record/dosing-1")[0], "mail-returned", pathway.Fact{Key: "booked/dosing-1/r1", Mail: pathway.BookedMail, Session: "dosing-1", What: string(pathway.MailBounced)})
	if found := verify.Journal(j, time.Time{}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// Nudges once did not say what they are about. Of such a journal nothing is proved up to the last of them, and all from there on.
func TestNudgesOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := awaited(h)
	whole := h.books(s.p.Code).Journal
	for n := range journal(whole).nudged(t, "") {
		j := slices.Clone(journal(whole))
		for _, i := range j.nudged(t, "")[:n+1] {
			j[i].Fact = nil
		}
		if found := verify.Journal(j, time.Time{}); len(found) > 0 {
			t.Errorf("with %d of them: %+v", n+1, found)
		}
	}
	j := slices.Clone(journal(whole))
	first := j.nudged(t, "")[0]
	j[first].Fact = nil
	j = j.untold("prescriber-clearance", j.nudged(t, "prescriber-clearance")[3:])
	if found := verify.Journal(j, time.Time{}); len(found) != 1 || found[0].Code != "nudge-missing" {
		t.Errorf("found %+v", found)
	}
}

// changes are what somebody does to the records behind kap's back, and what undoes it.
var changes = []struct{ code, change, undo string }{
	{"chain-altered", `update journal set text = 'nothing of note' where pathway = $1 and number = 12`, ``},
	{"chain-altered", `update journal set message = '{"by":"t-lane","scale":"phq-9","total":1,"item_9":0}' where pathway = $1 and number = (select min(number) from journal where pathway = $1 and name = 'measure')`, ``},
	{"chain-altered", `update journal set at = at + interval '1 hour' where pathway = $1 and number = 20`, ``},
	{"chain-removed", `delete from journal where pathway = $1 and number between 20 and 22`, ``},
	{"chain-removed", `delete from journal where pathway = $1 and number = 1`, ``},
	{"chain-end", `delete from journal where pathway = $1 and number > (select journal_number - 3 from pathway where code = $1)`, ``},
	{"chain-end", `delete from journal where pathway = $1`, ``},
	{"never-began", `delete from journal where pathway = $1`, ``},
	{"chain-inserted", `insert into journal (pathway, step, kind, name, at, recorded, text) values ($1, 5, 'taken', 'refresh', now(), now(), 'x')`, ``},
	{"chain-altered", `insert into journal (pathway, number, hash, step, kind, name, at, recorded, text) select $1, journal_number + 1, repeat('0', 64), 5, 'taken', 'refresh', now(), now(), 'x' from pathway where code = $1`, ``},
	{"step-altered", `update step set digest = repeat('0', 64) where pathway = $1 and number = 4`, `update step set digest = encode(sha256(convert_to(body::text, 'UTF8')), 'hex') where pathway = $1 and number = 4`},
	{"step-missing", `update step set number = 100000 where pathway = $1 and number = 4`, `update step set number = 4 where pathway = $1 and number = 100000`},
	{"step-entries", `update journal set name = 'consent' where pathway = $1 and number = (select min(number) from journal where pathway = $1 and name = 'safety-plan')`, ``},
	{"step-end", `update pathway set last_step = last_step + 1 where code = $1`, `update pathway set last_step = last_step - 1 where code = $1`},
	{"outcome", `update pathway set outcome = 'lapsed' where code = $1`, `update pathway set outcome = 'completed' where code = $1`},
	{"dosing-sessions", `update pathway set dosing_done = 9 where code = $1`, `update pathway set dosing_done = 3 where code = $1`},
	{"care-team", `update pathway set prescriber = 'p-moreau' where code = $1`, `update pathway set prescriber = 'p-singh' where code = $1`},
	{"enrolment", `update pathway set enrolment = jsonb_set(enrolment, '{protocol,dosing,at_most}', '5') where code = $1`, `update pathway set enrolment = jsonb_set(enrolment, '{protocol,dosing,at_most}', '6') where code = $1`},
	{"appointment", `update appointment set state = 'cancelled' where pathway = $1 and name = 'dosing-2'`, `update appointment set state = 'held' where pathway = $1 and name = 'dosing-2'`},
	{"appointment", `update appointment set during = tstzrange(lower(during) + interval '1 hour', upper(during) + interval '1 hour') where pathway = $1 and name = 'dosing-2'`,
		`update appointment set during = tstzrange(lower(during) - interval '1 hour', upper(during) - interval '1 hour') where pathway = $1 and name = 'dosing-2'`},
	{"appointment", `update appointment set name = 'dosing-7' where pathway = $1 and name = 'dosing-2'`, `update appointment set name = 'dosing-2' where pathway = $1 and name = 'dosing-7'`},
	{"mail", `update mail set status = 'withdrawn' where pathway = $1 and key = 'booked/dosing-1/r1'`, `update mail set status = 'sent' where pathway = $1 and key = 'booked/dosing-1/r1'`},
	{"mail", `delete from journal where pathway = $1 and kind = 'sent' and fact->>'key' = 'booked/dosing-1/r1'`, ``},
}

func TestWhatIsChangedBehindTheJournalIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", nil)
	s.ends(pathway.Completed)
	code := s.p.Code
	whole := h.books(code).Journal
	for _, c := range changes {
		h.do(c.change, code)
		if r := verify.Pathway(h.books(code), verify.History{Reach: verify.HistoryGone}); !slices.Contains(codes(r), c.code) {
			t.Errorf("%s is not found after %s, only %q", c.code, c.change, codes(r))
		}
		if h.write(code, whole); c.undo != "" {
			h.do(c.undo, code)
		}
		if r := verify.Pathway(h.books(code), verify.History{Reach: verify.HistoryGone}); len(r.Findings) > 0 {
			t.Fatalf("%s is not undone: %q", c.change, codes(r))
		}
	}
}

// What a hold asks for, and whether anybody is asked for what nobody waits for.
func TestTasksThatTheJournalDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", nil)
	s.say("hold", `{"by":"p-singh","cause":"concern","reason":"something"}`)
	look := func() []string {
		return codes(verify.Pathway(h.books("CCCCC2"), verify.History{Reach: verify.HistoryGone}))
	}
	if found := look(); len(found) > 0 {
		t.Fatalf("found %q", found)
	}
	for _, sql := range []string{`update task set key = 'hold/hold-2/prescriber' where key like 'hold/%'`, `update task set key = 'record/dosing-1' where key like 'hold/%'`, `delete from task where key like 'record/%'`} {
		h.do(sql)
		if found := look(); !slices.Contains(found, "task") {
			t.Errorf("%s: found only %q", sql, found)
		}
	}
}

// What reached the workflow and what the journal says of it.
func TestMessagesOfTheHistory(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.begin("CCCCC2", nil)
	s.goOn(func() bool { return len(s.p.Appointments) > 0 })
	b := h.books("CCCCC2")
	look := func(history verify.History) string { return strings.Join(codes(verify.Pathway(b, history)), " ") }
	stray := verify.Message{Name: "withdraw", Raw: []byte(`{"by":"c-desk"}`)}
	again := verify.Message{Name: s.said[1].Name, Raw: s.said[1].Raw}
	for name, c := range map[string]struct {
		history verify.History
		want    string
	}{
		"all of it":                      {verify.History{Reach: verify.WholeHistory, Messages: s.said}, ""},
		"one said twice":                 {verify.History{Reach: verify.WholeHistory, Messages: append(slices.Clone(s.said), again)}, ""},
		"one that the journal lacks":     {verify.History{Reach: verify.WholeHistory, Messages: append(slices.Clone(s.said), stray)}, "not-in-the-journal"},
		"one that is just arriving":      {verify.History{Reach: verify.WholeHistory, Messages: append(slices.Clone(s.said), verify.Message{Name: "withdraw", Raw: stray.Raw, Fresh: true})}, ""},
		"one that was answered so":       {verify.History{Reach: verify.WholeHistory, Messages: append(slices.Clone(s.said), verify.Message{Name: "withdraw", Raw: stray.Raw, AlreadySo: true})}, ""},
		"one that the history lacks":     {verify.History{Reach: verify.WholeHistory, Messages: s.said[1:]}, "not-in-the-history"},
		"the older runs are gone":        {verify.History{Reach: verify.PartOfHistory, After: s.p.Steps}, ""},
		"they are gone, and one is left": {verify.History{Reach: verify.PartOfHistory, After: s.p.Steps, Messages: []verify.Message{stray}}, "not-in-the-journal"},
		"gone":                           {verify.History{Reach: verify.HistoryGone}, ""},
		"not asked":                      {verify.History{Reach: verify.HistoryAway}, ""},
	} {
		if found := look(c.history); found != c.want {
			t.Errorf("%s: found %q, expected %q", name, found, c.want)
		}
	}
}

// Every code that verify can say is planted by one of these tests: a check that is taken away fails them.
func TestEveryCodeIsPlanted(t *testing.T) {
	t.Parallel()
	planted := map[string]bool{"task": true, "not-in-the-journal": true, "not-in-the-history": true}
	for _, p := range plants {
		planted[p.code] = true
	}
	for _, c := range changes {
		planted[c.code] = true
	}
	said := map[string]bool{}
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr: // a.violation("code", …), difference("code", …), forbid("code", …)
				if len(n.Args) < 2 {
					return true
				}
				if name := called(n); slices.Contains([]string{"violation", "difference", "differs", "forbid"}, name) {
					note(said, n.Args[0])
				} else if name == "wrong" {
					note(said, n.Args[1])
				} else if to, ok := n.Args[0].(*ast.Ident); ok && name == "append" && to.Name == "found" {
					for _, arg := range n.Args[1:] {
						note(said, arg)
					}
				}
			case *ast.CompositeLit:
				if of, ok := n.Type.(*ast.ArrayType); ok {
					if elements, ok := of.Elt.(*ast.Ident); ok && elements.Name == "string" {
						return true
					}
				}
				for i, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Code" {
							note(said, kv.Value)
						}
					} else if i < 2 {
						note(said, e)
					}
				}
			}
			return true
		})
	}
	if len(said) < 60 {
		t.Errorf("only %d codes are found in verify's sources: %q", len(said), slices.Sorted(maps.Keys(said)))
	}
	for code := range said {
		if !planted[code] {
			t.Errorf("nothing plants %q", code)
		}
	}
}

var coded = regexp.MustCompile(`^"[a-z]+(-[a-z0-9]+)*"$`)

func note(said map[string]bool, e ast.Expr) {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING && coded.MatchString(lit.Value) {
		said[strings.Trim(lit.Value, `"`)] = true
	}
}

func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	all := map[string]*ast.File{}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			if all[name], err = parser.ParseFile(fset, name, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

var fset = token.NewFileSet()
