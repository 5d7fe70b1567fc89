package mail_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kap/mail"
)

const (
	client  = "zenobia@client.example"
	key     = "SG.trial-key"
	enough  = 10 * time.Second // for a send that should be answered
	tooLong = 150 * time.Millisecond
)

var letter = mail.Letter{Subject: "Your appointment on Thursday, March 12", Text: "plain & simple", HTML: "<p>plain &amp; simple</p>"}

// serve starts a real server. Its handler may hang until the client has given up.
func serve(t testing.TB, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s
}

func send(t testing.TB, ctx context.Context, s *mail.Sender) error {
	t.Helper()
	return s.Send(ctx, samplePractice(t), "m-7Q2K", "Zenobia", client, letter)
}

func answering(status int, header map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		// A server may say whom it refused; our error must not.
		fmt.Fprintf(w, `{"errors":[{"message":"%s does not exist"}]}`, client)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	date := now.UTC().Format(http.TimeFormat) // said by the server, so that these tests depend on no clock
	unix := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	for name, tc := range map[string]struct {
		status                   int
		header                   map[string]string
		temporary, misconfigured bool
		atLeast, atMost          time.Duration // of RetryAfter
	}{
		"bad request":                        {status: 400},
		"no key":                             {status: 401, misconfigured: true},
		"no permission":                      {status: 403, misconfigured: true},
		"too large":                          {status: 413},
		"elsewhere":                          {status: 307, header: map[string]string{"Location": "/elsewhere"}},
		"server error":                       {status: 500, temporary: true},
		"unavailable, with a time":           {status: 503, header: map[string]string{"Retry-After": "7"}, temporary: true, atLeast: 7 * time.Second, atMost: 7 * time.Second},
		"too many, with a reset":             {status: 429, header: map[string]string{"Date": date, "X-RateLimit-Reset": unix(30 * time.Second)}, temporary: true, atLeast: 30 * time.Second, atMost: 30 * time.Second},
		"too many, with seconds":             {status: 429, header: map[string]string{"Retry-After": "12"}, temporary: true, atLeast: 12 * time.Second, atMost: 12 * time.Second},
		"too many, with a date":              {status: 429, header: map[string]string{"Date": date, "Retry-After": now.Add(time.Minute).UTC().Format(http.TimeFormat)}, temporary: true, atLeast: time.Minute, atMost: time.Minute},
		"too many, reset a moment ago":       {status: 429, header: map[string]string{"X-RateLimit-Reset": unix(-time.Minute)}, temporary: true, atLeast: time.Second, atMost: time.Second},
		"too many, reset years ahead":        {status: 429, header: map[string]string{"X-RateLimit-Reset": "99999999999"}, temporary: true, atLeast: time.Hour, atMost: time.Hour},
		"too many, a huge number of seconds": {status: 429, header: map[string]string{"Retry-After": "2147483647"}, temporary: true, atLeast: time.Hour, atMost: time.Hour},
		"too many, nonsense":                 {status: 429, header: map[string]string{"X-RateLimit-Reset": "soon", "Retry-After": "later"}, temporary: true},
		"too many, nothing said":             {status: 429, temporary: true},
		"too many, its clock an hour ahead": {status: 429, header: map[string]string{"Date": now.Add(time.Hour).UTC().Format(http.TimeFormat), "X-RateLimit-Reset": unix(time.Hour + 20*time.Second)},
			temporary: true, atLeast: 20 * time.Second, atMost: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, answering(tc.status, tc.header))
			err := send(t, t.Context(), mail.NewSender(s.URL, key, enough))
			refused, ok := err.(*mail.Refused)
			if !ok {
				t.Fatalf("got %#v, want *Refused", err)
			}
			if refused.Status != tc.status || refused.Temporary() != tc.temporary || refused.Misconfigured() != tc.misconfigured {
				t.Errorf("got status %d, temporary %v, misconfigured %v", refused.Status, refused.Temporary(), refused.Misconfigured())
			}
			if refused.RetryAfter < tc.atLeast || refused.RetryAfter > tc.atMost {
				t.Errorf("retry after %v, want %v to %v", refused.RetryAfter, tc.atLeast, tc.atMost)
			}
			saysNobody(t, err)
		})
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	s := serve(t, answering(http.StatusAccepted, nil))
	for _, base := range []string{s.URL, s.URL + "/"} {
		if err := send(t, t.Context(), mail.NewSender(base, key, 0)); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// The status has come, so the letter is taken, whatever becomes of the answer's body.
func TestAcceptedThoughTheAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "{")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if err := send(t, t.Context(), mail.NewSender(s.URL, key, enough)); err != nil {
		t.Error(err)
	}
}

