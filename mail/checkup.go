package mail

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	sgmail "github.com/sendgrid/sendgrid-go/helpers/mail"

	"kap/practice"
)

// Verdict is how well one thing is.
type Verdict string

// The verdicts. What was not found out may be well; it is not known.
const (
	Well     Verdict = "ok"
	ToMend   Verdict = "mend"
	NotKnown Verdict = "not known"
)

// Finding is one thing that a checkup looked at.
type Finding struct {
	Part    string  `json:"part"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`
	Mend    string  `json:"mend,omitempty"` // what to do about it, where there is something to do
}

// Checkup looks at what has to be right at SendGrid, and here, before mails go to people. It changes nothing and sends nothing.
type Checkup struct {
	BaseURL    string // SendGrid's, or what answers in its place
	OtherURL   string // SendGrid's in the other region; empty: there is none to ask
	APIKey     string
	WebhookKey string // as SendGrid shows it: base64 of a public key
	Practice   practice.Practice
}

// ErrStandIn says that an inbox answers in SendGrid's place: there is nothing to look at.
var ErrStandIn = errors.New("an inbox stands in for SendGrid")

// Run asks all that can be asked. It returns [ErrStandIn] where nobody answers as SendGrid does, and an error of its own, without
// a finding, where nobody answers at all. Neither an error nor a finding shows the key or quotes the server.
func (c Checkup) Run(ctx context.Context) ([]Finding, error) {
	var scopes struct {
		Scopes []string `json:"scopes"`
	}
	status, err := c.get(ctx, c.BaseURL, "/v3/scopes", &scopes)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound && c.OtherURL == "":
		return nil, ErrStandIn
	}
	key := c.key(ctx, status, scopes.Scopes)
	if status == http.StatusUnauthorized { // whatever else is asked, the answer would be the same
		return []Finding{key, c.webhookKey()}, nil
	}
	all := []Finding{key, c.sender(ctx)}
	if own := c.webhookKey(); own.Verdict != Well {
		all = append(all, own)
	}
	return append(all, c.webhook(ctx), c.tracking(ctx), c.sandbox(ctx)), nil
}

func (c Checkup) key(ctx context.Context, status int, scopes []string) Finding {
	f := Finding{Part: "key", Verdict: ToMend}
	switch {
	case status == http.StatusUnauthorized:
		f.Found = "SENDGRID_API_KEY is not accepted at " + c.BaseURL
		f.Mend = "make a new key in SendGrid under Settings, API Keys, with Restricted Access and Mail Send, and set it"
		if c.OtherURL != "" {
			if other, err := c.get(ctx, c.OtherURL, "/v3/scopes", nil); err == nil && other == http.StatusOK {
				f.Part, f.Found, f.Mend = "region", "the key belongs to SendGrid's other region", "set SENDGRID_BASE_URL="+c.OtherURL
			}
		}
	case status == http.StatusForbidden:
		f.Found = "SENDGRID_API_KEY may not be used from here"
		f.Mend = "see in SendGrid under Settings, IP Access Management, that this machine's address is allowed, and under API Keys what the key may do"
	case status != http.StatusOK:
		f.Verdict, f.Found = NotKnown, fmt.Sprintf("SendGrid answers with status %d", status)
		f.Mend = "try again later; status.sendgrid.com says how SendGrid is"
	case !slices.Contains(scopes, "mail.send"):
		f.Found = "SENDGRID_API_KEY may not send mails"
		f.Mend = "give it Mail Send in SendGrid under Settings, API Keys"
	case slices.Contains(scopes, "api_keys.create"):
		f.Verdict, f.Found = Well, "it may send mails, and do everything else"
		f.Mend = "better a key with Restricted Access: Mail Send, and read access to what is checked here"
	default:
		f.Verdict, f.Found = Well, "it may send mails"
	}
	return f
}

