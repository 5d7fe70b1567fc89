package pathway

import (
	"fmt"
	"time"
)

// Protocol holds the practice's clinical numbers. It is stored with a pathway at enrolment, so that a pathway keeps the
// numbers it began with. Every number is a default that awaits the clinicians' sign-off.
type Protocol struct {
	// Version names this set of numbers, as written in the protocol file.
	Version string `json:"version"`
	// SignedOff is true once the practice's clinicians have signed these numbers.
	SignedOff bool `json:"signed_off"`

	Consent       ConsentDocument    `json:"consent"`
	Preparation   PreparationRules   `json:"preparation"`
	Dosing        DosingRules        `json:"dosing"`
	Integration   IntegrationRules   `json:"integration"`
	Clearance     ClearanceRules     `json:"clearance"`
	SafetyPlan    SafetyPlanRules    `json:"safety_plan"`
	Measures      MeasureRules       `json:"measures"`
	Booking       BookingRules       `json:"booking"`
	Mail          MailRules          `json:"mail"`
	Reminders     []ReminderRule     `json:"reminders"`
	Questionnaire QuestionnaireRules `json:"questionnaire"`
	Nudges        NudgeRules         `json:"nudges"`
	Deferral      DeferralRules      `json:"deferral"`
	Endings       EndingRules        `json:"endings"`
	Crisis        CrisisLine         `json:"crisis"`
}

// ConsentDocument is a consent form: a consent to any other than the one in force is outdated (protocol, section 1). A
// pathway learns of a newer form with the next step that is written.
type ConsentDocument struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"`   // of the document's file, 64 hexadecimal digits
	InForce Day    `json:"in_force"` // from this day on
}

// PreparationRules are section 2 of the protocol.
type PreparationRules struct {
	Sessions          int `json:"sessions"`
	AtLeast           int `json:"at_least"`
	Minutes           int `json:"minutes"`
	DaysApartAtLeast  int `json:"days_apart_at_least"`
	DaysBeforeAtLeast int `json:"days_before_dosing_at_least"`
}

// DosingRules are the spacing and the maximum of section 3.
type DosingRules struct {
	AtMost            int `json:"at_most"`
	Minutes           int `json:"minutes"`
	DaysApartAtLeast  int `json:"days_apart_at_least"`
	DaysApartAim      int `json:"days_apart_aim"`
	CheckHoursBefore  int `json:"check_hours_before"`
	RecordWithinHours int `json:"record_within_hours"`
	// BloodPressureLimit is the reading, in mmHg, over which nothing is dosed until the prescriber answers.
	BloodPressureLimit BloodPressure `json:"blood_pressure_limit"`
}

// IntegrationRules say when integration follows a dosing session, counted from the dosing session's end.
type IntegrationRules struct {
	Minutes           int `json:"minutes"`
	HoursAfterAtLeast int `json:"hours_after_at_least"`
	HoursAfterAtMost  int `json:"hours_after_at_most"`
}

// ClearanceRules say what one clearance covers.
type ClearanceRules struct {
	DosingSessions     int `json:"dosing_sessions"`
	Days               int `json:"days"`
	AskAgainDaysBefore int `json:"ask_again_days_before"`
	// EveryDosingSessions is the checkpoint of section 4: after so many, the prescriber clears again, and grief is judged.
	EveryDosingSessions int `json:"every_dosing_sessions"`
}

// SafetyPlanRules say how old a safety plan may be when a dosing session starts.
type SafetyPlanRules struct {
	Days int `json:"days"`
}

// MeasureRules are section 4 of the protocol: how it is judged whether KAP is working.
type MeasureRules struct {
	Days        int             `json:"days"` // how old a measure may be at a decision point
	LowBaseline int             `json:"low_baseline"`
	PHQ9        ScaleRules      `json:"phq_9"`
	GAD7        ScaleRules      `json:"gad_7"`
	PCL5        ScaleRules      `json:"pcl_5"`
	NotWorking  NotWorkingRules `json:"not_working"`
	AtTheMost   AtTheMostRules  `json:"after_the_most"`
}

