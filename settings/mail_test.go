package settings_test

import (
	"strings"
	"testing"

	"kap/settings"
)

// Nothing goes to people by a slip of the pen.
func TestWhereMailsGo(t *testing.T) {
	t.Parallel()
	const eu = "https://api.eu.sendgrid.com"
	for _, row := range []struct {
		url, live string
		base      string
		real      bool
		refused   string // how the refusal begins
	}{
		{"http://inbox:8025", "", "http://inbox:8025", false, ""},
		{"http://127.0.0.1:8025/", "no", "http://127.0.0.1:8025", false, ""},
		{"https://mail.stand-in.example", "", "https://mail.stand-in.example", false, ""},
		{"", "yes", "https://api.sendgrid.com", true, ""},
		{"https://api.sendgrid.com", "yes", "https://api.sendgrid.com", true, ""},
		{eu, "yes", eu, true, ""},
		{"https://API.eu.sendgrid.com/", "yes", eu, true, ""},
		{"", "", "", false, "SENDGRID_BASE_URL: found nothing, expected the address of an inbox; to send to clients through SendGrid set KAP_SEND_FOR_REAL=yes"},
		{eu, "", "", false, "SENDGRID_BASE_URL: found SendGrid's own https://api.eu.sendgrid.com, expected"},
		{"https://API.SendGrid.com.", "", "", false, "SENDGRID_BASE_URL: found SendGrid's own"},
		{"http://api.sendgrid.com:80", "", "", false, "SENDGRID_BASE_URL: found SendGrid's own"},
		{"http://api.sendgrid.com", "yes", "", false, "SENDGRID_BASE_URL: found http://api.sendgrid.com, expected https://api.sendgrid.com or"},
		{"https://sendgrid.com", "yes", "", false, "SENDGRID_BASE_URL: found https://sendgrid.com, expected https://api.sendgrid.com or"},
		{"https://api.sendgrid.com/v3", "yes", "", false, "SENDGRID_BASE_URL: found https://api.sendgrid.com/v3, expected https://api.sendgrid.com or"},
		{"http://inbox:8025", "yes", "", false, "KAP_SEND_FOR_REAL: found yes, and SENDGRID_BASE_URL is http://inbox:8025, which is not SendGrid's"},
	} {
		w, err := settings.Load[settings.Worker]([]string{"SENDGRID_API_KEY=SG.secret", "SENDGRID_BASE_URL=" + row.url, "KAP_SEND_FOR_REAL=" + row.live})
		if err != nil {
			t.Fatal(err)
		}
		base, real, err := w.Where()
		if base != row.base || real != row.real || (err == nil) != (row.refused == "") || err != nil && !strings.HasPrefix(err.Error(), row.refused) {
			t.Errorf("%q, %q: found %q, %v, %v", row.url, row.live, base, real, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the refusal shows the key: %v", err)
		}
	}
	if _, _, err := (settings.Mail{Live: true}).Where(); err == nil || !strings.HasPrefix(err.Error(), "SENDGRID_API_KEY: found nothing") {
		t.Errorf("found %v", err)
	}
}
