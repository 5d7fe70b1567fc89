package inbox

import "fmt"

// Mode is a way to fail.
type Mode string

// The ways to fail.
const (
	None            Mode = "none"
	TooManyRequests Mode = "429"  // refuses, with X-RateLimit-Reset
	ServerError     Mode = "500"  // refuses
	Unauthorized    Mode = "401"  // refuses
	Hang            Mode = "hang" // keeps nothing and answers nothing until the client gives up
	Drop            Mode = "drop" // keeps the message, then drops the connection without an answer
)

var modes = []struct {
	Mode Mode
	Says string
}{
	{None, "Take every message"},
	{TooManyRequests, "429: too many requests"},
	{ServerError, "500: server error"},
	{Unauthorized, "401: key not accepted"},
	{Hang, "Hang: never answer"},
	{Drop, "Drop: take it, then break the connection"},
}

// Faults says how the next sends fail. They are not kept across a restart.
type Faults struct {
	Mode  Mode `json:"mode"`
	Times int  `json:"times"` // how many sends are still to fail; 0: every one, until told otherwise
}

const mostTimes = 1_000_000

func (f Faults) check() error {
	if f.Times < 0 || f.Times > mostTimes {
		return fmt.Errorf("times: found %d, expected a whole number from 0 to %d", f.Times, mostTimes)
	}
	for _, m := range modes {
		if m.Mode == f.Mode {
			return nil
		}
	}
	return fmt.Errorf("mode: found %q, expected 429, 500, 401, hang, drop or none", f.Mode)
}

// Fail makes the next sends fail, as POST /faults does. Its error names the field that is wrong.
func (in *Inbox) Fail(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.Mode == None {
		f.Times = 0
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.faults = f
	return nil
}

// Faults says how sends fail now.
func (in *Inbox) Faults() Faults {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.faults
}

// nextFault is the fault for one send, counted down.
func (in *Inbox) nextFault() Mode {
	in.mu.Lock()
	defer in.mu.Unlock()
	mode := in.faults.Mode
	if in.faults.Times > 0 {
		if in.faults.Times--; in.faults.Times == 0 {
			in.faults = Faults{Mode: None}
		}
	}
	return mode
}
