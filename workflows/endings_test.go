package workflows

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/internal/diligent"
	"kap/pathway"
	"kap/records"
)

// plot is one client's story: what staff say unasked, each in its turn, and what they leave undone. For the rest they do
// what the details ask of them, word for word.
type plot struct {
	enrol   func(*pathway.Enrolment)
	staff   diligent.Staff
	unasked []unasked
	leave   func(s pathway.Status, t pathway.TaskView) bool
}

// unasked is said as soon as its moment has come.
type unasked struct {
	when          func(pathway.Status) bool
	message, says string
	input         func(pathway.Status) string // where it depends
	refused       string                      // what the answer says, where it is not taken
}

// play runs a plot to its end, or continues it as new at every turn.
func play(t *testing.T, p plot, fresh bool) *arc {
	t.Helper()
	var change []func(*pathway.Enrolment)
	if p.enrol != nil {
		change = append(change, p.enrol)
	}
	a := newArc(t, change...)
	a.fresh = fresh
	said := 0
	a.run(func(s pathway.Status, send func(name, input string)) {
		if said < len(p.unasked) && p.unasked[said].when(s) {
			u := p.unasked[said]
			said++
			if u.input != nil {
				u.says = u.input(s)
			}
			if u.refused != "" {
				a.refuse(u.message, u.says, u.refused)
				return
			}
			send(u.message, u.says)
			return
		}
		for _, task := range diligent.Owed(s) {
			if p.leave == nil || !p.leave(s, task) {
				send(task.Message, p.staff.Fill(task, s))
				return
			}
		}
	})
	if said < len(p.unasked) {
		t.Fatalf("%s was never said\n%s", p.unasked[said].message, a.story())
	}
	return a
}

// leaving leaves one task undone.
func leaving(key string) func(pathway.Status, pathway.TaskView) bool {
	return func(_ pathway.Status, t pathway.TaskView) bool { return t.Key == key }
}

// leavingFor leaves tasks whose key begins so undone for a while.
func leavingFor(d time.Duration, prefix string) func(pathway.Status, pathway.TaskView) bool {
	return func(s pathway.Status, t pathway.TaskView) bool {
		return strings.HasPrefix(t.Key, prefix) && s.AsOf.Before(t.Since.Add(d))
	}
}

func hasBooked(name string) func(pathway.Status) bool {
	return func(s pathway.Status) bool { return stateOf(s, name) == pathway.Booked }
}

func hasHeld(name string) func(pathway.Status) bool {
	return func(s pathway.Status) bool { return stateOf(s, name) == pathway.Held }
}

func stateOf(s pathway.Status, name string) pathway.SessionState {
	for _, x := range s.Sessions {
		if x.Name == name {
			return x.State
		}
	}
	return ""
}

func hasEnded(s pathway.Status) bool { return s.Outcome != "" }

func asksFor(key string) func(pathway.Status) bool {
	return func(s pathway.Status) bool {
		return slices.ContainsFunc(s.Tasks, func(t pathway.TaskView) bool { return t.Key == key })
	}
}

// latestOf is the id of the entry that was recorded last under a name.
func latestOf(s pathway.Status, name string) string {
	for _, e := range s.Recorded {
		if e.Name == name {
			return e.ID
		}
	}
	return "none"
}

// unmoved staff find the same total each time, so that from the fourth dosing session on it counts as not working; there and at
// the end they decide as they are told.
func unmoved(atTheFourth, atTheEnd string) diligent.Staff {
	return diligent.Staff{Dosings: 6, Decide: map[string]string{"<adjust, one-more or stop>": atTheFourth, "<complete or stop>": atTheEnd},
		Total: func(scale string, _ int) int { return map[string]int{"phq-9": 12, "pcl-5": 40}[scale] }}
}

// stops is a pathway on which nothing gets better.
func stops() plot { return plot{staff: unmoved("stop", "stop")} }

// adverse is a pathway that is held by what the client reports between two dosing sessions; the prescriber knows of it and looks at
// it only when the next one is cancelled.
func adverse() plot {
	return plot{
		staff: diligent.Staff{Dosings: 2},
		unasked: []unasked{
			{when: hasBooked("dosing-2"), message: "adverse-event", says: `{"by":"t-lane","kind":"urinary-symptoms","severity":"moderate"}`},
			{when: asksFor("hold/hold-1/prescriber"), message: "task-done", says: `{"by":"p-singh","task":"hold/hold-1/prescriber","outcome":"acknowledged"}`},
		},
		leave: func(s pathway.Status, t pathway.TaskView) bool {
			return stateOf(s, "dosing-2") == pathway.Booked && slices.Equal(t.Who, []pathway.Role{pathway.Prescriber})
		},
	}
}

