package pathway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Attention says whether somebody at the practice has to look.
type Attention string

// From calm to urgent.
const (
	NoAttention     Attention = "none"
	TaskAttention   Attention = "task"
	UrgentAttention Attention = "urgent"
)

// Attentions lists them.
func Attentions() []Attention { return []Attention{NoAttention, TaskAttention, UrgentAttention} }

// Status is what a pathway shows to people and programs: the answer to the query "status", and the read model.
type Status struct {
	Pathway     string        `json:"pathway"`
	AsOf        time.Time     `json:"as_of"`
	Enrolled    time.Time     `json:"enrolled"`
	Phase       Phase         `json:"phase"`
	Outcome     Outcome       `json:"outcome,omitempty"`
	Why         string        `json:"why,omitempty"` // it ends as it does
	Attention   Attention     `json:"attention"`
	WaitingOn   []Role        `json:"waiting_on"`
	DosingDone  int           `json:"dosing_done"`
	DosingMost  int           `json:"dosing_most"`
	NextSession *Session      `json:"next_session,omitempty"`
	NextWake    time.Time     `json:"next_wake,omitzero"`
	JointSince  time.Time     `json:"joint_decision_since,omitzero"`
	Tasks       []TaskView    `json:"tasks"`
	Blocked     []Blocker     `json:"next_dosing_blocked_by"`
	Sessions    []Session     `json:"sessions"`
	Refused     []Refused     `json:"refused_lately"`
	Unheard     bool          `json:"unheard,omitempty"`    // the sender of one of them could not be told, which is somebody's task
	Unwritten   int           `json:"unwritten"`            // journal entries that are not in the records yet
	Unsent      int           `json:"unsent"`               // mails on their way
	UnsentFrom  time.Time     `json:"unsent_from,omitzero"` // when the hours of mail let the next of them go
	Zone        string        `json:"zone"`                 // the practice's, in which to read the times
	Team        CareTeam      `json:"care_team"`
	Holds       []HoldInForce `json:"holds"`

	DeferredUntil Day             `json:"deferred_until,omitempty"`
	Verdicts      []Verdict       `json:"measures"`        // what each scale says
	Recorded      []RecordedEntry `json:"recorded_lately"` // what a correction can supersede
}

// RecordedEntry is an entry that a correction can supersede.
type RecordedEntry struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// Session is one session as people see it.
type Session struct {
	Name  string       `json:"name"`
	Kind  Kind         `json:"kind"`
	Start time.Time    `json:"start"`
	End   time.Time    `json:"end"`
	State SessionState `json:"state"`

	Answer AnswerKind `json:"answer,omitempty"` // the client's, while the session is booked
}

// TaskView is a task with the message that does it, ready to copy.
type TaskView struct {
	Key     string    `json:"key"`
	Who     []Role    `json:"who"`
	What    string    `json:"what"`
	Since   time.Time `json:"since"`
	Due     time.Time `json:"due"`
	Urgent  bool      `json:"urgent"`
	Message string    `json:"message"`
	JSON    string    `json:"json"`

	Outcomes []TaskOutcome `json:"outcomes,omitempty"` // what task-done can say of it
}

// Refused is a message that was not taken, and why.
type Refused struct {
	At   time.Time `json:"at"`
	Name string    `json:"name"`
	Why  string    `json:"why"`
}