func TestMayHaveBeenSent(t *testing.T) {
	t.Parallel()
	hang := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	drop := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	babble := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(c, "no such person: %s\r\n\r\n", client)
		c.Close()
	}
	for name, tc := range map[string]struct {
		handle  http.HandlerFunc
		timeout time.Duration
		cancel  time.Duration // after which the caller gives up; 0: never
	}{
		"the server hangs":                   {handle: hang, timeout: tooLong},
		"the caller gives up meanwhile":      {handle: hang, timeout: enough, cancel: tooLong},
		"the server accepts, then drops":     {handle: drop, timeout: enough},
		"the server answers something else":  {handle: babble, timeout: enough},
		"the server stops within its answer": {handle: stopWithinHeader, timeout: enough},
		"a gateway found nobody behind it":   {handle: answering(http.StatusBadGateway, nil), timeout: enough},
		"a gateway was kept waiting":         {handle: answering(http.StatusGatewayTimeout, map[string]string{"Retry-After": "7"}), timeout: enough},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if tc.cancel > 0 {
				var cancel func()
				ctx, cancel = context.WithTimeout(ctx, tc.cancel)
				defer cancel()
			}
			s := serve(t, tc.handle)
			err := send(t, ctx, mail.NewSender(s.URL, key, tc.timeout))
			if _, ok := err.(*mail.Unknown); !ok {
				t.Fatalf("got %#v, want *Unknown", err)
			}
			saysNobody(t, err)
		})
	}
}

func stopWithinHeader(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	io.WriteString(c, "HTTP/1.1 202 Acc")
	c.Close()
}

func TestNeverReached(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	listening := serve(t, answering(http.StatusAccepted, nil))
	for name, tc := range map[string]struct {
		ctx  context.Context
		base string
	}{
		"nobody listens":               {context.Background(), "http://" + freeAddress(t)},
		"no such name":                 {context.Background(), "http://nowhere.invalid"},
		"not a web address":            {context.Background(), "mailto:someone"},
		"given up before it began":     {cancelled, listening.URL},
		"the server does not do TLS":   {context.Background(), strings.Replace(listening.URL, "http:", "https:", 1)},
		"silence before TLS is agreed": {context.Background(), "https://" + silentAddress(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := send(t, tc.ctx, mail.NewSender(tc.base, key, 2*time.Second))
			if _, ok := err.(*mail.NotSent); !ok {
				t.Fatalf("got %#v, want *NotSent", err)
			}
			saysNobody(t, err)
		})
	}
}

// A connection kept from the last send may be dead by the next. What then happened to the letter must still be said truly.
func TestAKeptConnectionThatHasDied(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(answering(http.StatusAccepted, nil))
	sender := mail.NewSender(s.URL, key, enough)
	if err := send(t, t.Context(), sender); err != nil {
		t.Fatal(err)
	}
	s.Close()
	time.Sleep(50 * time.Millisecond) // until the client has seen the end of its connection
	err := send(t, t.Context(), sender)
	if _, ok := err.(*mail.NotSent); !ok {
		t.Errorf("got %#v, want *NotSent: nobody listens any more", err)
	}
}

// SendGrid speaks HTTP/2, where many sends share one connection and net/http tries again by other rules.
func TestTheSameOverHTTP2(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		handle http.HandlerFunc
		right  func(error) bool
	}{
		"accepted": {answering(http.StatusAccepted, nil), func(err error) bool { return err == nil }},
		"refused":  {answering(http.StatusBadRequest, nil), func(err error) bool { _, ok := err.(*mail.Refused); return ok }},
		"dropped": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			func(err error) bool { _, ok := err.(*mail.Unknown); return ok }},
		"hanging": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(err error) bool { _, ok := err.(*mail.Unknown); return ok }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var proto, calls atomic.Int32
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				proto.Store(int32(r.ProtoMajor))
				calls.Add(1)
				tc.handle(w, r)
			}))
			s.EnableHTTP2 = true
			s.StartTLS()
			t.Cleanup(s.Close)
			sender := mail.NewSender(s.URL, key, time.Second)
			sender.Trust(s.Certificate())
			if err := send(t, t.Context(), sender); !tc.right(err) {
				t.Errorf("got %#v", err)
			}
			if proto.Load() != 2 || calls.Load() != 1 {
				t.Errorf("HTTP/%d, called %d times", proto.Load(), calls.Load())
			}
			s.CloseClientConnections()
			s.Close()
			time.Sleep(50 * time.Millisecond) // until the client has seen the end of its connection
			err := send(t, t.Context(), sender)
			if _, ok := err.(*mail.NotSent); !ok {
				t.Errorf("nobody listens any more: got %#v, want *NotSent", err)
			}
		})
	}
}

// A server whose certificate is not trusted never sees the letter.
func TestAnUntrustedServerIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(answering(http.StatusAccepted, nil))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	err := send(t, t.Context(), mail.NewSender(s.URL, key, enough))
	if _, ok := err.(*mail.NotSent); !ok {
		t.Errorf("got %#v, want *NotSent", err)
	}
}