// Every way in which a pathway ends (protocol, section 5), and what happens on the way there.
// shows: ending-completed, ending-stopped-and-referred, ending-declined-and-referred, ending-withdrawn, ending-lapsed
func TestEveryEnding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		plot    plot
		outcome pathway.Outcome
		dosings int
		says    []string // the journal, in this order
		never   []string // what it says nowhere
		endings int      // that began, of which both clinicians hear; 0: one
		check   func(t *testing.T, a *arc)
	}{
		{
			name: "better after six dosing sessions", plot: plot{staff: diligent.Staff{Dosings: 6}}, outcome: pathway.Completed, dosings: 6,
			says:  []string{"integration-5: held; next: another", "dosing-6: held", "integration-6: held; next: close", "letter: done", "ended: completed"},
			never: []string{"review", "hold"},
		}, {
			name: "stopped at the fourth, by the therapist's review", plot: stops(), outcome: pathway.StoppedAndReferred, dosings: 3,
			says: []string{"integration-3: held; next: another", "the therapist's review: stop", "a referral is recorded", "conversation: reached",
				"dosing-4 on", "discharge-contact: reached", "letter: done", "ended: stopped-and-referred"},
			never: []string{"dosing-4: held"},
			check: func(t *testing.T, a *arc) { a.letterAfter("conversation: reached") },
		}, {
			name: "stopped at the fourth, as the prescriber proposes", outcome: pathway.StoppedAndReferred, dosings: 3,
			plot: plot{staff: unmoved("one-more", "stop"), unasked: []unasked{
				{when: asksFor("review"), message: "review", says: `{"by":"p-singh","decision":"stop","reason":"no change"}`},
			}},
			says: []string{"the prescriber's review: stop", "the pathway is ending as stopped-and-referred", "ended: stopped-and-referred"},
		}, {
			name: "stopped after all six, as is proposed", outcome: pathway.StoppedAndReferred, dosings: 6, endings: 2, // it was closing before
			plot: plot{staff: unmoved("one-more", "stop")},
			says: []string{"the therapist's review: one-more", "dosing-4: held", "the therapist's review: one-more", "dosing-5: held", "the therapist's review: one-more", "dosing-6: held",
				"integration-6: held; next: close", "the therapist's review: stop", "ended: stopped-and-referred"},
			check: func(t *testing.T, a *arc) { a.letterAfter("conversation: reached") },
		}, {
			name: "completed after all six, as both clinicians decide", outcome: pathway.Completed, dosings: 6,
			plot: plot{staff: unmoved("one-more", "complete")},
			says: []string{"integration-6: held; next: close", "review: complete; the other clinician's is awaited", "review: complete", "ended: completed"},
		}, {
			name: "declined, because a single session is wanted", outcome: pathway.DeclinedAndReferred,
			plot:  plot{enrol: func(e *pathway.Enrolment) { e.Findings = []pathway.Finding{pathway.SingleSession} }},
			says:  []string{"a finding speaks against it", "psychological evaluation: decline", "a referral is recorded", "conversation: reached", "letter: done", "ended: declined-and-referred"},
			never: []string{"booked", "discharge-contact"},
			check: func(t *testing.T, a *arc) {
				a.letterAfter("conversation: reached")
				if mails := a.clientMails(); len(mails) != 1 {
					t.Errorf("mails %q, expected the letter's alone", mails)
				}
			},
		}, {
			name: "withdrawn before the integration, which is kept", outcome: pathway.WithdrawnByClient, dosings: 1,
			plot: plot{staff: diligent.Staff{Dosings: 3}, unasked: []unasked{
				{when: hasHeld("dosing-1"), message: "withdraw", says: `{"by":"c-desk"}`},
				{when: hasHeld("integration-1"), message: "task-done", says: `{"by":"t-lane","task":"referral","outcome":"declined"}`},
			}, leave: leaving("referral")},
			says:  []string{"the client has withdrawn", "discharge-contact: reached", "integration-1: held", "referral: declined", "ended: withdrawn"},
			never: []string{"cancelled", "dosing-2"},
		}, {
			name: "withdrawn before the second dosing session, which is cancelled with its integration", outcome: pathway.WithdrawnByClient, dosings: 1,
			plot: plot{staff: diligent.Staff{Dosings: 3}, unasked: []unasked{{when: hasBooked("dosing-2"), message: "withdraw", says: `{"by":"p-singh"}`}}},
			says: []string{"integration-1: held", "the client has withdrawn", "is cancelled", "is cancelled", "a referral is recorded", "ended: withdrawn"},
			check: func(t *testing.T, a *arc) {
				cancelled := func(b string) bool { return strings.Contains(b, " cancelled ") }
				bookings := slices.DeleteFunc(a.bookings(), func(b string) bool { return !cancelled(b) })
				if len(bookings) != 2 || !strings.HasPrefix(bookings[0], "dosing-2 ") || !strings.HasPrefix(bookings[1], "integration-2 ") {
					t.Errorf("cancelled: %q, expected the second dosing session with its integration", bookings)
				}
			},
		}, {
			name: "withdrawn during screening", outcome: pathway.WithdrawnByClient,
			plot: plot{unasked: []unasked{{when: asksFor("safety-plan"), message: "withdraw", says: `{"by":"c-desk","reason":"moves away"}`}},
				leave: func(_ pathway.Status, t pathway.TaskView) bool { return t.Key == "safety-plan" || t.Key == "consent" }},
			says:  []string{"the client has withdrawn", "a referral is recorded", "ended: withdrawn"},
			never: []string{"discharge-contact", "booked"},
		}, {
			name: "lapsed: the form is never signed", outcome: pathway.Lapsed,
			plot: plot{leave: leaving("consent")},
			says: []string{"the client was asked: consent-due", "the client was asked: consent-due", "the coordinator is asked to call", "call/ask/consent: reached",
				"the coordinator is asked to call", "call/ask/consent: reached", "the pathway is ending as lapsed", "letter: done", "ended: lapsed"},
			never: []string{"booked", "referral"},
			check: func(t *testing.T, a *arc) {
				lines := a.journal()
				i := slices.IndexFunc(lines, func(l records.JournalLine) bool { return strings.HasPrefix(l.Text, "the pathway is ending as lapsed") })
				if waited := lines[i].Recorded.Sub(a.state.Enrolment.At); waited < 60*24*time.Hour || waited > 61*24*time.Hour {
					t.Errorf("lapsed after %s, expected 60 days", waited)
				}
			},
		}, {
			name: "deferred, and opened again at its review", outcome: pathway.Completed, dosings: 1,
			plot: plot{enrol: func(e *pathway.Enrolment) { e.Findings = []pathway.Finding{pathway.SubstanceUse} }, staff: diligent.Staff{Dosings: 1}},
			says: []string{"a finding speaks against it", "psychological evaluation: deferred", "psychological evaluation: suitable", "joint decision", "ended: completed"},
			check: func(t *testing.T, a *arc) {
				lines := a.journal()
				at := func(text string) int {
					return slices.IndexFunc(lines, func(l records.JournalLine) bool { return strings.HasPrefix(l.Text, text) })
				}
				deferred, opened := at("psychological evaluation: deferred"), at("psychological evaluation: suitable")
				if days := lines[opened].Recorded.Sub(lines[deferred].Recorded).Hours() / 24; days < 29 || days > 31 {
					t.Errorf("it was opened again after %.1f days, expected 30", days)
				}
				if opened != deferred+1 && slices.ContainsFunc(lines[deferred+1:opened], func(l records.JournalLine) bool { return l.Recorded.Before(lines[opened].Recorded.Add(-2 * time.Hour)) }) {
					t.Errorf("while it was deferred somebody was asked for something\n%s", a.story())
				}
			},
		}, {
			name: "an adverse event, then released and cleared anew", plot: adverse(), outcome: pathway.Completed, dosings: 2,
			says: []string{"dosing-2 is booked", "an adverse event is recorded: it holds the pathway", "hold-1/therapist: acknowledged", "dosing-2 on", "is cancelled: it is blocked",
				"is released", "prescriber's clearance: cleared", "dosing-2.1 is booked", "dosing-2.1: held", "ended: completed"},
			never: []string{"dosing-2: held", "deviation"},
		}, {
			name: "another therapist, with whom everything is booked anew", outcome: pathway.Completed, dosings: 1,
			plot: plot{staff: diligent.Staff{Dosings: 1}, unasked: []unasked{
				{when: hasBooked("dosing-1"), message: "care-team", says: `{"by":"c-desk","therapist":"t-ortiz","reason":"parental leave"}`},
			}},
			says: []string{"dosing-1 is booked", "care team: therapist t-ortiz", "the care team has changed", "the care team has changed", "dosing-1.1 is booked", "dosing-1.1: held", "ended: completed"},
			check: func(t *testing.T, a *arc) {
				for _, b := range a.bookings() {
					want := "t-lane"
					if strings.Contains(b, "-1.1 ") {
						want = "t-ortiz"
					}
					if !strings.Contains(b, want) || strings.Contains(b, "-1.1 ") != (strings.Contains(b, " held ") && !strings.HasPrefix(b, "preparation")) {
						t.Errorf("booked %q, expected %s", b, want)
					}
				}
			},
		}, {
			name: "the client wants no mail any more", outcome: pathway.Completed, dosings: 1,
			plot: plot{staff: diligent.Staff{Dosings: 1}, unasked: []unasked{
				{when: hasBooked("dosing-1"), message: "contact", says: `{"by":"c-desk","mail_permission":false}`},
			}},
			says: []string{"contact: the client gets no mail", "48h reminder of dosing-1", "call/remind/dosing-1/r1/48h: reached", "ended: completed", "call/letter: reached"},
			check: func(t *testing.T, a *arc) {
				lines := a.journal()
				i := slices.IndexFunc(lines, func(l records.JournalLine) bool { return strings.HasPrefix(l.Text, "contact: the client gets no mail") })
				for _, m := range a.mails {
					if m.to == client && m.at.After(lines[i].Recorded) {
						t.Errorf("the client got a mail on %s, after permission was taken away on %s: %s", m.at, lines[i].Recorded, m.subject)
					}
				}
				if len(a.clientMails()) == 0 {
					t.Error("the client got no mail before that either")
				}
			},
		}, {
			name: "a total that was mistyped, and corrected", outcome: pathway.Completed, dosings: 2,
			plot: plot{staff: diligent.Staff{Dosings: 2}, unasked: []unasked{
				{when: hasBooked("dosing-2"), message: "measure", says: `{"by":"t-lane","scale":"pcl-5","total":61}`},
				{when: asksFor("hold/hold-1/prescriber"), message: "correct", input: func(s pathway.Status) string {
					return fmt.Sprintf(`{"by":"t-lane","entry":%q,"why":"mistyped","total":16}`, latestOf(s, "measure"))
				}},
			}, leave: func(_ pathway.Status, t pathway.TaskView) bool { return strings.HasPrefix(t.Key, "hold/") }},
			says:  []string{"PCL-5 is recorded", "hold-1 is lifted", "is corrected", "dosing-2: held", "ended: completed"},
			never: []string{"is released", "dosing-2 on"},
		}, {
			name: "what is said after the ending reaches both clinicians and changes nothing", outcome: pathway.Completed, dosings: 1,
			plot: plot{
				enrol: func(e *pathway.Enrolment) { e.Protocol.Endings.OpenDays = 30 },
				staff: diligent.Staff{Dosings: 1},
				unasked: []unasked{
					{when: hasEnded, message: "adverse-event", says: `{"by":"t-lane","kind":"psychosis-or-mania","severity":"severe"}`},
					{when: hasEnded, message: "withdraw", says: `{"by":"c-desk"}`, refused: "ended as completed"},
					{when: hasEnded, message: "measure", says: `{"by":"t-lane","scale":"pcl-5","total":61}`, refused: "ended as completed"},
					{when: hasEnded, message: "correct", input: func(s pathway.Status) string {
						return fmt.Sprintf(`{"by":"t-lane","entry":%q,"why":"mistyped","total":60}`, latestOf(s, "measure"))
					}},
				},
			},
			says: []string{"ended: completed", "an adverse event is recorded; both clinicians hear of it", "is corrected",
				"therapist: acknowledged", "prescriber: acknowledged", "therapist: acknowledged", "prescriber: acknowledged"},
			never: []string{"hold-1"},
			check: func(t *testing.T, a *arc) {
				lines := a.journal()
				i := slices.IndexFunc(lines, func(l records.JournalLine) bool { return l.Text == "ended: completed" })
				if open := a.env.Now().Sub(lines[i].Recorded); open < 29*24*time.Hour || open > 31*24*time.Hour {
					t.Errorf("the workflow stayed open for %s, expected 30 days", open)
				}
				for _, staff := range []string{"t-lane@linden.example", "p-singh@linden.example"} {
					if !slices.ContainsFunc(a.mails, func(m letter) bool { return m.to == staff && m.at.After(lines[i].Recorded) }) {
						t.Errorf("%s heard nothing of what was said after the ending", staff)
					}
				}
			},
		}, {
			name: "somebody has to know of it before the workflow completes", outcome: pathway.Completed, dosings: 1,
			plot: plot{
				staff:   diligent.Staff{Dosings: 1},
				unasked: []unasked{{when: hasEnded, message: "adverse-event", says: `{"by":"t-lane","kind":"misuse","severity":"mild"}`}},
				leave:   leavingFor(5*24*time.Hour, "informed/"),
			},
			says: []string{"ended: completed", "an adverse event is recorded", "therapist: acknowledged", "prescriber: acknowledged"},
			check: func(t *testing.T, a *arc) {
				lines := a.journal()
				i := slices.IndexFunc(lines, func(l records.JournalLine) bool { return l.Text == "ended: completed" })
				if open := a.env.Now().Sub(lines[i].Recorded); open < 5*24*time.Hour || open > 6*24*time.Hour {
					t.Errorf("the workflow stayed open for %s, expected it to wait for both clinicians", open)
				}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := play(t, c.plot, false)
			a.ended(c.outcome, c.dosings)
			a.tells(c.says, c.never)
			a.toldBoth(max(c.endings, 1))
			if c.check != nil {
				c.check(t, a)
			}
		})
	}
}

