package records

import (
	"context"
	"encoding/json"
	"time"

	"kap/pathway"
)

// Whose narrows what a working day shows. Its zero value shows the whole practice.
type Whose struct {
	Staff   string // a staff id: the open pathways on whose care team they are, in their own role
	Pathway string // a code
}

// onTheTeam holds for whoever is on a pathway's care team, and member for their role there; w is the pathway and $1 the staff id.
const (
	teamOf    = `coalesce((w.status->'care_team')::jsonb, w.enrolment->'care_team')`
	onTheTeam = `($1 = '' or w.therapist = $1 or w.prescriber = $1 or ` + teamOf + `->'coordinators' ? $1) and ($2 = '' or w.code = $2)`
)

// TaskLine is one open task.
type TaskLine struct {
	Code       string    `json:"pathway"`
	GivenName  string    `json:"given_name"`
	FamilyName string    `json:"family_name"`
	Key        string    `json:"key"`
	Who        []string  `json:"who"`
	What       string    `json:"what"`
	Since      time.Time `json:"since"`
	Due        time.Time `json:"due"`
	Urgent     bool      `json:"urgent"`
	Message    string    `json:"message"` // that does it
	AsOf       time.Time `json:"as_of"`
	Zone       string    `json:"zone"` // the practice's
	Therapist  string    `json:"-"`
	Prescriber string    `json:"-"`
	Phone      string    `json:"phone"` // the client's
}

// Tasks lists the open tasks, urgent ones first, then by when they are due: of everybody, or those that one member of staff owes.
func (s *Store) Tasks(ctx context.Context, of Whose) ([]TaskLine, error) {
	return collect[TaskLine](ctx, s.pool, `
		select w.code, c.given_name, c.family_name, t.key, t.who, t.what, t.since, t.due, t.urgent, t.message, w.as_of, w.enrolment->>'practice_zone', w.therapist, w.prescriber, c.phone
		from task t join pathway w on w.code = t.pathway join client c on c.id = w.client
		where `+onTheTeam+` and ($1 = '' or 'therapist' = any(t.who) and w.therapist = $1 or 'prescriber' = any(t.who) and w.prescriber = $1
			or 'coordinator' = any(t.who) and `+teamOf+`->'coordinators' ? $1)
		order by t.urgent desc, t.due, w.code, t.key`, of.Staff, of.Pathway)
}

// SessionLine is one session of a day.
type SessionLine struct {
	Code       string    `json:"pathway"`
	GivenName  string    `json:"given_name"`
	FamilyName string    `json:"family_name"`
	Name       string    `json:"session"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	State      string    `json:"state"`
	Therapist  string    `json:"therapist"`
	Zone       string    `json:"zone"` // the practice's

	Answer pathway.AnswerKind `json:"answer,omitempty"` // the client's, as of the last step
}

// Sessions lists what begins in a stretch of time, from included and to not: what is booked, and what took place or was missed.
func (s *Store) Sessions(ctx context.Context, of Whose, from, to time.Time) ([]SessionLine, error) {
	return collect[SessionLine](ctx, s.pool, `
		select w.code, c.given_name, c.family_name, a.name, lower(a.during), upper(a.during), a.state, a.therapist, w.enrolment->>'practice_zone',
			coalesce((select s->>'answer' from json_array_elements(w.status->'sessions') s where s->>'name' = a.name), '')
		from appointment a join pathway w on w.code = a.pathway join client c on c.id = w.client
		where `+onTheTeam+` and a.during && tstzrange($3, $4) and lower(a.during) >= $3 and a.state <> 'cancelled'
		order by lower(a.during), w.code`, of.Staff, of.Pathway, from, to)
}

// ChangeLine is one entry of some pathway's journal.
type ChangeLine struct {
	Code       string          `json:"pathway"`
	GivenName  string          `json:"given_name"`
	FamilyName string          `json:"family_name"`
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	By         string          `json:"by,omitempty"`
	Recorded   time.Time       `json:"recorded"`
	Text       string          `json:"text"`
	Zone       string          `json:"zone"` // the practice's
	Message    json.RawMessage `json:"-"`
}

// Changes lists what was recorded, found and done in a stretch of time, from included and to not, the earliest first; mails and
// nudges are left out.
func (s *Store) Changes(ctx context.Context, of Whose, from, to time.Time) ([]ChangeLine, error) {
	return collect[ChangeLine](ctx, s.pool, `
		select w.code, c.given_name, c.family_name, j.kind, j.name, j.by, j.recorded, j.text, w.enrolment->>'practice_zone', j.message
		from journal j join pathway w on w.code = j.pathway join client c on c.id = w.client
		where `+onTheTeam+` and j.recorded >= $3 and j.recorded < $4 and j.kind <> 'sent' and j.name not in ('reminder', 'nudge', 'asked', 'refresh')
		order by j.recorded, j.id`, of.Staff, of.Pathway, from, to)
}

// Member is somebody on care teams of open pathways.
type Member struct {
	Staff    string
	Role     string
	Pathways int
	Such     string // the code of one of them
}

// CareTeams lists who is on the care teams of the open pathways, in which role.
func (s *Store) CareTeams(ctx context.Context) ([]Member, error) {
	return collect[Member](ctx, s.pool, `
		select m.staff, m.role, count(*), min(w.code) from pathway w, lateral (
			select w.therapist, 'therapist' union all select w.prescriber, 'prescriber'
			union all select jsonb_array_elements_text(`+teamOf+`->'coordinators'), 'coordinator') m (staff, role)
		where w.outcome = '' group by 1, 2 order by 2, 1`)
}
