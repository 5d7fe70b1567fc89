package mail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	sgmail "github.com/sendgrid/sendgrid-go/helpers/mail"

	"kap/practice"
)

const (
	endpoint       = "/v3/mail/send"
	defaultTimeout = 30 * time.Second

	// longestWait bounds what an answer may ask us to wait: a wrong header must not silence the practice for days.
	longestWait = time.Hour
)

// Sender sends letters through SendGrid's v3 API, or through whatever takes the same call at BaseURL. [NewSender] makes
// one; many goroutines may use it.
type Sender struct {
	BaseURL string // scheme and host, such as http://127.0.0.1:8026; empty: SendGrid's own
	APIKey  string // goes out as the bearer token

	// http is shared for its connections alone. sendgrid-go's own has no time limit.
	http *http.Client
}

// NewSender makes a Sender. An empty baseURL means SendGrid's own. timeout bounds one send, from the dial to the end of
// the answer; 0 or less means 30 seconds. Whoever holds a lease on a mail holds it for longer than that.
func NewSender(baseURL, apiKey string, timeout time.Duration) *Sender {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32 // the default of 2 would dial anew for most of a burst of reminders
	return &Sender{
		BaseURL: strings.TrimRight(baseURL, "/"),
		APIKey:  apiKey,
		http: &http.Client{
			Transport: transport,
			Timeout:   timeout,
			// A redirect is an answer like any other: following it would carry the letter and the key to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Send sends one letter, once. id is the outbox's opaque id: it comes back with SendGrid's delivery events, and SendGrid
// does not treat it as personal, so it says nothing about anyone. toName is a first name, or empty.
//
// nil means accepted, which is not yet delivered. Otherwise the error is one of
//
//   - [*Refused]: the server answered, and said no. Nothing was sent.
//   - [*NotSent]: the server was never reached. Nothing was sent.
//   - [*Unknown]: the letter may or may not have been sent. SendGrid has no idempotency key, so sending again may send
//     twice.
//
// None of them contains a recipient, a key, or a word of what the server said.
func (s *Sender) Send(ctx context.Context, p practice.Practice, id string, toName, toAddress string, l Letter) error {
	// One request per send: sendgrid-go's Client keeps the body in itself, so that a shared one loses and doubles mails.
	request := sendgrid.GetRequest(s.APIKey, endpoint, s.BaseURL)
	request.Method = rest.Post
	request.Body = sgmail.GetRequestBody(message(p, id, toName, toAddress, l))

	// From the moment that there is a connection to write to, something may have been read. This errs towards Unknown: a
	// doubt costs a telephone call, a wrong certainty costs the client a second mail or none.
	var reached atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) },
	})

	answer, err := (&rest.Client{HTTPClient: s.http}).SendWithContext(ctx, request)
	switch {
	case answer != nil: // also when its body broke off (err is set then): the status is all that counts, and it came
		return judge(answer)
	case reached.Load():
		return &Unknown{Reason: reason(err)}
	default:
		return &NotSent{Reason: reason(err)}
	}
}

// message is the call that SendGrid documents for /v3/mail/send.
func message(p practice.Practice, id, toName, toAddress string, l Letter) *sgmail.SGMailV3 {
	// The order of the contents is SendGrid's rule: plain text first.
	m := sgmail.NewSingleEmail(sgmail.NewEmail(p.Mail.Name, p.Mail.From), l.Subject, sgmail.NewEmail(toName, toAddress), l.Text, l.HTML)
	attach(m, l.Invitation)
	m.SetReplyTo(sgmail.NewEmail(p.Mail.Name, p.Mail.ReplyTo))
	m.SetCustomArg("mail", id)
	// Two appointments on the same day are two letters: without this, some mailboxes fold them into one.
	m.SetHeader("X-Entity-Ref-ID", id)
	// Keeps the autoresponders of absent people from answering the desk (RFC 3834).
	m.SetHeader("Auto-Submitted", "auto-generated")
	// Tracking would put SendGrid's links and a remote image into the letter; subscription tracking, an unsubscribe line.
	m.SetTrackingSettings(sgmail.NewTrackingSettings().
		SetClickTracking(sgmail.NewClickTrackingSetting().SetEnable(false).SetEnableText(false)).
		SetOpenTracking(sgmail.NewOpenTrackingSetting().SetEnable(false)).
		SetSubscriptionTracking(sgmail.NewSubscriptionTrackingSetting().SetEnable(false)).
		SetGoogleAnalytics(sgmail.NewGaSetting().SetEnable(false)))
	return m
}

