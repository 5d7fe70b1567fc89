package verify

import (
	"time"

	"kap/pathway"
	"kap/records"
)

// reminded: a reminder is written for a session as it stands.
func (a *account) reminded(l records.ChainedLine, f pathway.Fact) {
	v := a.visit(f.Session)
	if v == nil || !v.standing() || v.revision != f.Revision || !v.booked.Equal(f.Start) {
		a.violation("reminder-stale", f.Key, l.At, "it was written for a time that had been moved or cancelled")
	}
}

// mailed looks at a mail that went out to the client, by what stood when it was handed over.
func (a *account) mailed(l records.ChainedLine, f pathway.Fact) {
	if a.sent[f.Key] {
		a.violation("sent-twice", f.Key, l.At, "it went out twice")
	}
	a.sent[f.Key] = true
	ended := a.outcome != "" && a.endStep <= f.After
	switch {
	case ended && f.Mail != pathway.LetterMail && f.Mail != pathway.CancelledMail:
		a.violation("sent-after-the-ending", f.Key, l.At, "it went out after the ending, after which only the letter and cancellations do")
	case !ended && f.Mail == pathway.LetterMail:
		a.violation("letter-before-the-ending", f.Key, l.At, "it went out before the ending")
	}
	allowed := true
	for _, m := range a.mails {
		if m.step <= f.After {
			allowed = m.allowed
		}
	}
	if !allowed {
		a.violation("sent-unwanted", f.Key, l.At, "it went to a client who wants no mail, or whose address takes none")
	}
	switch f.Mail {
	case pathway.QuestionnaireMail:
		if v := a.visit(f.Session); v != nil {
			v.mailed = true
		}
	case pathway.ReminderMail, pathway.BookedMail, pathway.MovedMail:
		v := a.visit(f.Session)
		if v == nil {
			a.violation("sent-stale", f.Key, l.At, "it speaks of a session that was never booked")
			return
		}
		v.mailed = true
		if then := v.after(f.After); then.off || then.revision != f.Revision || !then.start.Equal(f.Start) {
			code := "sent-stale"
			if f.Mail == pathway.ReminderMail {
				code = "reminder-stale"
			}
			a.violation(code, f.Key, l.At, "it went out for a time that had been moved or cancelled")
		}
	}
	if !f.Until.IsZero() && l.At.After(f.Until.Add(minute)) {
		a.violation("sent-late", f.Key, l.At, "it went out too late for its purpose")
	}
	a.lateReminder(l.At, f)
	a.atNight(l.At, f)
}

// replied: a client answers for a session as it stands, before it begins.
func (a *account) replied(l records.ChainedLine, f *fact) {
	v := a.visit(f.said.text("session"))
	if v == nil || !v.standing() || v.revision != f.said.number("revision") || !l.Recorded.Before(v.start) {
		a.violation("answer-stale", f.said.text("session"), l.Recorded, "it was answered by a link whose time no longer held")
	}
}

// minute is how much later a mail may arrive than it was let go.
const minute = 2 * time.Minute

// lateReminder: a reminder goes out at its time, or a little later. Brought into the hours of mail, it counts from there.
func (a *account) lateReminder(at time.Time, f pathway.Fact) {
	if f.Mail != pathway.ReminderMail {
		return
	}
	for _, r := range a.rules.Reminders {
		if r.Name != f.Lead {
			continue
		}
		moment := f.Start.Add(-hours(r.HoursBefore))
		if r.HoursBefore%24 == 0 {
			moment = f.Start.In(a.zone).AddDate(0, 0, -r.HoursBefore/24)
		}
		late := time.Duration(r.LateMinutesAtMost) * time.Minute
		if !r.AnyHour {
			late *= 2
		}
		if at.After(moment.Add(late + minute)) {
			a.violation("sent-late", f.Key, at, "it went out too late for its purpose")
		}
	}
}

// atNight: mail keeps to its hours on the clock where its reader was, unless it may go at any.
func (a *account) atNight(at time.Time, f pathway.Fact) {
	there := a.began.Zone
	for _, c := range a.clocks {
		if c.step <= f.After {
			there = c.zone
		}
	}
	zone, err := time.LoadLocation(there)
	if err != nil || f.Night {
		return
	}
	local := at.In(zone).Format("15:04")
	if local < a.rules.Mail.From || at.Add(-minute).In(zone).Format("15:04") >= a.rules.Mail.Until {
		a.violation("sent-at-night", f.Key, at, "it went out outside the hours of mail")
	}
}
