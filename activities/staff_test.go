package activities_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"kap/activities"
	"kap/pathway"
	"kap/records"
)

const crisis = "In the United States you can call or text 988 at any hour, and 911 in an emergency."

// tuesday is when the mails of these tests are due: 9 in the practice's morning.
var tuesday = time.Date(2026, 2, 3, 14, 0, 0, 0, time.UTC)

// owes puts a mail into the outbox of a pathway, which it enrols where there is none.
func (o *post) owes(code string, m pathway.Mail) {
	o.t.Helper()
	p := o.p
	if code != p.Code {
		e, err := o.acts.Store.Enrolment(o.t.Context(), o.p.Code)
		if err != nil {
			o.t.Fatal(err)
		}
		e.Code = code
		if p, err = pathway.Enrol(e); err != nil {
			o.t.Fatal(err)
		}
		client := records.Person{GivenName: "Zenon", FamilyName: code, BirthDate: "1990-01-01", Email: "zen." + code + "@client.example", Phone: "+1 555 0199"}
		if _, err := o.acts.Store.Enrol(o.t.Context(), client, e); err != nil {
			o.t.Fatal(err)
		}
	}
	p.Outbox = append(p.Outbox, m)
	was := o.p
	o.p = p
	step := pathway.Step{Pathway: code, Number: p.Steps + 1, Previous: p.Last, At: tuesday}
	out, err := o.commit(step)
	if err != nil {
		o.t.Fatal(err)
	}
	p.Settle(step, out.Answer)
	o.p = was
}

func (o *post) delivers(code, key string) (pathway.MailStatus, error) {
	return run[pathway.MailStatus](o.environment(), o.acts.Deliver, activities.DeliverInput{Pathway: code, Key: key})
}

// received is one mail as SendGrid takes it.
type received struct {
	Personalizations []struct {
		To []struct{ Email, Name string } `json:"to"`
	} `json:"personalizations"`
	Subject    string                         `json:"subject"`
	Content    []struct{ Type, Value string } `json:"content"`
	CustomArgs map[string]string              `json:"custom_args"`
}

// last is the mail that came last, and to whom.
func (i *inbox) last(t *testing.T) (received, string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	var m received
	if len(i.bodies) == 0 {
		t.Fatal("nothing came")
	}
	if err := json.Unmarshal([]byte(i.bodies[len(i.bodies)-1]), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Personalizations) != 1 || len(m.Personalizations[0].To) != 1 || len(m.Content) != 2 {
		t.Fatalf("it is %+v", m)
	}
	return m, m.Personalizations[0].To[0].Email
}

// noClient says that nothing in a mail is a client's, or clinical.
func (m received) noClient(t *testing.T) {
	t.Helper()
	text := m.Subject + " " + m.Personalizations[0].To[0].Name
	for _, part := range m.Content {
		text += " " + part.Value
	}
	for _, word := range []string{"Zen", "Palmyra", "client", "1990", "0199", "Chicago", "AM CST", "preparation", "dosing", "March", "988", "session", "consent", "therap", "ketamine", "ptsd"} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			t.Errorf("%q is in %s", word, text)
		}
	}
}

func TestStaffHearOfAPathwayByItsCode(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	for _, row := range []struct {
		kind               pathway.MailKind
		staff, to, subject string
	}{
		{pathway.NudgeMail, "p-singh", "p-singh@linden.example", "Waiting for you: K7Q2M9"},
		{pathway.DigestMail, "c-desk", "c-desk@linden.example", "Waiting for you: K7Q2M9"},
		{pathway.UrgentMail, "t-lane", "t-lane@linden.example", "Urgent: K7Q2M9"},
		{pathway.UrgentMail, pathway.OnCall, "t-khan@linden.example", "Urgent: K7Q2M9"},
		{pathway.NewsMail, "t-lane", "t-lane@linden.example", "To know: K7Q2M9"},
	} {
		key := string(row.kind) + "/" + row.staff
		o.owes("K7Q2M9", pathway.Mail{Key: key, Kind: row.kind, Staff: row.staff, Since: tuesday, Session: "dosing-1", Start: tuesday.AddDate(0, 1, 0), Crisis: crisis})
		if found, err := o.delivers("K7Q2M9", key); found != pathway.SentMail || err != nil {
			t.Fatalf("%s: found %s, %v", key, found, err)
		}
		m, to := service.last(t)
		if to != row.to || m.Personalizations[0].To[0].Name != "" || m.Subject != row.subject {
			t.Errorf("%s went to %+v as %q", key, m.Personalizations, m.Subject)
		}
		for _, part := range m.Content {
			for _, want := range []string{"K7Q2M9, since Tuesday, February 3, 2026, 9:00 AM EST", "starter show K7Q2M9", "pathway-K7Q2M9"} {
				if !strings.Contains(part.Value, want) {
					t.Errorf("%s: %q is not in the %s:\n%s", key, want, part.Type, part.Value)
				}
			}
		}
		if id := o.ask(`select id::text from mail where key = '` + key + `'`); len(m.CustomArgs) != 1 || m.CustomArgs["mail"] != id {
			t.Errorf("%s came with %v, expected %s", key, m.CustomArgs, id)
		}
		m.noClient(t)
	}
	service.gets(t, 5)
	o.silentAbout(nil)
}