// sender looks whether SendGrid lets us write in the practice's name: by its domain, or by the one address.
func (c Checkup) sender(ctx context.Context) Finding {
	from := c.Practice.Mail.From
	_, domain, _ := strings.Cut(from, "@")
	f := Finding{Part: "sender", Verdict: ToMend, Mend: "authenticate " + domain + " in SendGrid under Settings, Sender Authentication, and enter the records that it shows at whoever hosts the domain"}
	var domains []struct {
		Domain string `json:"domain"`
		Valid  bool   `json:"valid"`
	}
	ofDomains, err := c.get(ctx, c.BaseURL, "/v3/whitelabel/domains?limit=50&domain="+url.QueryEscape(domain), &domains)
	if err != nil {
		ofDomains = 0
	}
	invalid := false
	for _, d := range domains {
		if strings.EqualFold(d.Domain, domain) {
			if d.Valid {
				return Finding{Part: "sender", Verdict: Well, Found: "the domain " + domain + " is authenticated"}
			}
			invalid = true
		}
	}
	var senders struct {
		Results []struct {
			FromEmail string `json:"from_email"`
			Verified  bool   `json:"verified"`
		} `json:"results"`
	}
	ofSenders, err := c.get(ctx, c.BaseURL, "/v3/verified_senders", &senders)
	if err != nil {
		ofSenders = 0
	}
	for _, s := range senders.Results {
		if strings.EqualFold(s.FromEmail, from) && s.Verified {
			return Finding{Part: "sender", Verdict: Well, Found: from + " is verified, but its domain is not authenticated: many mailboxes take such mail for spam", Mend: f.Mend}
		}
	}
	switch {
	case invalid:
		f.Found = "the domain " + domain + " is entered, and its records in the DNS are not valid"
	case ofDomains != http.StatusOK || ofSenders != http.StatusOK:
		f.Verdict, f.Found = NotKnown, "the key may not read who may send"
		f.Mend = "look in SendGrid under Settings, Sender Authentication, that " + domain + " is verified; or give the key read access to it"
	default:
		f.Found = "SendGrid knows neither the domain " + domain + " nor the address " + from
	}
	return f
}

// webhookKey looks at our own side of the delivery events.
func (c Checkup) webhookKey() Finding {
	f := Finding{Part: "webhook key", Verdict: ToMend, Mend: "copy it from SendGrid: Settings, Mail Settings, Event Webhook, Signature Verification"}
	der, err := base64.StdEncoding.DecodeString(c.WebhookKey)
	if c.WebhookKey == "" {
		f.Found = "SENDGRID_WEBHOOK_PUBLIC_KEY is not set: no delivery event can be believed"
		return f
	}
	var key any
	if err == nil {
		key, err = x509.ParsePKIXPublicKey(der)
	}
	if ec, ok := key.(*ecdsa.PublicKey); err != nil || !ok || ec.Curve != elliptic.P256() {
		f.Found = "SENDGRID_WEBHOOK_PUBLIC_KEY is no ECDSA key on the curve P-256 in base64"
		return f
	}
	return Finding{Part: "webhook key", Verdict: Well, Found: "it is a key as SendGrid signs with"}
}

// webhook is one of SendGrid's, as its API shows it.
type webhook struct {
	Enabled     bool   `json:"enabled"`
	URL         string `json:"url"`
	Delivered   bool   `json:"delivered"`
	Bounce      bool   `json:"bounce"`
	Dropped     bool   `json:"dropped"`
	SpamReport  bool   `json:"spam_report"`
	Unsubscribe bool   `json:"unsubscribe"`
	Processed   bool   `json:"processed"`
	PublicKey   string `json:"public_key"` // empty: it does not sign
}

// lacks names the events that kap needs and this one does not tell of.
func (w webhook) lacks() []string {
	var all []string
	for _, e := range []struct {
		on   bool
		name string
	}{{w.Processed, "processed"}, {w.Delivered, "delivered"}, {w.Bounce, "bounce"}, {w.Dropped, "dropped"}, {w.SpamReport, "spam report"}, {w.Unsubscribe, "unsubscribe"}} {
		if !e.on {
			all = append(all, e.name)
		}
	}
	return all
}

