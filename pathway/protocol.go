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

	Consent     ConsentDocument  `json:"consent"`
	Preparation PreparationRules `json:"preparation"`
	Dosing      DosingRules      `json:"dosing"`
	Integration IntegrationRules `json:"integration"`
	Clearance   ClearanceRules   `json:"clearance"`
	SafetyPlan  SafetyPlanRules  `json:"safety_plan"`
	Booking     BookingRules     `json:"booking"`
	Mail        MailRules        `json:"mail"`
	Reminders   []ReminderRule   `json:"reminders"`
	Crisis      CrisisLine       `json:"crisis"`
}

// ConsentDocument is the consent form in force: a consent to any other version is outdated (protocol, section 1).
type ConsentDocument struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // of the document's file, 64 hexadecimal digits
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
}

// SafetyPlanRules say how old a safety plan may be when a dosing session starts.
type SafetyPlanRules struct {
	Days int `json:"days"`
}

// BookingRules bound the search for a slot.
type BookingRules struct {
	NoticeHours      int `json:"notice_hours"`
	WindowDays       int `json:"window_days"`
	GridMinutes      int `json:"grid_minutes"`
	RebookingsInARow int `json:"rebookings_in_a_row"`
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