// digests are three pathways that wait for one person, and a fourth that waits for another.
func digests(t *testing.T, o *post) {
	t.Helper()
	for i, code := range []string{"K7Q2M9", "B2B2B2", "C3C3C3"} {
		o.owes(code, pathway.Mail{Key: "digest", Kind: pathway.DigestMail, Staff: "t-lane", Since: tuesday.AddDate(0, 0, -i), From: tuesday})
	}
	o.owes("D4D4D4", pathway.Mail{Key: "digest", Kind: pathway.DigestMail, Staff: "p-singh", Since: tuesday, From: tuesday})
}

func (o *post) digestsAre(want string) {
	o.t.Helper()
	if found := o.ask(`select string_agg(pathway || ' ' || status, ', ' order by pathway) from mail where key = 'digest'`); found != want {
		o.t.Errorf("found %s, expected %s", found, want)
	}
}

func TestThreeDigestsToOnePersonAreOneMail(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	digests(t, o)
	for _, code := range []string{"B2B2B2", "K7Q2M9", "C3C3C3"} {
		if found, err := o.delivers(code, "digest"); found != pathway.SentMail || err != nil {
			t.Errorf("%s: found %s, %v", code, found, err)
		}
	}
	service.gets(t, 1)
	o.digestsAre("B2B2B2 sent, C3C3C3 sent, D4D4D4 pending, K7Q2M9 sent")
	m, to := service.last(t)
	if to != "t-lane@linden.example" || m.Subject != "Waiting for you: 3 pathways" {
		t.Errorf("it went to %s as %q", to, m.Subject)
	}
	for _, part := range m.Content {
		var at []int // where each stands, the longest waiting first
		for _, want := range []string{"C3C3C3, since Sunday, February 1", "B2B2B2, since Monday, February 2", "K7Q2M9, since Tuesday, February 3"} {
			at = append(at, strings.Index(part.Value, want))
		}
		if at[0] < 0 || !slices.IsSorted(at) || strings.Contains(part.Value, "D4D4D4") {
			t.Errorf("the %s says %s", part.Type, part.Value)
		}
	}
	if id := o.ask(`select id::text from mail where key = 'digest' and pathway = 'B2B2B2'`); m.CustomArgs["mail"] != id {
		t.Errorf("it came with %v, expected %s", m.CustomArgs, id)
	}
	m.noClient(t)
	o.silentAbout(nil)
}

// A digest that another pathway's takes along says nothing of the mail service: what else there is goes out at once.
func TestADigestThatIsOnItsWayKeepsNoOtherMail(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	digests(t, o)
	o.owes("K7Q2M9", pathway.Mail{Key: "nudge", Kind: pathway.NudgeMail, Staff: "p-singh", Since: tuesday, From: tuesday})
	if c, _, err := o.acts.Store.Claim(t.Context(), "B2B2B2", "digest", time.Minute); err != nil || len(c.Waiting) != 3 {
		t.Fatalf("found %+v, %v, expected the digests of three", c, err)
	}
	known, err := run[[]activities.Delivered](o.environment(), o.acts.DeliverAtOnce, activities.SeveralInput{Pathway: "K7Q2M9", Keys: []string{"digest", "nudge"}})
	if want := []activities.Delivered{{Key: "nudge", Status: pathway.SentMail}}; err != nil || !slices.Equal(known, want) {
		t.Errorf("found %v, %v, expected %v", known, err, want)
	}
	known, err = run[[]activities.Delivered](o.environment(), o.acts.DeliverAtOnce, activities.SeveralInput{Pathway: "D4D4D4", Keys: []string{"digest"}})
	if err != nil || len(known) != 1 {
		t.Errorf("found %v, %v, expected the other person's digest to go out", known, err)
	}
	service.gets(t, 2)
}