// freeAddress is one that nobody listens on.
func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silentAddress takes connections and says nothing.
func silentAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func saysNobody(t testing.TB, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := fmt.Sprintf("%v %+v %#v", e, e, e)
		for _, secret := range []string{client, "Zenobia", "client.example", key, letter.Subject, "does not exist", "no such person"} {
			if strings.Contains(text, secret) {
				t.Errorf("the error contains %q: %s", secret, text)
			}
		}
	}
}

// What SendGrid documents for POST /v3/mail/send, to the last field.
func TestTheCall(t *testing.T) {
	t.Parallel()
	type call struct {
		method, path, auth, contentType string
		body                            []byte
	}
	got := make(chan call, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- call{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body}
		w.WriteHeader(http.StatusAccepted)
	})
	if err := send(t, t.Context(), mail.NewSender(s.URL, key, enough)); err != nil {
		t.Fatal(err)
	}
	c := <-got
	if c.method != "POST" || c.path != "/v3/mail/send" || c.auth != "Bearer "+key || c.contentType != "application/json" {
		t.Errorf("got %s %s, %s, %s", c.method, c.path, c.auth, c.contentType)
	}
	const want = `{
		"personalizations": [{"to": [{"name": "Zenobia", "email": "zenobia@client.example"}]}],
		"from": {"name": "Linden Street Practice", "email": "appointments@linden.example"},
		"reply_to": {"name": "Linden Street Practice", "email": "desk@linden.example"},
		"subject": "Your appointment on Thursday, March 12",
		"content": [
			{"type": "text/plain", "value": "plain & simple"},
			{"type": "text/html", "value": "<p>plain &amp; simple</p>"}
		],
		"custom_args": {"mail": "m-7Q2K"},
		"headers": {"X-Entity-Ref-ID": "m-7Q2K", "Auto-Submitted": "auto-generated"},
		"tracking_settings": {
			"click_tracking": {"enable": false, "enable_text": false},
			"open_tracking": {"enable": false},
			"subscription_tracking": {"enable": false},
			"ganalytics": {"enable": false}
		}
	}`
	var sent, wanted any
	if err := json.Unmarshal(c.body, &sent); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(sent, wanted) {
		t.Errorf("got\n%s\nwant\n%s", c.body, want)
	}
}

// The invitation is another form of the letter, and a file. A type with any parameter but the method would be refused
// (sendgrid-java #552, sendgrid-nodejs #1313): no appointment's mail would go out.
// shows: invitation
func TestTheCallWithAnInvitation(t *testing.T) {
	t.Parallel()
	type part struct{ Type, Value string }
	var sent struct {
		Content     []part
		Attachments []struct{ Content, Type, Filename, Disposition string }
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	l := letter
	l.Invitation = mail.Invitation{Method: "CANCEL", Text: "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"}
	if err := mail.NewSender(s.URL, key, enough).Send(t.Context(), samplePractice(t), "m-7Q2K", "Zenobia", client, l); err != nil {
		t.Fatal(err)
	}
	want := []part{{"text/plain", l.Text}, {"text/html", l.HTML}, {"text/calendar; method=CANCEL", l.Invitation.Text}}
	if !reflect.DeepEqual(sent.Content, want) {
		t.Errorf("the contents are %+v", sent.Content)
	}
	if len(sent.Attachments) != 1 {
		t.Fatalf("the files are %+v", sent.Attachments)
	}
	file := sent.Attachments[0]
	text, err := base64.StdEncoding.DecodeString(file.Content)
	if err != nil || string(text) != l.Invitation.Text || file.Type != "application/ics" || file.Filename != "appointment.ics" || file.Disposition != "attachment" {
		t.Errorf("the file is %+v: %v", file, err)
	}
}

// sendgrid-go's own client, shared, loses and doubles mails under this load (field notes, "SendGrid").
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const goroutines, each = 16, 200
	var mu sync.Mutex
	taken := map[string]int{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Personalizations []struct{ To []struct{ Email string } }
			CustomArgs       map[string]string `json:"custom_args"`
			Content          []struct{ Value string }
		}
		if err := json.NewDecoder(bufio.NewReader(r.Body)).Decode(&m); err != nil {
			t.Error(err)
		}
		id := m.CustomArgs["mail"]
		if m.Personalizations[0].To[0].Email != id+"@client.example" || m.Content[0].Value != "for "+id {
			t.Errorf("%s went to %s with %q", id, m.Personalizations[0].To[0].Email, m.Content[0].Value)
		}
		mu.Lock()
		taken[id]++
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	p := samplePractice(t)
	sender := mail.NewSender(s.URL, key, 30*time.Second)
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("m-%d-%d", g, i)
				if err := sender.Send(t.Context(), p, id, "", id+"@client.example", mail.Letter{Subject: "s", Text: "for " + id, HTML: "<p>"}); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	all.Wait()
	if len(taken) != goroutines*each {
		t.Errorf("%d different letters arrived of %d", len(taken), goroutines*each)
	}
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
}