// Status describes the pathway at a moment. It changes nothing.
func (p *Pathway) Status(now time.Time) Status {
	now = p.onward(now)
	tasks := p.Tasks(now)
	s := Status{
		Pathway: p.Code, AsOf: now, Enrolled: p.Enrolment.At, Phase: p.Phase(now), Outcome: p.Outcome, Attention: NoAttention, DosingDone: p.dosed(), DosingMost: p.Protocol.Dosing.AtMost,
		NextWake: p.nextWake(now, p.nextChange(now, tasks), nil).At, JointSince: p.JointSince, Unwritten: len(p.Pending), Unsent: len(p.Outbox), Zone: p.PracticeZone, Team: p.CareTeam,
		WaitingOn: []Role{}, Tasks: []TaskView{}, Blocked: []Blocker{}, Sessions: []Session{}, Refused: []Refused{}, Holds: []HoldInForce{},
	}
	if _, joint := p.jointDecision(now); !joint { // a clearance may have run out since
		s.JointSince = time.Time{}
	}
	for _, m := range p.Outbox {
		if from := p.leaves(m, now); from.After(now) && (s.UnsentFrom.IsZero() || from.Before(s.UnsentFrom)) {
			s.UnsentFrom = from
		}
	}
	if s.Why = p.Why; s.Why == "" {
		s.Why = p.endingWhy()
	}
	if until := p.deferredUntil(now); until.After(now) && p.ending() == "" {
		s.DeferredUntil = latest(p.Evaluations, now).ReviewOn
	}
	s.Verdicts = p.verdicts(now)
	s.Recorded = p.recorded()
	if s.Unheard = len(p.Missed) > 0; s.Unheard {
		s.Attention = TaskAttention
	}
	for _, t := range tasks {
		s.Tasks = append(s.Tasks, TaskView{Key: t.Key, Who: t.Who, What: t.What, Since: t.Since, Due: t.Due, Urgent: t.Urgent, Message: t.Message, JSON: p.message(t), Outcomes: p.outcomes(t)})
		for _, who := range t.Who {
			if t.Since.After(now) { // while a session goes on nobody waits for its record
				break
			}
			if !slices.Contains(s.WaitingOn, who) {
				s.WaitingOn = append(s.WaitingOn, who)
			}
		}
		switch {
		case t.Urgent:
			s.Attention = UrgentAttention
		case p.asksForAttention(t, now) && s.Attention == NoAttention:
			s.Attention = TaskAttention
		}
	}
	for _, a := range p.Appointments {
		s.Sessions = append(s.Sessions, p.session(a))
	}
	s.NextSession = p.nextSession(now)
	slices.SortStableFunc(s.Sessions, func(a, b Session) int { return a.Start.Compare(b.Start) })
	if p.ending() == "" && p.Outcome == "" {
		next := p.nextDosing(now)
		for _, b := range p.blockers(next) {
			if asked := before(next.In(p.zone()), p.Protocol.Questionnaire.DaysBefore[0]*24); b.Code == "measure" && asked.After(now) {
				b.Reason += ", asked for from " + p.day(asked) + " on"
			}
			s.Blocked = append(s.Blocked, b)
		}
		if len(p.Pending) > 0 {
			s.Blocked = append(s.Blocked, Blocker{Code: "unwritten", Sentence: "what was recorded last is not in the records yet"})
		}
	}
	for _, e := range p.Refused {
		s.Refused = append(s.Refused, Refused{At: e.Recorded, Name: e.Name, Why: e.Text})
	}
	for _, h := range p.Holds {
		if h.inForce() {
			s.Holds = append(s.Holds, h)
		}
	}
	return s
}

// session is an appointment as people see it.
func (p *Pathway) session(a Appointment) Session {
	return Session{Name: a.Name, Kind: a.Kind, Start: a.Start, End: a.End, State: a.State, Answer: p.clientSays(a)}
}

// nextSession is the next that is booked, or under way; nil where there is none.
func (p *Pathway) nextSession(now time.Time) *Session {
	var next *Session
	for i := range p.Appointments {
		if a := &p.Appointments[i]; a.State == Booked && a.End.After(now) && (next == nil || a.Start.Before(next.Start)) {
			s := p.session(*a)
			next = &s
		}
	}
	return next
}

// recorded are the latest entries that a correction can supersede, the latest first.
func (p *Pathway) recorded() []RecordedEntry {
	const shown = 8
	latest := make([]RecordedEntry, 0, shown+1)
	p.facts(func(name string, m message) {
		e := m.envelope()
		at := len(latest)
		for at > 0 && latest[at-1].At.Before(e.At) {
			at--
		}
		latest = slices.Insert(latest, at, RecordedEntry{ID: e.ID, Name: name, By: e.By, At: e.At})
		latest = latest[:min(len(latest), shown)]
	})
	return latest
}

// Next says in a sentence what happens next.
func (p *Pathway) Next(now time.Time) string {
	if p.Outcome != "" {
		return fmt.Sprintf("The pathway has ended as %s.", p.Outcome)
	}
	var parts []string
	for _, r := range p.Requests {
		if r.Do == CancelDeed {
			parts = append(parts, fmt.Sprintf("%s leaves the calendar", r.Session))
		}
	}
	if kind := p.wanted(now); kind != "" {
		parts = append(parts, fmt.Sprintf("kap now books the next %s session", kind))
	}
	if a := p.brings(now); a != nil {
		parts = append(parts, fmt.Sprintf("kap now moves %s to within its hours after the dosing session", a.Name))
	}
	if p.mayEnd(now) {
		return "The pathway ends now as " + string(p.ending()) + "."
	}
	for _, t := range p.Tasks(now) {
		if t.Since.After(now) { // of a session that is yet to take place, or to end
			continue
		}
		var who []string
		for _, r := range t.Who {
			who = append(who, string(r))
		}
		parts = append(parts, fmt.Sprintf("Awaited from the %s: %s", strings.Join(who, " and the "), t.What))
	}
	if len(parts) == 0 {
		if next := p.nextSession(now); next != nil {
			return fmt.Sprintf("%s takes place on %s.", next.Name, p.clockTime(next.Start))
		}
		return "Nothing is awaited from anybody now."
	}
	return strings.Join(parts, ". ") + "."
}

// clockTime writes a moment on the practice's clock.
func (p *Pathway) clockTime(t time.Time) string {
	return t.In(p.zone()).Format("Mon 2 Jan 2006, 15:04 MST")
}

func (p *Pathway) day(t time.Time) string { return t.In(p.zone()).Format("2 Jan 2006") }