// ScaleRules are the points of one scale that matter.
type ScaleRules struct {
	Important int `json:"important_change"` // the smallest change that matters
	Worse     int `json:"worse"`            // so much above the baseline holds the pathway
	Remission int `json:"remission_below"`  // 0: the scale has no remission
}

// NotWorkingRules say from which dosing session on, and up to which improvement, KAP counts as not working.
type NotWorkingRules struct {
	FromDosing    int `json:"from_dosing_session"`
	PercentAtMost int `json:"percent_at_most"`
}

// AtTheMostRules say which improvement is expected once the most dosing sessions were given.
type AtTheMostRules struct {
	PercentAtLeast int `json:"percent_at_least"`
}

// BookingRules bound the search for a slot.
type BookingRules struct {
	NoticeHours      int `json:"notice_hours"`
	WindowDays       int `json:"window_days"`
	GridMinutes      int `json:"grid_minutes"`
	RebookingsInARow int `json:"rebookings_in_a_row"`
	LateHours        int `json:"cancelled_late_hours"` // a client who cancels nearer than this cancels late
}

// MailRules give the hours, in the client's zone, at which mail may go out.
type MailRules struct {
	From          string `json:"from"`
	Until         string `json:"until"`
	SpreadMinutes int    `json:"spread_minutes"`
}

// ReminderRule is one reminder of a session. Whole days are counted on the wall clock of the practice's zone.
type ReminderRule struct {
	Name              string `json:"name"`
	HoursBefore       int    `json:"hours_before"`
	LateMinutesAtMost int    `json:"late_minutes_at_most"`
	AnyHour           bool   `json:"any_hour"` // also outside the hours of mail
	Sheet             bool   `json:"sheet"`    // before a dosing session it points to the practice's preparation sheet
}

// QuestionnaireRules say when a client is asked for a measure before a dosing session.
type QuestionnaireRules struct {
	DaysBefore      []int `json:"days_before"` // a mail each, the earliest first
	CallHoursBefore int   `json:"call_hours_before"`
	LateHoursAtMost int   `json:"late_hours_at_most"`
}

// NudgeRules say how often whoever is awaited hears of it. Staff are nudged without end.
type NudgeRules struct {
	ClinicianDays []int `json:"clinician_days"` // after a gate is due; then each morning, the coordinator too
	ClientDays    []int `json:"client_days"`    // after consent is asked for
	ClientLate    int   `json:"client_late_hours_at_most"`
	CallDays      int   `json:"client_call_days"` // then the coordinator calls
	UrgentHours   int   `json:"urgent_repeat_hours"`
	OnCallHours   int   `json:"urgent_on_call_hours"`
}

// DeferralRules bound a deferral, so that a slip of the pen parks nobody for years.
type DeferralRules struct {
	DaysAtMost int `json:"days_at_most"`
}

// EndingRules are section 5 of the protocol.
type EndingRules struct {
	LapseDays  int `json:"lapse_days"`
	LapseCalls int `json:"lapse_calls"`
	Tries      int `json:"conversation_tries"`
	OpenDays   int `json:"open_days"` // so long an ended pathway takes adverse events and corrections
}

// CrisisLine is what a mail that nobody monitors gives instead.
type CrisisLine struct {
	Version string `json:"version"`
	Text    string `json:"text"`
}