func TestContinuingAsNewAtEveryTurnLosesNothingOnTheWayToOtherEndings(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plot{"stopped and referred": stops(), "an adverse event": adverse()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameAsPlain(t, func(fresh bool) *arc { return play(t, p, fresh) })
		})
	}
}

// sameAsPlain runs an arc plainly and continuing as new at every turn, and compares what is left of both.
func sameAsPlain(t *testing.T, run func(fresh bool) *arc) (plain, fresh *arc) {
	t.Helper()
	plain, fresh = run(false), run(true)
	if fresh.runs < 40 || plain.runs != 0 {
		t.Fatalf("%d runs and %d, expected more than 40 and one", fresh.runs+1, plain.runs+1)
	}
	if got, want := fresh.story(), plain.story(); got != want {
		t.Fatalf("the journals differ:\n%s\nand\n%s", got, want)
	}
	if got, want := fresh.bookings(), plain.bookings(); !slices.Equal(got, want) {
		t.Fatalf("the bookings differ: %q and %q", got, want)
	}
	if got, want := fresh.arrived(), plain.arrived(); !slices.Equal(got, want) {
		t.Fatalf("the mails differ: %q and %q", got, want)
	}
	return plain, fresh
}

// arrived are all mails with the minute at which they came.
func (a *arc) arrived() []string {
	var all []string
	for _, m := range a.mails {
		all = append(all, m.at.Format("2006-01-02 15:04 ")+m.to+": "+m.subject)
	}
	slices.Sort(all)
	return all
}