func (c Checkup) webhook(ctx context.Context) Finding {
	const where = "in SendGrid under Settings, Mail Settings, Event Webhook"
	f := Finding{Part: "webhook", Verdict: ToMend}
	all, known := c.webhooks(ctx)
	if !known {
		f.Verdict, f.Found, f.Mend = NotKnown, "the key may not read the event webhooks", "look "+where+" that one is enabled and signed; or give the key read access to it"
		return f
	}
	all = slices.DeleteFunc(all, func(w webhook) bool { return !w.Enabled })
	if len(all) == 0 {
		f.Found, f.Mend = "no event webhook is enabled: nobody hears of bounces", "add one "+where+", with the address of kap's web process"
		return f
	}
	ours := all[0]
	if i := slices.IndexFunc(all, func(w webhook) bool { return w.PublicKey != "" && w.PublicKey == c.WebhookKey }); i >= 0 {
		ours = all[i]
	}
	switch lacks := ours.lacks(); {
	case ours.PublicKey == "":
		f.Found, f.Mend = "the event webhook does not sign what it sends", "enable its signature verification "+where+", and set SENDGRID_WEBHOOK_PUBLIC_KEY to the key that is shown there"
	case ours.PublicKey != c.WebhookKey:
		f.Found, f.Mend = "SENDGRID_WEBHOOK_PUBLIC_KEY is not the key with which the event webhook signs", "copy the key from "+strings.TrimPrefix(where, "in ")
	case !strings.HasPrefix(ours.URL, "https://"):
		f.Found, f.Mend = "the event webhook's address does not begin with https://", "correct it "+where
	case len(lacks) > 0:
		f.Found, f.Mend = "the event webhook does not tell of: "+strings.Join(lacks, ", "), "choose these events "+where
	default:
		f.Verdict, f.Found = Well, "it is enabled, signed with our key, and tells of what kap needs"
	}
	return f
}

// webhooks asks for all of them, and where SendGrid does not know of several, for the one.
func (c Checkup) webhooks(ctx context.Context) (all []webhook, known bool) {
	var several struct {
		Webhooks []webhook `json:"webhooks"`
	}
	status, err := c.get(ctx, c.BaseURL, "/v3/user/webhooks/event/settings/all", &several)
	if err == nil && status == http.StatusOK {
		return several.Webhooks, true
	}
	if err != nil || status != http.StatusNotFound {
		return nil, false
	}
	var one webhook
	if status, err := c.get(ctx, c.BaseURL, "/v3/user/webhooks/event/settings", &one); err != nil || status != http.StatusOK {
		return nil, false
	}
	var signed struct {
		PublicKey string `json:"public_key"`
	}
	if status, err := c.get(ctx, c.BaseURL, "/v3/user/webhooks/event/settings/signed", &signed); err != nil || status != http.StatusOK {
		return nil, false
	}
	one.PublicKey = signed.PublicKey
	return []webhook{one}, true
}

// tracking: kap turns it off in each mail, so that what the account has on does no harm; it is said, because other mail is concerned.
func (c Checkup) tracking(ctx context.Context) Finding {
	var settings struct {
		Result []struct {
			Name    string `json:"name"`
			Enabled bool   `json:"enabled"`
		} `json:"result"`
	}
	f := Finding{Part: "tracking", Verdict: Well, Found: "kap turns it off in every mail"}
	status, err := c.get(ctx, c.BaseURL, "/v3/tracking_settings", &settings)
	if err != nil || status != http.StatusOK {
		return f
	}
	var on []string
	for _, s := range settings.Result {
		if s.Enabled && slices.Contains([]string{"open", "click", "subscription", "google_analytics"}, s.Name) {
			on = append(on, s.Name)
		}
	}
	if len(on) == 0 {
		f.Found += ", and the account has it off"
		return f
	}
	f.Found += "; the account has it on for others: " + strings.Join(on, ", ")
	f.Mend = "turn it off in SendGrid under Settings, Tracking: links and pictures that it adds tell who reads what"
	return f
}

// aDay is when the sandbox's letter is from. Nobody reads it.
var aDay = time.Date(2026, 3, 3, 15, 0, 0, 0, time.UTC)