// Check says the first thing that is wrong with the numbers, naming the field as it is written in the protocol file, what
// was found and what is expected.
func (p Protocol) Check() error {
	positive := []struct {
		field string
		found int
		most  int
	}{
		{"preparation.sessions", p.Preparation.Sessions, 10},
		{"preparation.at_least", p.Preparation.AtLeast, p.Preparation.Sessions},
		{"preparation.minutes", p.Preparation.Minutes, 480},
		{"preparation.days_apart_at_least", p.Preparation.DaysApartAtLeast, 60},
		{"preparation.days_before_dosing_at_least", p.Preparation.DaysBeforeAtLeast, 60},
		{"dosing.at_most", p.Dosing.AtMost, 6}, // the practice's page: between one and six
		{"dosing.minutes", p.Dosing.Minutes, 480},
		{"dosing.days_apart_at_least", p.Dosing.DaysApartAtLeast, 90},
		{"dosing.days_apart_aim", p.Dosing.DaysApartAim, 180},
		{"dosing.check_hours_before", p.Dosing.CheckHoursBefore, 168},
		{"dosing.record_within_hours", p.Dosing.RecordWithinHours, 24},
		{"integration.minutes", p.Integration.Minutes, 480},
		{"integration.hours_after_at_least", p.Integration.HoursAfterAtLeast, p.Integration.HoursAfterAtMost},
		{"integration.hours_after_at_most", p.Integration.HoursAfterAtMost, 168},
		{"clearance.dosing_sessions", p.Clearance.DosingSessions, 6},
		{"clearance.days", p.Clearance.Days, 365},
		{"clearance.ask_again_days_before", p.Clearance.AskAgainDaysBefore, p.Clearance.Days},
		{"safety_plan.days", p.SafetyPlan.Days, 365},
		{"booking.notice_hours", p.Booking.NoticeHours, 720},
		{"booking.window_days", p.Booking.WindowDays, 180},
		{"booking.grid_minutes", p.Booking.GridMinutes, 60},
		{"booking.rebookings_in_a_row", p.Booking.RebookingsInARow, 10},
		{"booking.cancelled_late_hours", p.Booking.LateHours, 168},
		{"clearance.every_dosing_sessions", p.Clearance.EveryDosingSessions, 6},
		{"measures.days", p.Measures.Days, 60},
		{"measures.low_baseline", p.Measures.LowBaseline, 27},
		{"measures.phq_9.important_change", p.Measures.PHQ9.Important, 27},
		{"measures.phq_9.worse", p.Measures.PHQ9.Worse, 27},
		{"measures.phq_9.remission_below", p.Measures.PHQ9.Remission, 27},
		{"measures.gad_7.important_change", p.Measures.GAD7.Important, 21},
		{"measures.gad_7.worse", p.Measures.GAD7.Worse, 21},
		{"measures.gad_7.remission_below", p.Measures.GAD7.Remission, 21},
		{"measures.pcl_5.important_change", p.Measures.PCL5.Important, 80},
		{"measures.pcl_5.worse", p.Measures.PCL5.Worse, 80},
		{"measures.not_working.from_dosing_session", p.Measures.NotWorking.FromDosing, 6},
		{"measures.not_working.percent_at_most", p.Measures.NotWorking.PercentAtMost, 100},
		{"measures.after_the_most.percent_at_least", p.Measures.AtTheMost.PercentAtLeast, 100},
		{"questionnaire.call_hours_before", p.Questionnaire.CallHoursBefore, 24 * 14},
		{"questionnaire.late_hours_at_most", p.Questionnaire.LateHoursAtMost, 48},
		{"nudges.client_late_hours_at_most", p.Nudges.ClientLate, 168},
		{"nudges.client_call_days", p.Nudges.CallDays, 60},
		{"nudges.urgent_repeat_hours", p.Nudges.UrgentHours, 24},
		{"nudges.urgent_on_call_hours", p.Nudges.OnCallHours, 24},
		{"endings.lapse_days", p.Endings.LapseDays, 365},
		{"endings.lapse_calls", p.Endings.LapseCalls, 10},
		{"endings.conversation_tries", p.Endings.Tries, 10},
		{"endings.open_days", p.Endings.OpenDays, 3650}, {"deferral.days_at_most", p.Deferral.DaysAtMost, 1000},
	}
	if p.Version == "" {
		return fmt.Errorf("version: found nothing, expected a name for this set of numbers, such as 2026-11")
	}
	for _, n := range positive {
		if n.found < 1 || n.found > n.most {
			return fmt.Errorf("%s: found %d, expected a whole number from 1 to %d", n.field, n.found, n.most)
		}
	}
	if p.Dosing.DaysApartAim < p.Dosing.DaysApartAtLeast {
		return fmt.Errorf("dosing.days_apart_aim: found %d, expected at least dosing.days_apart_at_least, which is %d", p.Dosing.DaysApartAim, p.Dosing.DaysApartAtLeast)
	}
	if p.Consent.Version == "" {
		return fmt.Errorf("consent.version: found nothing, expected the version of the consent form in force")
	}
	if !isSHA256(p.Consent.SHA256) {
		return fmt.Errorf("consent.sha256: found %q, expected the 64 hexadecimal digits that sha256sum prints for the consent form", p.Consent.SHA256)
	}
	if _, ok := p.Consent.InForce.in(time.UTC); !ok {
		return fmt.Errorf("consent.in_force: found %q, expected the day from which the form is in force, such as 2026-11-01", p.Consent.InForce)
	}
	if _, _, ok := p.Dosing.BloodPressureLimit.read(); !ok {
		return fmt.Errorf("dosing.blood_pressure_limit: found %q, expected mmHg such as 140/90", p.Dosing.BloodPressureLimit)
	}
	for _, days := range []struct {
		field  string
		found  []int
		rising bool
	}{
		{"questionnaire.days_before", p.Questionnaire.DaysBefore, false},
		{"nudges.clinician_days", p.Nudges.ClinicianDays, true},
		{"nudges.client_days", p.Nudges.ClientDays, true},
	} {
		ok := len(days.found) > 0 && len(days.found) <= 10
		for i, n := range days.found {
			ok = ok && n >= 1 && n <= 60 && (i == 0 || (n > days.found[i-1]) == days.rising && n != days.found[i-1])
		}
		if !ok {
			return fmt.Errorf("%s: found %v, expected 1 to 10 numbers of days from 1 to 60, in the order in which they come", days.field, days.found)
		}
	}
	if last := p.Nudges.ClientDays[len(p.Nudges.ClientDays)-1]; p.Nudges.CallDays <= last {
		return fmt.Errorf("nudges.client_call_days: found %d, expected more than the last of nudges.client_days, which is %d", p.Nudges.CallDays, last)
	}
	from, err := clock("mail.from", p.Mail.From)
	if err != nil {
		return err
	}
	until, err := clock("mail.until", p.Mail.Until)
	if err != nil {
		return err
	}
	if until-from < 4*time.Hour {
		return fmt.Errorf("mail.until: found %q, expected at least four hours after mail.from, which is %q", p.Mail.Until, p.Mail.From)
	}
	if p.Mail.SpreadMinutes < 0 || p.Mail.SpreadMinutes > 120 {
		return fmt.Errorf("mail.spread_minutes: found %d, expected a whole number from 0 to 120", p.Mail.SpreadMinutes)
	}
	if len(p.Reminders) == 0 || len(p.Reminders) > 10 {
		return fmt.Errorf("reminders: found %d, expected 1 to 10", len(p.Reminders))
	}
	names := map[string]bool{}
	for i, r := range p.Reminders {
		field := fmt.Sprintf("reminders[%d]", i)
		switch {
		case r.Name == "" || names[r.Name]:
			return fmt.Errorf("%s.name: found %q, expected a name that no other reminder has", field, r.Name)
		case r.HoursBefore < 1 || r.HoursBefore > 24*30:
			return fmt.Errorf("%s.hours_before: found %d, expected a whole number from 1 to %d", field, r.HoursBefore, 24*30)
		case r.LateMinutesAtMost < 1 || r.LateMinutesAtMost >= r.HoursBefore*60:
			return fmt.Errorf("%s.late_minutes_at_most: found %d, expected a whole number from 1 to less than the %d minutes before the session at which it goes out", field, r.LateMinutesAtMost, r.HoursBefore*60)
		}
		names[r.Name] = true
	}
	if p.Crisis.Version == "" || p.Crisis.Text == "" {
		return fmt.Errorf("crisis: found no version or no text, expected both")
	}
	return nil
}

// clock reads "08:00" as the time since midnight.
func clock(field, text string) (time.Duration, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%s: found %q, expected a time of day such as 08:00", field, text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

func isSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
