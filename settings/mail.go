package settings

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Mail is where mails go: to an inbox that stands in for SendGrid, or to people.
type Mail struct {
	MailKey string `env:"SENDGRID_API_KEY" about:"the key of the mail service"`
	MailURL URL    `env:"SENDGRID_BASE_URL" about:"an inbox that stands in for SendGrid; or https://api.eu.sendgrid.com, where the account is in the EU"`
	Live    Yes    `env:"KAP_SEND_FOR_REAL" about:"yes: mails go to people through SendGrid; without it nothing is sent there"`
}

// sendGrid are the addresses of SendGrid's API: all regions', and the EU's.
var sendGrid = []string{"https://api.sendgrid.com", "https://api.eu.sendgrid.com"}

// Where is the address to which mails go, and whether they reach people from there. Its error names the variable that is missing, or
// that contradicts another: nothing is sent to people by a slip of the pen, and nothing to an inbox by one that was meant for people.
func (m Mail) Where() (base string, live bool, err error) {
	base = strings.TrimRight(string(m.MailURL), "/")
	switch real := base == "" || isSendGrid(base); {
	case m.MailKey == "":
		return "", false, fmt.Errorf("SENDGRID_API_KEY: found nothing, expected the key of the mail service")
	case base == "" && !bool(m.Live):
		return "", false, fmt.Errorf("SENDGRID_BASE_URL: found nothing, expected the address of an inbox; to send to clients through SendGrid set KAP_SEND_FOR_REAL=yes")
	case real && !bool(m.Live):
		return "", false, fmt.Errorf("SENDGRID_BASE_URL: found SendGrid's own %s, expected the address of an inbox; to send to clients through SendGrid set KAP_SEND_FOR_REAL=yes", base)
	case !real && bool(m.Live):
		return "", false, fmt.Errorf("KAP_SEND_FOR_REAL: found yes, and SENDGRID_BASE_URL is %s, which is not SendGrid's; expected one of the two alone", base)
	case base == "":
		return sendGrid[0], true, nil
	case real && !slices.Contains(sendGrid, strings.ToLower(base)): // another path, another host of theirs, or without TLS
		return "", false, fmt.Errorf("SENDGRID_BASE_URL: found %s, expected %s", base, strings.Join(sendGrid, " or "))
	case real:
		return strings.ToLower(base), true, nil
	}
	return base, false, nil
}

// isSendGrid says whether an address is SendGrid's, however it is written.
func isSendGrid(base string) bool {
	at, err := url.Parse(base)
	if err != nil {
		return false
	}
	host := strings.TrimSuffix(strings.ToLower(at.Hostname()), ".")
	return slices.ContainsFunc([]string{"sendgrid.com", "sendgrid.net", "twilio.com"}, func(domain string) bool {
		return host == domain || strings.HasSuffix(host, "."+domain)
	})
}

// OtherRegion is the address of SendGrid's API in the other region than one of its addresses.
func OtherRegion(base string) string {
	for _, other := range sendGrid {
		if other != base && slices.Contains(sendGrid, base) {
			return other
		}
	}
	return ""
}