// bookings are what the calendar holds, in the order of time.
func (a *arc) bookings() []string {
	a.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, a.url)
	if err != nil {
		a.t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `select format('%s r%s %s with %s at %s', name, revision, state, therapist, lower(during) at time zone 'utc') from appointment
		where pathway = $1 order by lower(during), name`, a.code)
	if err != nil {
		a.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		a.t.Fatal(err)
	}
	return all
}

// tells reads whether the journal says certain things in this order, and others nowhere.
func (a *arc) tells(says, never []string) {
	a.t.Helper()
	story := a.story()
	rest := story
	for _, want := range says {
		_, after, found := strings.Cut(rest, want)
		if !found {
			a.t.Fatalf("the journal does not say %q where it belongs\n%s", want, story)
		}
		rest = after
	}
	for _, not := range never {
		if strings.Contains(story, not) {
			a.t.Errorf("the journal says %q\n%s", not, story)
		}
	}
}

// toldBoth reads that both clinicians heard of each ending that began, once.
func (a *arc) toldBoth(endings int) {
	a.t.Helper()
	team := a.status().Team
	for _, staff := range []string{team.Therapist, team.Prescriber} {
		told := slices.DeleteFunc(slices.Clone(a.mails), func(m letter) bool {
			return m.to != staff+"@linden.example" || m.subject != "To know: "+a.code
		})
		if len(told) != endings {
			a.t.Errorf("%s was told %d times that the pathway was ending, expected %d: %+v", staff, len(told), endings, told)
		}
	}
}

// letterAfter reads that no mail hinted at the decision before the client had heard of it from a person.
func (a *arc) letterAfter(text string) {
	a.t.Helper()
	lines := a.journal()
	i := slices.IndexFunc(lines, func(l records.JournalLine) bool { return l.Text == text })
	if i < 0 {
		a.t.Fatalf("the journal does not say %q\n%s", text, a.story())
	}
	letters := 0
	for _, m := range a.mails {
		if m.to != client || !strings.Contains(m.subject, "letter") {
			continue
		}
		if letters++; m.at.Before(lines[i].Recorded) {
			a.t.Errorf("a mail on %s said %q, and the client was spoken with on %s", m.at, m.subject, lines[i].Recorded)
		}
	}
	if letters != 1 {
		a.t.Errorf("%d mails say that a letter is ready, expected one", letters)
	}
}