func TestADigestThatDidNotGoOutIsTriedAgain(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusServiceUnavailable, "Retry-After", "5"))
	o := newPost(t, service.URL, enough)
	digests(t, o)
	_, err := o.delivers("K7Q2M9", "digest")
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.NonRetryable() || failed.NextRetryDelay() != 5*time.Second {
		t.Errorf("found %v, expected an error to try again after", err)
	}
	o.digestsAre("B2B2B2 pending, C3C3C3 pending, D4D4D4 pending, K7Q2M9 pending")
	service.now(status(http.StatusAccepted))
	o.waited()
	for _, code := range []string{"C3C3C3", "K7Q2M9", "B2B2B2"} { // whichever comes first
		if found, err := o.delivers(code, "digest"); found != pathway.SentMail || err != nil {
			t.Errorf("%s: found %s, %v", code, found, err)
		}
	}
	service.gets(t, 2)
	o.digestsAre("B2B2B2 sent, C3C3C3 sent, D4D4D4 pending, K7Q2M9 sent")
	if m, _ := service.last(t); m.Subject != "Waiting for you: 3 pathways" {
		t.Errorf("it went out as %q", m.Subject)
	}
	o.silentAbout(err)
}

func TestADigestOfWhichNobodyKnowsIsSentAgainForNone(t *testing.T) {
	t.Parallel()
	service := newInbox(t, drop)
	o := newPost(t, service.URL, enough)
	digests(t, o)
	for _, code := range []string{"K7Q2M9", "B2B2B2", "C3C3C3"} {
		if found, err := o.delivers(code, "digest"); found != pathway.UnknownMail || err != nil {
			t.Errorf("%s: found %s, %v", code, found, err)
		}
		service.now(status(http.StatusAccepted))
	}
	service.gets(t, 1)
	o.silentAbout(nil)
}

func TestAMailWithNowhereToGoIsRejected(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	o.owes("K7Q2M9", pathway.Mail{Key: "left", Kind: pathway.NudgeMail, Staff: "t-gone", Since: tuesday})
	o.owes("K7Q2M9", pathway.Mail{Key: "mute", Kind: pathway.NudgeMail, Staff: "t-lane", Since: tuesday})
	o.acts.Practice.Staff[0].Email = ""
	o.do(`update client set email = ''`)
	for _, key := range []string{"left", "mute", reminder} {
		for range 2 {
			if found, err := o.delivers("K7Q2M9", key); found != pathway.RejectedMail || err != nil {
				t.Errorf("%s: found %s, %v", key, found, err)
			}
		}
	}
	service.gets(t, 0)
	if n := strings.Count(o.said.all(), "nowhere to go"); n != 3 {
		t.Errorf("the log says it %d times: %s", n, o.said.all())
	}
	for _, id := range []string{"t-gone", "t-lane"} {
		if strings.Contains(o.said.all(), id) {
			t.Errorf("%s is said in %s", id, o.said.all())
		}
	}
	o.silentAbout(nil)
}

// What a letter needs reaches it from the outbox.
func TestClientsAreAskedForAForm(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	start := time.Date(2026, 2, 10, 15, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		mail       pathway.Mail
		want, none []string
	}{
		{pathway.Mail{Kind: pathway.ConsentMail}, []string{"Hello Zenobia,", "waiting for your signature"}, nil},
		{pathway.Mail{Kind: pathway.QuestionnaireMail, Start: start, Crisis: crisis}, []string{"Hello Zenobia,", "Tuesday, February 10, 2026", crisis}, nil},
		{pathway.Mail{Kind: pathway.QuestionnaireMail, Crisis: crisis}, []string{"Hello Zenobia,", crisis}, []string{"February", "appointment"}},
		{pathway.Mail{Kind: pathway.BookedMail, Start: start, Online: true}, []string{"9:00 AM CST (10:00 AM EST our time)", "Not at the practice"}, []string{"Linden Street, Suite 3"}},
	} {
		m := row.mail
		m.Key = string(m.Kind) + m.Start.String()
		o.owes("K7Q2M9", m)
		if found, err := o.delivers("K7Q2M9", m.Key); found != pathway.SentMail || err != nil {
			t.Fatalf("%s: found %s, %v", m.Key, found, err)
		}
		got, to := service.last(t)
		if to != person.Email {
			t.Errorf("%s went to %s", m.Key, to)
		}
		for _, part := range got.Content {
			for _, want := range row.want {
				if !strings.Contains(part.Value, want) {
					t.Errorf("%s: %q is not in the %s:\n%s", m.Key, want, part.Type, part.Value)
				}
			}
			for _, none := range append(row.none, "K7Q2M9", "Palmyra") {
				if strings.Contains(part.Value, none) {
					t.Errorf("%s: %q is in the %s:\n%s", m.Key, none, part.Type, part.Value)
				}
			}
		}
	}
	o.silentAbout(nil)
}
