package pathway

import (
	"fmt"
	"slices"
	"time"
)

// Calendar is when the practice is open.
type Calendar struct {
	Zone   *time.Location
	Hours  []Weekly
	Closed []Closure
}

// Closure is a run of days, both included, on which nothing is booked.
type Closure struct{ From, To Day }

// Span is a half-open stretch of time: it holds Start and everything before End.
type Span struct{ Start, End time.Time }

func (s Span) overlaps(o Span) bool { return s.Start.Before(o.End) && o.Start.Before(s.End) }

// Open says whether the practice is open throughout a span.
func (c Calendar) Open(s Span) bool {
	start, end := s.Start.In(c.Zone), s.End.In(c.Zone)
	if !slices.ContainsFunc(c.Hours, func(w Weekly) bool { return w.holds(start, end) }) {
		return false
	}
	return !c.closedOn(start)
}

func (c Calendar) closedOn(t time.Time) bool {
	day := Day(t.Format(time.DateOnly))
	return slices.ContainsFunc(c.Closed, func(x Closure) bool { return x.From <= day && day <= x.To })
}

// OpenOn says whether the practice is open at any hour of the day on which a moment falls.
func (c Calendar) OpenOn(t time.Time) bool {
	t = t.In(c.Zone)
	return slices.ContainsFunc(c.Hours, func(w Weekly) bool { return w.Day == t.Weekday() }) && !c.closedOn(t)
}

// find looks for the earliest start within w at which a session fits and accept agrees. Sessions start on the grid, counted
// from midnight on the practice's clock.
func (c Calendar) find(w Window, available []Weekly, busy []Span, accept func(Span) bool) (Span, bool) {
	first := w.Earliest.In(c.Zone)
	midnight := onDay(first, 0)
	for day := 0; ; day++ {
		d := midnight.AddDate(0, 0, day)
		if d.After(w.Latest) {
			return Span{}, false
		}
		weekday := d.Weekday()
		for minute := 0; minute < 24*60; minute += w.GridMinutes {
			from, until := time.Duration(minute)*time.Minute, time.Duration(minute+w.Minutes)*time.Minute
			if !slices.ContainsFunc(c.Hours, func(h Weekly) bool { return h.Day == weekday && h.From <= from && until <= h.Until }) {
				continue // closed, which is quicker to say than what time that is
			}
			start := onDay(d, from)
			s := Span{start, start.Add(time.Duration(w.Minutes) * time.Minute)}
			if start.Before(w.Earliest) || start.After(w.Latest) || !c.Open(s) || slices.ContainsFunc(busy, s.overlaps) {
				continue
			}
			if len(available) > 0 && !slices.ContainsFunc(available, func(a Weekly) bool { return a.holds(start, s.End.In(c.Zone)) }) {
				continue
			}
			if accept == nil || accept(s) {
				return s, true
			}
		}
	}
}

// Bookable says whether the practice's hours leave room, from a moment on, for each kind of session: for a dosing session together
// with the integration that follows it. Its error says which kind would never find a time.
func (c Calendar) Bookable(p Protocol, from time.Time) error {
	within := func(minutes int) Window {
		return Window{Earliest: from, Latest: from.AddDate(0, 0, p.Booking.WindowDays), Minutes: minutes, GridMinutes: p.Booking.GridMinutes}
	}
	follows := p.follow()
	if _, ok := c.find(within(p.Preparation.Minutes), nil, nil, nil); !ok {
		return fmt.Errorf("no preparation of %d minutes fits within %d days", p.Preparation.Minutes, p.Booking.WindowDays)
	}
	if _, ok := c.find(within(p.Dosing.Minutes), nil, nil, nil); !ok {
		return fmt.Errorf("no dosing session of %d minutes fits within %d days", p.Dosing.Minutes, p.Booking.WindowDays)
	}
	if _, ok := c.find(within(p.Dosing.Minutes), nil, nil, func(s Span) bool {
		_, ok := c.find(follows.after(s.End), nil, nil, nil)
		return ok
	}); !ok {
		return fmt.Errorf("no dosing session has room for its integration %d to %d hours after it", follows.HoursAtLeast, follows.HoursAtMost)
	}
	return nil
}

// Window is where a session may begin. Where Earliest and Latest are the same moment, it was chosen by a person.
type Window struct {
	Earliest    time.Time `json:"earliest"`
	Latest      time.Time `json:"latest"`
	Minutes     int       `json:"minutes"`
	GridMinutes int       `json:"grid_minutes"`
}

func (w Window) chosen() bool { return w.Earliest.Equal(w.Latest) }

// Place answers a booking or a move: where it goes in a calendar in which busy is taken. A dosing session is placed only
// together with the integration that follows it. It changes nothing.
func (p *Pathway) Place(act Act, c Calendar, busy []Span) ActAnswer {
	if act.Refuse != "" {
		return ActAnswer{Refused: act.Refuse}
	}
	var available []Weekly
	for _, text := range p.Availability {
		if w, err := ParseWeekly(text); err == nil {
			available = append(available, w)
		}
	}
	var follow Span
	fits := func(s Span) bool {
		if act.Follow == nil {
			return true
		}
		if !act.Keep.IsZero() { // a moved dosing session whose integration can stay where it is
			if kept := (Span{act.Keep, act.Keep.Add(time.Duration(act.Follow.Minutes) * time.Minute)}); act.Follow.after(s.End).holds(kept.Start) {
				follow = kept
				return true
			}
		}
		found, ok := c.find(act.Follow.after(s.End), available, append(slices.Clone(busy), s), nil)
		follow = found
		return ok
	}
	if act.Window.chosen() {
		s := Span{act.Window.Earliest, act.Window.Earliest.Add(time.Duration(act.Window.Minutes) * time.Minute)}
		switch {
		case !c.Open(s):
			return ActAnswer{Refused: "the practice is closed then"}
		case slices.ContainsFunc(busy, s.overlaps):
			return ActAnswer{Refused: "the therapist or the client has another appointment then"}
		case !fits(s):
			return ActAnswer{Refused: "no time is free for the integration that has to follow it"}
		}
		return ActAnswer{Start: s.Start, FollowStart: follow.Start}
	}
	for _, x := range p.Appointments {
		if x.Unsuited {
			busy = append(busy, Span{x.Start, x.End})
		}
	}
	s, ok := c.find(act.Window, available, busy, fits)
	if !ok {
		return ActAnswer{Refused: "no time is free that fits the practice, the therapist and the client"}
	}
	return ActAnswer{Start: s.Start, FollowStart: follow.Start}
}

func (w Window) holds(t time.Time) bool { return !t.Before(w.Earliest) && !t.After(w.Latest) }

// FollowWindow is where the integration after a dosing session may begin, counted from the dosing session's end.
type FollowWindow struct {
	HoursAtLeast int `json:"hours_at_least"`
	HoursAtMost  int `json:"hours_at_most"`
	Minutes      int `json:"minutes"`
	GridMinutes  int `json:"grid_minutes"`
}

func (f FollowWindow) after(end time.Time) Window {
	return Window{Earliest: end.Add(hours(f.HoursAtLeast)), Latest: end.Add(hours(f.HoursAtMost)), Minutes: f.Minutes, GridMinutes: f.GridMinutes}
}
