package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kap/mail"
)

// sendGrid answers with these bodies, by path.
func sendGrid(t *testing.T, answers map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, known := answers[r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheDoctorSaysWhatToMend(t *testing.T) {
	t.Parallel()
	at := sendGrid(t, map[string]string{"/v3/scopes": `{"scopes": ["mail.send"]}`, "/v3/mail/send": "", "/v3/whitelabel/domains": `[]`, "/v3/verified_senders": `{}`})
	env := []string{"SENDGRID_API_KEY=SG.secret", "SENDGRID_BASE_URL=" + at}
	s := command(t, env, "", "mail", "doctor")
	s.wants(t, refused, "mails go to an inbox at "+at+", and to", "ok         key           it may send mails.", "mend       sender", "To do: authenticate",
		"mend       webhook key   SENDGRID_WEBHOOK_PUBLIC_KEY is not set", "not known  webhook", "ok         sandbox send")
	if strings.Contains(s.out+s.err, "SG.secret") || s.err != "" {
		t.Errorf("found\n%s%s", s.out, s.err)
	}
	for line := range strings.Lines(s.out) {
		if len(strings.TrimRight(line, "\n")) > screen+len(at) {
			t.Errorf("longer than a screen: %s", line)
		}
	}
	var all []mail.Finding
	if s := command(t, env, "", "mail", "doctor", "--json"); s.code != refused || json.Unmarshal([]byte(s.out), &all) != nil || len(all) != 7 || all[0].Part != "where" {
		t.Errorf("found %d, %s", s.code, s.out)
	}
}

func TestTheDoctorTellsAnInboxFromSendGrid(t *testing.T) {
	t.Parallel()
	inbox := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(inbox.Close)
	command(t, []string{"SENDGRID_API_KEY=any", "SENDGRID_BASE_URL=" + inbox.URL}, "", "mail", "doctor").wants(t, done, "mails go to an inbox", "no key, sender or webhook")
	command(t, []string{"SENDGRID_API_KEY=any", "SENDGRID_BASE_URL=http://" + nowhere}, "", "mail", "doctor").wants(t, unreachable, "the mail service at http://"+nowhere+" does not answer: the server refused the connection")
	command(t, nil, "", "mail", "doctor").wants(t, misuse, "SENDGRID_API_KEY: found nothing")
	command(t, []string{"SENDGRID_API_KEY=any"}, "", "mail", "doctor").wants(t, misuse, "SENDGRID_BASE_URL: found nothing", "KAP_SEND_FOR_REAL=yes")
	command(t, []string{"SENDGRID_API_KEY=any", "SENDGRID_BASE_URL=https://api.eu.sendgrid.com"}, "", "mail", "doctor").wants(t, misuse, "found SendGrid's own")
}