// attach adds an invitation twice: as another form of the letter, which is what mailboxes offer to put into a calendar, and as a
// file for those that do not look there. SendGrid takes no parameter of a type but the method, and adds the charset itself.
func attach(m *sgmail.SGMailV3, in Invitation) {
	if in.Text == "" {
		return
	}
	m.AddContent(sgmail.NewContent("text/calendar; method="+in.Method, in.Text))
	m.AddAttachment(sgmail.NewAttachment().
		SetContent(base64.StdEncoding.EncodeToString([]byte(in.Text))).
		SetType("application/ics").
		SetFilename(invitationFile).
		SetDisposition("attachment"))
}

func judge(answer *rest.Response) error {
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	// A gateway answers these for what it asked behind it, which may have taken the letter by then.
	if answer.StatusCode == http.StatusBadGateway || answer.StatusCode == http.StatusGatewayTimeout {
		return &Unknown{Reason: fmt.Sprintf("a gateway answered with status %d", answer.StatusCode)}
	}
	return &Refused{Status: answer.StatusCode, RetryAfter: retryAfter(http.Header(answer.Headers), time.Now())}
}

// retryAfter reads X-RateLimit-Reset (Unix seconds) or else Retry-After (seconds, or a date). Where the answer carries the
// server's own time, that is what a point in time is measured against: the two clocks need not agree.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		now = t
	}
	var wait time.Duration
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	after := h.Get("Retry-After")
	switch {
	case err == nil:
		wait = time.Unix(reset, 0).Sub(now)
	case after == "":
		return 0
	default:
		if seconds, err := strconv.ParseInt(after, 10, 32); err == nil {
			wait = time.Duration(seconds) * time.Second
		} else if t, err := http.ParseTime(after); err == nil {
			wait = t.Sub(now)
		} else {
			return 0
		}
	}
	return min(max(wait, time.Second), longestWait)
}

// Refused is an answer other than 2xx, and other than a gateway's 502 or 504: nothing was sent.
type Refused struct {
	Status     int           // HTTP's
	RetryAfter time.Duration // what the answer asked for, 1 second to 1 hour; 0 where it asked for nothing
}

func (e *Refused) Error() string {
	return fmt.Sprintf("mail: refused with status %d", e.Status)
}

// Temporary says whether the same letter may well be taken later.
func (e *Refused) Temporary() bool { return e.Status == http.StatusTooManyRequests || e.Status >= 500 }

// TooMany says whether it is too many letters that are asked for, and not this one.
func (e *Refused) TooMany() bool { return e.Status == http.StatusTooManyRequests }

// Misconfigured says whether no letter at all will be taken until a person mends the API key or its permissions.
func (e *Refused) Misconfigured() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// NotSent is a failure before any byte of the request was written: nothing was sent.
type NotSent struct {
	Reason string // one of a few fixed phrases
}

func (e *NotSent) Error() string { return "mail: not sent: " + e.Reason }

// Unknown is a failure after the server may have read the request, a gateway's answer among them: the letter may or may not
// have been sent.
type Unknown struct {
	Reason string // one of a few fixed phrases
}

func (e *Unknown) Error() string { return "mail: may or may not have been sent: " + e.Reason }

// reason picks a fixed phrase. The error itself is neither quoted nor wrapped: net/http quotes what a server says, a server
// may say the recipient, and whoever records an error records everything that it wraps.
func reason(err error) string {
	var (
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		timeout net.Error
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "the send was cancelled"
	case errors.As(err, &dns):
		return "the server's name was not found"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "time ran out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the server refused the connection"
	case errors.As(err, &cert), errors.As(err, &record):
		return "the server's certificate or TLS was not accepted"
	default:
		return "the connection failed"
	}
}