// sandbox hands over a mail as it would go out, which SendGrid looks at and does not send. It is one that books: no other has more
// parts, and were its invitation refused, no appointment's mail would go out.
func (c Checkup) sandbox(ctx context.Context) Finding {
	f := Finding{Part: "sandbox send", Verdict: ToMend}
	l, err := c.booked()
	if err != nil {
		f.Found, f.Mend = "no mail can be written: "+strings.TrimPrefix(err.Error(), "mail: "), "correct mail in the practice's file"
		return f
	}
	m := message(c.Practice, "00000000-0000-0000-0000-000000000000", "", c.Practice.Mail.From, l)
	m.SetMailSettings(sgmail.NewMailSettings().SetSandboxMode(sgmail.NewSetting(true)))
	var refused struct {
		Errors []struct {
			Field *string `json:"field"`
		} `json:"errors"`
	}
	status, err := c.ask(ctx, http.MethodPost, c.BaseURL, endpoint, sgmail.GetRequestBody(m), &refused)
	switch {
	case err != nil:
		f.Verdict, f.Found, f.Mend = NotKnown, "no answer", "try again"
	case status == http.StatusOK:
		f.Verdict, f.Found = Well, "SendGrid would take a mail of kap's, with its invitation"
	case status == http.StatusAccepted:
		f.Found, f.Mend = "it was taken as a mail to be sent: whoever answers there is not SendGrid", "correct SENDGRID_BASE_URL"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Found, f.Mend = fmt.Sprintf("SendGrid refuses it with status %d", status), "mend the key and the sender first"
	case status == http.StatusTooManyRequests || status >= 500:
		f.Verdict, f.Found, f.Mend = NotKnown, fmt.Sprintf("SendGrid answers with status %d", status), "try again later"
	default:
		f.Found, f.Mend = fmt.Sprintf("SendGrid refuses it with status %d", status), "correct mail in the practice's file"
		for _, e := range refused.Errors {
			if e.Field == nil || !plainField(*e.Field) {
				continue
			}
			f.Found += ", because of " + *e.Field
			if strings.HasPrefix(*e.Field, "content") || strings.HasPrefix(*e.Field, "attachments") { // no setting changes these
				f.Mend = "send no mail to people: those of appointments would be refused, and kap itself has to be changed"
			}
		}
	}
	return f
}

// booked is the sample that books.
func (c Checkup) booked() (Letter, error) {
	samples, err := Samples(c.Practice, aDay, "")
	if err != nil {
		return Letter{}, err
	}
	i := slices.IndexFunc(samples, func(s Sample) bool { return s.Facts.Kind == Booked })
	f := samples[i].Facts
	f.Links = Links{} // they lead nowhere, and whoever is not SendGrid would send it
	return Write(c.Practice, f)
}

// plainField says whether a name is one of SendGrid's fields: nothing else of its answers is shown.
func plainField(name string) bool {
	return name != "" && len(name) < 60 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_.0123456789") == ""
}

func (c Checkup) get(ctx context.Context, base, path string, into any) (status int, err error) {
	return c.ask(ctx, http.MethodGet, base, path, nil, into)
}

// mostAnswered bounds what is read of an answer.
const mostAnswered = 1 << 20

// ask reads the answer into a value: to a question where it is one, to a mail what was wrong about it. Its error is one of the phrases of a [*NotSent].
func (c Checkup) ask(ctx context.Context, method, base, path string, body []byte, into any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(base, "/")+path, bytes.NewReader(body))
	if err != nil {
		return 0, &NotSent{Reason: "the address is none"}
	}
	request.Header.Set("Authorization", "Bearer "+c.APIKey)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return 0, &NotSent{Reason: reason(err)}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswered))
	if err != nil {
		return 0, &NotSent{Reason: reason(err)}
	}
	if into != nil && (answer.StatusCode == http.StatusOK || method == http.MethodPost) {
		_ = json.Unmarshal(text, into) // what cannot be read has told nothing
	}
	return answer.StatusCode, nil
}
