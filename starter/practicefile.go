package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kap/mail"
	"kap/pathway"
	"kap/practice"
	"kap/records"
)

const practiceHelp = `Reads the practice's two files as worker and starter will read them, says what
is in them, and what is wrong or worth a second look. Without FILE it reads
those that KAP_PRACTICE and KAP_PROTOCOL name, or the samples.

Where the practice's database is at hand, it also looks for open pathways whose
care team names somebody who is not in the file.`

const practiceExample = `  starter practice check
  starter practice check practice.yaml --protocol protocol.yaml`

func (d *desk) practiceCommand() *cobra.Command {
	c := &cobra.Command{Use: "practice", Short: "Look at the practice's own files", Args: knows, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	var protocol string
	check := &cobra.Command{Use: "check [FILE]", Short: "Say what the practice's files say, and what is wrong", Long: practiceHelp, Example: practiceExample, Args: takes(0, 1, "at most the practice's file")}
	check.Flags().StringVar(&protocol, "protocol", "", "the `file` with the clinical numbers")
	check.RunE = d.does(func(ctx context.Context, args []string) error { return d.checkPractice(ctx, args, protocol) })
	c.AddCommand(check)
	return c
}

// filesAskedFor reads the practice's files that a command line names, and where it names none, those of the settings. Its error names all
// that is wrong with them; with hours, also whether what the protocol wants finds a time in them.
func (d *desk) filesAskedFor(args []string, protocolFile string, hours bool) (settings, practice.Practice, pathway.Protocol, error) {
	files := settings{}
	s, err := d.settings()
	if err != nil {
		return files, practice.Practice{}, pathway.Protocol{}, err
	}
	files["KAP_PRACTICE"], files["KAP_PROTOCOL"] = s["KAP_PRACTICE"], s["KAP_PROTOCOL"]
	if len(args) == 1 {
		files["KAP_PRACTICE"] = args[0]
	}
	if protocolFile != "" {
		files["KAP_PROTOCOL"] = protocolFile
	}
	house, err := practice.Load(files["KAP_PRACTICE"])
	protocol, protocolErr := practice.LoadProtocol(files["KAP_PROTOCOL"])
	if hours && err == nil && protocolErr == nil {
		if err = house.Calendar().Bookable(protocol, d.now()); err != nil {
			err = fmt.Errorf("opening_hours: %w; open longer, or on days that follow one another", err)
		}
	}
	return files, house, protocol, together(append([]error{err, protocolErr}, indiscreet(files, house, protocol)...)...)
}

// together says in one sentence all that is wrong; nothing where nothing is.
func together(all ...error) error {
	var wrong []string
	for _, err := range all {
		if err != nil {
			wrong = append(wrong, oneLine(err.Error()))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return usage("%s", strings.Join(wrong, "; "))
}

// indiscreet holds what clients will read to the list of words, and names the file.
func indiscreet(files settings, house practice.Practice, protocol pathway.Protocol) []error {
	var wrong []error
	if err := mail.Discreet(house); err != nil {
		wrong = append(wrong, fmt.Errorf("%s: %s", or(files["KAP_PRACTICE"], "the sample practice"), strings.TrimPrefix(err.Error(), "mail: practice: ")))
	}
	if err := mail.DiscreetProtocol(protocol); err != nil {
		wrong = append(wrong, fmt.Errorf("%s: %s", or(files["KAP_PROTOCOL"], "the built-in clinical numbers"), strings.TrimPrefix(err.Error(), "mail: protocol: ")))
	}
	return wrong
}

func (d *desk) checkPractice(ctx context.Context, args []string, protocolFile string) error {
	files, house, protocol, err := d.filesAskedFor(args, protocolFile, true)
	if err != nil {
		return err
	}
	d.sayPractice(or(files["KAP_PRACTICE"], "the sample practice"), house)
	d.say("\n%s", indented("", fmt.Sprintf("%s: version %s, consent form %s in force from %s.", or(files["KAP_PROTOCOL"], "the built-in clinical numbers"), protocol.Version, protocol.Consent.Version, protocol.Consent.InForce)))
	notes, err := d.practiceNotes(ctx, house, protocol)
	if err != nil {
		return err
	}
	if len(notes) > 0 {
		d.say("\n%s", d.paint(heading, "Worth a look"))
		for _, n := range notes {
			d.say("%s", indented("  - ", n))
		}
	}
	d.say("\nBoth files can be used.")
	return nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (d *desk) sayPractice(file string, house practice.Practice) {
	d.say("%s", d.paint(heading, file+": "+house.Name))
	facts := [][2]string{{"zone", house.Zone}, {"open", strings.Join(hoursOf(house), ", ")}, {"closed", strings.Join(closuresOf(house), ", ")}}
	for _, role := range []pathway.Role{pathway.Therapist, pathway.Prescriber, pathway.Coordinator} {
		var names []string
		for _, s := range house.With(role) {
			names = append(names, fmt.Sprintf("%s (%s)", s.Name, s.ID))
		}
		facts = append(facts, [2]string{string(role) + "s", strings.Join(names, ", ")})
	}
	onCall, _ := house.Member(pathway.OnCall)
	facts = append(facts, [2]string{"on call", fmt.Sprintf("%s (%s)", onCall.Name, onCall.ID)},
		[2]string{"mail", fmt.Sprintf("from %s <%s>, replies to %s, signed with %s and %s", house.Mail.Name, house.Mail.From, house.Mail.ReplyTo, house.Mail.Location, house.Mail.Phone)})
	for _, f := range facts {
		d.say("%s", indented(fmt.Sprintf("  %-13s", f[0]), clean(or(f[1], "none"))))
	}
}

var week = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}

// hoursOf names runs of days with the same hours together.
func hoursOf(house practice.Practice) []string {
	var all []string
	for i := 0; i < len(week); i++ {
		hours := house.OpeningHours[strings.ToLower(week[i].String())]
		if len(hours) == 0 {
			continue
		}
		last := i
		for last+1 < len(week) && slices.Equal(house.OpeningHours[strings.ToLower(week[last+1].String())], hours) {
			last++
		}
		days := week[i].String()[:3]
		if last > i {
			days += "-" + week[last].String()[:3]
		}
		all, i = append(all, days+" "+strings.Join(hours, " and ")), last
	}
	return all
}

func closuresOf(house practice.Practice) []string {
	var all []string
	for _, c := range house.Closures {
		if c.From == c.To {
			all = append(all, c.From)
		} else {
			all = append(all, c.From+" to "+c.To)
		}
	}
	return all
}

// practiceNotes are what no rule forbids and somebody should know.
func (d *desk) practiceNotes(ctx context.Context, house practice.Practice, protocol pathway.Protocol) ([]string, error) {
	var notes []string
	if !protocol.SignedOff {
		notes = append(notes, "The clinicians have not signed off the numbers (signed_off: false).")
	}
	for _, role := range []pathway.Role{pathway.Therapist, pathway.Prescriber, pathway.Coordinator} {
		if len(house.With(role)) == 0 {
			notes = append(notes, fmt.Sprintf("staff has no %s: nobody can be enrolled.", role))
		}
	}
	today := d.now().Format(time.DateOnly)
	if !slices.ContainsFunc(house.Closures, func(c practice.Closure) bool { return c.To >= today }) {
		notes = append(notes, "closures lists no day to come: are there no holidays?")
	}
	if !d.hasRecords() {
		return notes, nil
	}
	store, err := d.records(ctx)
	if err != nil {
		return nil, err
	}
	strangers, err := bounded(ctx, func(ctx context.Context) ([]records.Member, error) { return store.CareTeams(ctx) })
	if err = fromRecords(err); isAway(err) {
		return append(notes, "The practice's database does not answer: the care teams of open pathways were not compared with staff."), nil
	}
	if err != nil {
		return nil, err
	}
	for _, m := range strangers {
		if house.Role(m.Staff) != pathway.Role(m.Role) {
			notes = append(notes, fmt.Sprintf("%s is the %s of %d open pathways (such as %s) and not in staff as one: they get no mail.", m.Staff, m.Role, m.Pathways, m.Such))
		}
	}
	return notes, nil
}
