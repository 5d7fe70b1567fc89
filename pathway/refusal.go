package pathway

import "fmt"

// Refusal is why a message was not taken: a code for programs and a sentence, meant for the person who sent it, that says
// what is wrong and what to do.
type Refusal struct {
	Code     RefusalCode `json:"code"`
	Sentence string      `json:"sentence"`
}

// RefusalCode sorts refusals for programs.
type RefusalCode string

// The kinds of refusal.
const (
	BadJSON      RefusalCode = "bad-json"
	UnknownField RefusalCode = "unknown-field"
	MissingField RefusalCode = "missing-field"
	BadValue     RefusalCode = "bad-value"
	WrongPerson  RefusalCode = "wrong-person"
	NotNow       RefusalCode = "not-now"
	Blocked      RefusalCode = "blocked"
	NoSlot       RefusalCode = "no-slot"
	HasEnded     RefusalCode = "ended"
)

// Error gives the sentence.
func (r *Refusal) Error() string { return r.Sentence }

func refuse(code RefusalCode, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Sentence: fmt.Sprintf(format, args...)}
}
