package main

import (
	"fmt"
	"slices"
	"strings"

	"kap/records"
)

// answer is what a person said about whether a client is somebody who is known.
type answer struct {
	another   bool   // somebody else
	returning string // the one of this pathway, who comes back
}

// verdict is what to do with a client, given whom the records know.
type verdict struct {
	do     deed
	code   string // of the pathway that decides
	client string // whose row a new enrolment takes; "" for a new one
}

type deed int

const (
	enrolNew     deed = iota
	finishOld         // the same person was written before and has no workflow yet
	alreadyThere      // the same person has an open pathway
	notTheirs         // --returning names a pathway of somebody who is not alike
	ask               // only a person can say
)

// recognise decides whether a client is somebody whom the records know. It never guesses: an exact match is the same person,
// anything less is a question.
func recognise(known []records.Known, a answer) verdict {
	theirs := ""
	if a.returning != "" {
		i := slices.IndexFunc(known, func(k records.Known) bool { return k.Code == a.returning })
		if i < 0 {
			return verdict{do: notTheirs, code: a.returning}
		}
		theirs = known[i].Client
	}
	same := func(k records.Known) bool { return k.Same || theirs != "" && k.Client == theirs }
	for _, k := range known {
		if same(k) && k.Outcome == "" && !k.Started {
			return verdict{do: finishOld, code: k.Code}
		}
	}
	for _, k := range known {
		if same(k) && k.Outcome == "" {
			return verdict{do: alreadyThere, code: k.Code}
		}
	}
	if len(known) == 0 || theirs != "" || a.another {
		return verdict{do: enrolNew, client: theirs}
	}
	return verdict{do: ask}
}

// question says what only a person can answer, and how.
func question(c candidate, known []records.Known) error {
	another, returning := "--another-person", "--returning CODE"
	if c.place != "" {
		another, returning = `"another_person": true`, `"returning": "CODE"`
	}
	var open, ended []string
	for _, k := range known {
		if k.Outcome == "" {
			open = append(open, k.Code)
		} else {
			ended = append(ended, fmt.Sprintf("%s (%s)", k.Code, k.Outcome))
		}
	}
	if len(ended) == 1 {
		code, _, _ := strings.Cut(ended[0], " ")
		returning = strings.Replace(returning, "CODE", code, 1)
	}
	var found, ways []string
	if len(open) > 0 {
		found = append(found, "the open pathway "+strings.Join(open, ", "))
		ways = append(ways, "if it is the same person, enrol nobody: an open pathway goes on")
	}
	if len(ended) > 0 {
		found = append(found, "the ended pathway "+strings.Join(ended, ", "))
		ways = append(ways, "if the same person comes back after an ended one, say so with "+returning)
	}
	return fail(unanswered, "%sthe same e-mail address, or the same name and birth date, has %s; if this is another person, say so with %s; %s",
		c.place, strings.Join(found, " and "), another, strings.Join(ways, "; "))
}

// askPerson puts the question to whoever sits at the terminal, once for each client who is alike. No answer is no answer.
func (d *desk) askPerson(c candidate, known []records.Known) (answer, error) {
	var asked []string
	for _, k := range known {
		if slices.Contains(asked, k.Client) {
			continue
		}
		asked = append(asked, k.Client)
		state := "open"
		if k.Outcome != "" {
			state = "ended as " + k.Outcome
		}
		yes, err := d.yesNo(fmt.Sprintf("%sThe same e-mail address, or the same name and birth date, has the pathway %s (%s).\nIs this the same person? [yes/no] ", c.place, k.Code, state))
		if d.ctx.Err() != nil {
			return answer{}, err
		}
		if err != nil {
			return answer{}, question(c, known)
		}
		if yes {
			return answer{returning: k.Code}, nil
		}
	}
	return answer{another: true}, nil
}

func (d *desk) yesNo(question string) (bool, error) {
	for {
		line, err := d.line(question)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(line) {
		case "yes", "y":
			return true, nil
		case "no", "n":
			return false, nil
		}
		fmt.Fprintln(d.stderr, "Expected yes or no.")
	}
}
