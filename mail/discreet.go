package mail

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"kap/pathway"
	"kap/practice"
)

// indiscreet are the words that no mail carries, in any part of it: the treatment and its phases, diagnoses, scales,
// medicines, and whatever promises or hints at an outcome (protocol, "Words"). It errs on the side of silence.
var indiscreet = regexp.MustCompile(`(?i)` +
	`\w*(ketamin|ketalar|psych|psilocy|therap|counsel|depress|bipolar|suicid|mentalhealth|trauma|addict|rehab|hypno|medicat)\w*|` + // also in one word with others, as in an address
	`\b(mental|psilo|mdma|panic)\w*|` + // words of other meanings end so, such as "environmental", "epsilon" and "Hispanic"
	`\b(kap|spravato|treat(s|ed|ing|ment|ments)?|session\w*|` +
	`dos(e|es|ed|ing|age)|infusion\w*|lozenge\w*|prepar\w*|integrat\w*|screening\w*|clearance\w*|consent\w*|` +
	`prescri\w*|medic\w*|drug\w*|diagnos\w*|anxi\w*|ptsd|ocd|grief|griev\w*|` +
	`phq\w*|gad|gad-?7|pcl\w*|questionnaire\w*|score\w*|adverse|` +
	`cur(e|es|ed|ing)|guarantee\w*|proven|breakthrough\w*|miracle\w*|success\w*|journey\w*|trips?|heal(s|ed|ing)?` +
	`)\b`)

// inAddress finds what an address may not have in it either, where words stand without a space between them.
var inAddress = regexp.MustCompile(`(?i)\S*kap\S*`)

// Indiscreet finds a word in a text that no mail, and no page that one leads to, may have; or nothing.
func Indiscreet(text string) string { return indiscreet.FindString(text) }

// IndiscreetAddress finds one in an address, where words stand without a space between them.
func IndiscreetAddress(address string) string {
	if word := indiscreet.FindString(address); word != "" {
		return word
	}
	return inAddress.FindString(address)
}

// Discreet says whether the practice's own settings under "mail" can stand on a lock screen. Its error names the setting
// and the word. [Write] asks it each time; a program asks it once at its start, so as not to find out from the first
// client's mail.
func Discreet(p practice.Practice) error {
	var wrong []string
	for _, f := range []struct{ field, found string }{
		{"mail.name", p.Mail.Name}, {"mail.from", p.Mail.From}, {"mail.reply_to", p.Mail.ReplyTo},
		{"mail.phone", p.Mail.Phone}, {"mail.location", p.Mail.Location},
	} {
		word := Indiscreet(f.found)
		if strings.Contains(f.found, "@") {
			word = IndiscreetAddress(f.found)
		}
		if word != "" {
			wrong = append(wrong, fmt.Sprintf("%s: found %q in it, expected nothing about the treatment, because it is read on lock screens", f.field, word))
		}
	}
	if len(wrong) > 0 {
		return errors.New("mail: practice: " + strings.Join(wrong, "; "))
	}
	return nil
}

// DiscreetProtocol says the same of what the practice's other file puts into mails and pages, which is the crisis line's text. A
// pathway keeps that from its enrolment, and [Write] takes it as it is: a mail that does not go out names no line at all.
func DiscreetProtocol(p pathway.Protocol) error {
	if word := Indiscreet(p.Crisis.Text); word != "" {
		return fmt.Errorf("mail: protocol: crisis.text: found %q in it, expected whom to call without a name that tells, such as \"call or text 988\", because mails and pages show it to whoever reads along", word)
	}
	return nil
}
