package mail_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kap/mail"
	"kap/practice"
)

// sendGrid answers as SendGrid's documentation says, on an account on which all is well, but for what a test changes.
type sendGrid struct {
	t      *testing.T
	status map[string]int    // by path
	body   map[string]string // by path
	sent   []byte            // the last mail that it was handed
}

func publicKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return inBase64(t, &key.PublicKey)
}

func inBase64(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

const everyEvent = `"processed": true, "delivered": true, "bounce": true, "dropped": true, "spam_report": true, "unsubscribe": true, "open": false, "click": false`

func hook(more string) string {
	return `{"max_allowed": 5, "webhooks": [{"id": "1", "url": "https://kap.example/events", "enabled": true, ` + everyEvent + `, ` + more + `}]}`
}

func newSendGrid(key string) *sendGrid {
	return &sendGrid{status: map[string]int{}, body: map[string]string{
		"/v3/scopes":                           `{"scopes": ["mail.send", "sender_verification_eligible", "tracking_settings.read"]}`,
		"/v3/whitelabel/domains":               `[{"id": 1, "domain": "practice.example", "subdomain": "em1", "valid": true, "default": true}]`,
		"/v3/verified_senders":                 `{"results": []}`,
		"/v3/user/webhooks/event/settings/all": hook(`"public_key": "` + key + `"`),
		"/v3/tracking_settings":                `{"result": [{"name": "open", "title": "Open Tracking", "description": "", "enabled": false}, {"name": "click", "enabled": false}]}`,
	}}
}

func (s *sendGrid) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer SG.trial-key" {
		http.Error(w, `{"errors": [{"message": "SG.trial-key", "field": null}]}`, http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/v3/mail/send" {
		s.sent, _ = io.ReadAll(r.Body)
		var m struct {
			MailSettings struct {
				SandboxMode struct{ Enable bool } `json:"sandbox_mode"`
			} `json:"mail_settings"`
		}
		if json.Unmarshal(s.sent, &m) != nil || !m.MailSettings.SandboxMode.Enable {
			s.t.Errorf("a mail was sent: %s", s.sent)
		}
	}
	body, known := s.body[r.URL.Path]
	status := s.status[r.URL.Path]
	switch {
	case status != 0:
	case known || r.URL.Path == "/v3/mail/send":
		status = http.StatusOK
	default:
		status = http.StatusNotFound
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (s *sendGrid) at(t *testing.T) string {
	t.Helper()
	s.t = t
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func asFrom(from string) practice.Practice {
	p, _ := practice.Load("")
	p.Mail.From = from
	return p
}

// checked runs a checkup on an account that a test has changed.
func checked(t *testing.T, change func(*sendGrid, *mail.Checkup)) ([]mail.Finding, error) {
	t.Helper()
	key := publicKey(t)
	s := newSendGrid(key)
	c := mail.Checkup{APIKey: "SG.trial-key", WebhookKey: key, Practice: asFrom("appointments@practice.example")}
	if change != nil {
		change(s, &c)
	}
	if c.BaseURL == "" {
		c.BaseURL = s.at(t)
	}
	all, err := c.Run(t.Context())
	text, _ := json.Marshal(all)
	if strings.Contains(string(text), "SG.trial") {
		t.Errorf("a finding shows the key: %s", text)
	}
	return all, err
}

func TestAnAccountOnWhichAllIsWell(t *testing.T) {
	t.Parallel()
	var account *sendGrid
	all, err := checked(t, func(s *sendGrid, _ *mail.Checkup) { account = s })
	if err != nil || len(all) != 5 {
		t.Fatalf("found %+v, %v", all, err)
	}
	for _, f := range all {
		if f.Verdict != mail.Well || f.Mend != "" {
			t.Errorf("found %+v", f)
		}
	}
	for _, off := range []string{`"click_tracking":{"enable":false`, `"open_tracking":{"enable":false`, `"subscription_tracking":{"enable":false`, `"from":{`, `practice.example`,
		`"type":"text/calendar; method=REQUEST","value":"BEGIN:VCALENDAR`, `"attachments":[{`, `"filename":"appointment.ics"`, `Your appointment on `} {
		if !strings.Contains(string(account.sent), off) {
			t.Errorf("the mail has no %s: %s", off, account.sent)
		}
	}
}

func TestEachThingThatIsWrongIsNamedWithWhatToMend(t *testing.T) {
	t.Parallel()
	const hooks = "/v3/user/webhooks/event/settings/all"
	for name, row := range map[string]struct {
		change  func(*sendGrid, *mail.Checkup)
		part    string
		verdict mail.Verdict
		found   string
		mend    string
	}{
		"another key":   {func(_ *sendGrid, c *mail.Checkup) { c.APIKey = "SG.other" }, "key", mail.ToMend, "SENDGRID_API_KEY is not accepted at ", "Restricted Access and Mail Send"},
		"not from here": {func(s *sendGrid, _ *mail.Checkup) { s.status["/v3/scopes"] = 403 }, "key", mail.ToMend, "may not be used from here", "IP Access Management"},
		"may not send":  {func(s *sendGrid, _ *mail.Checkup) { s.body["/v3/scopes"] = `{"scopes": ["stats.read"]}` }, "key", mail.ToMend, "may not send mails", "give it Mail Send"},
		"may do all": {func(s *sendGrid, _ *mail.Checkup) {
			s.body["/v3/scopes"] = `{"scopes": ["mail.send", "api_keys.create"]}`
		}, "key", mail.Well, "everything else", "Restricted Access"},
		"unwell": {func(s *sendGrid, _ *mail.Checkup) { s.status["/v3/scopes"] = 503 }, "key", mail.NotKnown, "status 503", "try again later"},

		"no such sender": {func(s *sendGrid, _ *mail.Checkup) { s.body["/v3/whitelabel/domains"] = `[]` }, "sender", mail.ToMend, "neither the domain practice.example nor the address", "authenticate practice.example"},
		"records missing": {func(s *sendGrid, _ *mail.Checkup) {
			s.body["/v3/whitelabel/domains"] = `[{"domain": "practice.example", "valid": false}]`
		}, "sender", mail.ToMend, "records in the DNS are not valid", "enter the records"},
		"one address only": {func(s *sendGrid, _ *mail.Checkup) {
			s.body["/v3/whitelabel/domains"] = `[]`
			s.body["/v3/verified_senders"] = `{"results": [{"id": 1, "from_email": "Appointments@practice.example", "verified": true, "locked": false}]}`
		}, "sender", mail.Well, "is verified, but its domain is not", "authenticate practice.example"},
		"not yet verified": {func(s *sendGrid, _ *mail.Checkup) {
			s.body["/v3/whitelabel/domains"] = `[]`
			s.body["/v3/verified_senders"] = `{"results": [{"from_email": "appointments@practice.example", "verified": false}]}`
		}, "sender", mail.ToMend, "neither", "authenticate"},
		"senders not shown": {func(s *sendGrid, _ *mail.Checkup) {
			s.status["/v3/whitelabel/domains"], s.status["/v3/verified_senders"] = 403, 403
		}, "sender", mail.NotKnown, "may not read who may send", "read access"},

		"no webhook key":      {func(_ *sendGrid, c *mail.Checkup) { c.WebhookKey = "" }, "webhook key", mail.ToMend, "SENDGRID_WEBHOOK_PUBLIC_KEY is not set", "copy it from SendGrid"},
		"half a webhook key":  {func(_ *sendGrid, c *mail.Checkup) { c.WebhookKey = c.WebhookKey[:40] }, "webhook key", mail.ToMend, "no ECDSA key on the curve P-256", "copy it"},
		"another sort of key": {func(_ *sendGrid, c *mail.Checkup) { c.WebhookKey = rsaKey(t) }, "webhook key", mail.ToMend, "no ECDSA key on the curve P-256", "copy it"},
		"another webhook key": {func(_ *sendGrid, c *mail.Checkup) { c.WebhookKey = publicKey(t) }, "webhook", mail.ToMend, "is not the key with which", "copy the key"},
		"no webhook":          {func(s *sendGrid, _ *mail.Checkup) { s.body[hooks] = `{"webhooks": []}` }, "webhook", mail.ToMend, "no event webhook is enabled", "add one"},
		"webhook off": {func(s *sendGrid, _ *mail.Checkup) {
			s.body[hooks] = `{"webhooks": [{"enabled": false, "url": "https://kap.example"}]}`
		}, "webhook", mail.ToMend, "no event webhook is enabled", "add one"},
		"webhook unsigned": {func(s *sendGrid, _ *mail.Checkup) { s.body[hooks] = hook(`"public_key": ""`) }, "webhook", mail.ToMend, "does not sign", "enable its signature verification"},
		"webhook in clear": {func(s *sendGrid, c *mail.Checkup) {
			s.body[hooks] = strings.Replace(hook(`"public_key": "`+c.WebhookKey+`"`), "https", "http", 1)
		}, "webhook", mail.ToMend, "does not begin with https://", "correct it"},
		"webhook says little": {func(s *sendGrid, c *mail.Checkup) {
			s.body[hooks] = hook(`"bounce": false, "dropped": false, "public_key": "` + c.WebhookKey + `"`)
		}, "webhook", mail.ToMend, "does not tell of: bounce, dropped", "choose these events"},
		"webhooks not shown": {func(s *sendGrid, _ *mail.Checkup) { s.status[hooks] = 403 }, "webhook", mail.NotKnown, "may not read the event webhooks", "read access"},
		"an older webhook API": {func(s *sendGrid, c *mail.Checkup) {
			delete(s.body, hooks)
			s.body["/v3/user/webhooks/event/settings"] = `{"enabled": true, "url": "https://kap.example/events", ` + everyEvent + `}`
			s.body["/v3/user/webhooks/event/settings/signed"] = `{"public_key": "` + c.WebhookKey + `"}`
		}, "webhook", mail.Well, "signed with our key", ""},

		"tracked elsewhere": {func(s *sendGrid, _ *mail.Checkup) {
			s.body["/v3/tracking_settings"] = `{"result": [{"name": "open", "enabled": true}]}`
		}, "tracking", mail.Well, "has it on for others: open", "turn it off"},

		"really sent":    {func(s *sendGrid, _ *mail.Checkup) { s.status["/v3/mail/send"] = 202 }, "sandbox send", mail.ToMend, "taken as a mail to be sent", "SENDGRID_BASE_URL"},
		"sender refused": {func(s *sendGrid, _ *mail.Checkup) { s.status["/v3/mail/send"] = 403 }, "sandbox send", mail.ToMend, "status 403", "the key and the sender"},
		"a field refused": {func(s *sendGrid, _ *mail.Checkup) {
			s.status["/v3/mail/send"] = 400
			s.body["/v3/mail/send"] = `{"errors": [{"message": "appointments@practice.example", "field": "from.email"}, {"message": "x", "field": "Some Body <x@y.example>"}]}`
		}, "sandbox send", mail.ToMend, "refuses it with status 400, because of from.email", "practice's file"},
		"an invitation refused": {func(s *sendGrid, _ *mail.Checkup) {
			s.status["/v3/mail/send"] = 400
			s.body["/v3/mail/send"] = `{"errors": [{"message": "x", "field": "content.2.type"}]}`
		}, "sandbox send", mail.ToMend, "refuses it with status 400, because of content.2.type", "kap itself has to be changed"},
		"a name that tells": {func(_ *sendGrid, c *mail.Checkup) { c.Practice.Mail.Name = "Ketamine Clinic" }, "sandbox send", mail.ToMend, `no mail can be written: practice: mail.name: found "Ketamine"`, "practice's file"},
		"too often":         {func(s *sendGrid, _ *mail.Checkup) { s.status["/v3/mail/send"] = 429 }, "sandbox send", mail.NotKnown, "status 429", "later"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := checked(t, row.change)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range all {
				if f.Part != row.part {
					continue
				}
				if f.Verdict != row.verdict || !strings.Contains(f.Found, row.found) || !strings.Contains(f.Mend, row.mend) || (row.mend == "") != (f.Mend == "") {
					t.Errorf("found %+v", f)
				}
				if strings.Contains(f.Found, "Some Body") || strings.Contains(f.Found, "appointments@") && f.Part == "sandbox send" {
					t.Errorf("the server is quoted: %+v", f)
				}
				return
			}
			t.Errorf("nothing is found about %s: %+v", row.part, all)
		})
	}
}

func rsaKey(t *testing.T) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return inBase64(t, &key.PublicKey)
}

// A key of the EU's, asked for at the other address.
func TestAKeyOfTheOtherRegionIsToldApart(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(elsewhere.Close)
	var eu string
	all, err := checked(t, func(s *sendGrid, c *mail.Checkup) {
		eu = s.at(t)
		c.BaseURL, c.OtherURL = elsewhere.URL, eu
	})
	if err != nil || len(all) == 0 || all[0].Part != "region" || all[0].Verdict != mail.ToMend || all[0].Mend != "set SENDGRID_BASE_URL="+eu {
		t.Errorf("found %+v, %v", all, err)
	}
}

func TestNobodyAnswersAndAnInboxDoes(t *testing.T) {
	t.Parallel()
	inbox := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(inbox.Close)
	if all, err := checked(t, func(_ *sendGrid, c *mail.Checkup) { c.BaseURL = inbox.URL }); !errors.Is(err, mail.ErrStandIn) || len(all) > 0 {
		t.Errorf("an inbox: found %+v, %v", all, err)
	}
	var away *mail.NotSent
	if all, err := checked(t, func(_ *sendGrid, c *mail.Checkup) { c.BaseURL = "http://127.0.0.1:1" }); !errors.As(err, &away) || away.Reason != "the server refused the connection" || len(all) > 0 {
		t.Errorf("nobody: found %+v, %v", all, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (mail.Checkup{BaseURL: inbox.URL}).Run(ctx); err == nil {
		t.Error("it was interrupted, and goes on")
	}
}
