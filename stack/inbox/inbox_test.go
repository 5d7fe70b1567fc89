package inbox_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kap/stack/inbox"
)

func open(t testing.TB, dir string) *httptest.Server {
	t.Helper()
	in, err := inbox.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(in.Handler())
	t.Cleanup(s.Close)
	return s
}

func call(to string) string {
	return fmt.Sprintf(`{
		"personalizations": [{"to": [{"email": %q, "name": "Ada"}]}],
		"from": {"email": "appointments@linden.example", "name": "Linden Street Practice"},
		"reply_to": {"email": "desk@linden.example"},
		"subject": "Your appointment <on> Thursday",
		"content": [{"type": "text/plain", "value": "Hello Ada"}, {"type": "text/html", "value": "<p id=x>Hello <b>Ada</b></p>"}],
		"custom_args": {"mail": "m-1"},
		"headers": {"X-Entity-Ref-ID": "m-1"},
		"tracking_settings": {"open_tracking": {"enable": false}}
	}`, to)
}

// post sends body as SendGrid's clients do, and reads the whole answer.
func post(t testing.TB, ctx context.Context, s *httptest.Server, body string, change ...func(*http.Request)) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v3/mail/send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer trial")
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer, string(text), err
}

func mustTake(t testing.TB, s *httptest.Server, to string) (id string) {
	t.Helper()
	answer, text, err := post(t, t.Context(), s, call(to))
	if err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatalf("got %v %v %s", answer, err, text)
	}
	return answer.Header.Get("X-Message-Id")
}

func get(t testing.TB, s *httptest.Server, path string) (*http.Response, string) {
	t.Helper()
	answer, err := s.Client().Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func messages(t testing.TB, s *httptest.Server, to string) []inbox.Message {
	t.Helper()
	_, text := get(t, s, "/messages.json?to="+url.QueryEscape(to))
	var all []inbox.Message
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return all
}

func setFaults(t testing.TB, s *httptest.Server, body string) (int, string) {
	t.Helper()
	answer, err := s.Client().Post(s.URL+"/faults", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(text))
}

func TestTakenAndShown(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	first := mustTake(t, s, "ada@client.example")
	second := mustTake(t, s, "grace@client.example")
	if first == "" || first == second {
		t.Fatalf("ids %q and %q", first, second)
	}

	all := messages(t, s, "")
	if len(all) != 2 || all[0].ID != second || all[1].ID != first {
		t.Fatalf("want newest first, got %+v", all)
	}
	m := all[1]
	if m.To[0] != (inbox.Address{Email: "ada@client.example", Name: "Ada"}) || m.From.Email != "appointments@linden.example" || m.ReplyTo.Email != "desk@linden.example" ||
		m.Subject != "Your appointment <on> Thursday" || m.Text != "Hello Ada" || m.HTML != "<p id=x>Hello <b>Ada</b></p>" ||
		m.CustomArgs["mail"] != "m-1" || m.Headers["X-Entity-Ref-ID"] != "m-1" || time.Since(m.Received) > time.Minute {
		t.Errorf("got %+v", m)
	}
	for to, want := range map[string]int{"ada@client.example": 1, "ADA@client.example": 1, "da@client.example": 0, "": 2} {
		if got := messages(t, s, to); len(got) != want {
			t.Errorf("to %q: got %d, want %d", to, len(got), want)
		}
	}
	if _, text := get(t, s, "/messages.json?to=nobody@client.example"); strings.TrimSpace(text) != "[]" {
		t.Errorf("nobody's messages are %s, want []", text)
	}

	_, list := get(t, s, "/")
	if a, b := strings.Index(list, "/messages/"+second), strings.Index(list, "/messages/"+first); a < 0 || b < a {
		t.Error("the list is not newest first")
	}
	if !strings.Contains(list, "Your appointment &lt;on&gt; Thursday") || !strings.Contains(list, "ada@client.example") {
		t.Errorf("the list does not show subject and recipient:\n%s", list)
	}
	if _, list := get(t, s, "/?to=ada@client.example"); strings.Contains(list, second) || !strings.Contains(list, first) {
		t.Error("the list of one recipient is not theirs alone")
	}

	answer, page := get(t, s, "/messages/"+first)
	if answer.StatusCode != 200 || strings.Contains(page, "<b>Ada</b>") || !strings.Contains(page, `<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title="The message as a page" src="/messages/`+first+`/html">`) {
		t.Errorf("the message's page holds somebody else's HTML, or no frame:\n%s", page)
	}
	answer, page = get(t, s, "/messages/"+first+"/html")
	if page != m.HTML || !strings.HasPrefix(answer.Header.Get("Content-Security-Policy"), "sandbox allow-popups allow-popups-to-escape-sandbox;") {
		t.Errorf("got %q with policy %q", page, answer.Header.Get("Content-Security-Policy"))
	}
	for _, path := range []string{"/messages/none", "/messages/..%2f..%2fetc%2fpasswd", "/messages/none/html", "/elsewhere"} {
		if answer, _ := get(t, s, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, answer.StatusCode)
		}
	}
}

const invitation = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:<b>\r\nEND:VCALENDAR\r\n"

// invited is a call with an invitation, as another form of the letter and as a file.
func invited(t testing.TB, name string) string {
	t.Helper()
	file, err := json.Marshal(map[string]string{"content": base64.StdEncoding.EncodeToString([]byte(invitation)), "type": "application/ics", "filename": name, "disposition": "attachment"})
	if err != nil {
		t.Fatal(err)
	}
	part, err := json.Marshal(map[string]string{"type": "text/calendar; method=REQUEST", "value": invitation})
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`</b></p>"}]`, `</b></p>"}, `+string(part)+`], "attachments": [`+string(file)+`]`).Replace(call("ada@client.example"))
}

func TestAnInvitationIsKeptAndShown(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, name := range []string{"appointment.ics", `../"x".html`} {
		answer, text, err := post(t, t.Context(), s, invited(t, name))
		if err != nil || answer.StatusCode != http.StatusAccepted {
			t.Fatal(answer, err, text)
		}
		m := messages(t, s, "")[0]
		if m.Invitation != invitation || m.Method != "REQUEST" || len(m.Files) != 1 || m.Files[0].Name != name || m.Files[0].Type != "application/ics" || string(m.Files[0].Content) != invitation {
			t.Errorf("kept %+v", m)
		}
		_, page := get(t, s, "/messages/"+m.ID)
		for _, want := range []string{"The invitation, REQUEST", "SUMMARY:&lt;b&gt;", `href="/messages/` + m.ID + `/files/1"`, "Reply-To", "X-Entity-Ref-ID", "Custom: mail"} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is not on the page:\n%s", want, page)
			}
		}
		answer, text = get(t, s, "/messages/"+m.ID+"/files/1")
		if text != invitation || !strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment; filename=") || answer.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("the file is %q with %v", text, answer.Header)
		}
		for _, n := range []string{"0", "2", "-1", "x"} {
			if answer, _ := get(t, s, "/messages/"+m.ID+"/files/"+n); answer.StatusCode != http.StatusNotFound {
				t.Errorf("file %s: %d", n, answer.StatusCode)
			}
		}
	}
}

func TestEveryPageIsStrict(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	id := mustTake(t, s, "ada@client.example")
	for _, path := range []string{"/", "/messages/" + id, "/messages/" + id + "/html", "/messages.json", "/faults", "/style.css", "/none"} {
		answer, text := get(t, s, path)
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script") || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: policy %q", path, policy)
		}
		if strings.Contains(text, "<script") || strings.Contains(text, "style=") {
			t.Errorf("%s: has a script or an inline style", path)
		}
	}
}

func TestARestartLosesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	s := open(t, dir)
	for i := range 20 {
		mustTake(t, s, fmt.Sprintf("c%d@client.example", i))
	}
	before := messages(t, s, "")
	s.Close()
	half := filepath.Join(dir, "20260101-000000-half.json.unfinished") // as a killed process leaves it
	if err := os.WriteFile(half, []byte(`{"id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	after := messages(t, s, "")
	a, _ := json.Marshal(before)
	b, _ := json.Marshal(after)
	if len(after) != 20 || !bytes.Equal(a, b) {
		t.Errorf("before the restart\n%s\nafter\n%s", a, b)
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("the half-written file is still there")
	}
	mustTake(t, s, "later@client.example")
	if all := messages(t, s, ""); len(all) != 21 || all[0].To[0].Email != "later@client.example" {
		t.Error("the message after the restart is not the newest")
	}
}

func TestADamagedFileIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := inbox.New(dir); err == nil || !strings.Contains(err.Error(), "x.json") {
		t.Errorf("got %v, want an error that names x.json", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 20 {
				answer, _, err := post(t, t.Context(), s, call(fmt.Sprintf("c%d-%d@client.example", g, i)))
				if err != nil || answer.StatusCode != http.StatusAccepted {
					t.Errorf("got %v %v", answer, err)
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	last := time.Now()
	for _, m := range messages(t, s, "") {
		seen[m.To[0].Email] = true
		if m.Received.After(last) {
			t.Error("not newest first")
		}
		last = m.Received
	}
	if len(seen) != 320 {
		t.Errorf("%d of 320 arrived", len(seen))
	}
	_, first := get(t, s, "/")
	_, fourth := get(t, s, "/?page=4")
	if n, m := strings.Count(first, "<li>"), strings.Count(fourth, "<li>"); n != 100 || m != 20 || !strings.Contains(first, "page=2") || strings.Contains(fourth, "page=5") {
		t.Errorf("pages of %d and %d", n, m)
	}
	for _, page := range []string{"0", "-3", "x", "9223372036854775807", "184467440737095517"} {
		if answer, _ := get(t, s, "/?page="+page); answer.StatusCode != 200 {
			t.Errorf("page %s: %d", page, answer.StatusCode)
		}
	}
}

func TestWhatSendGridRefuses(t *testing.T) {
	t.Parallel()
	good := call("ada@client.example")
	for name, tc := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		field  string // "" stands for null
	}{
		"no key":                       {good, func(r *http.Request) { r.Header.Del("Authorization") }, 401, ""},
		"another kind of key":          {good, func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }, 401, ""},
		"an empty key":                 {good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer  ") }, 401, ""},
		"not JSON by its type":         {good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, ""},
		"not JSON":                     {"{", nil, 400, ""},
		"an ill-typed field":           {strings.Replace(good, `"Your appointment <on> Thursday"`, "7", 1), nil, 400, "subject"},
		"nobody to send to":            {`{}`, nil, 400, "personalizations"},
		"an empty to":                  {strings.Replace(good, `[{"email": "ada@client.example", "name": "Ada"}]`, "[]", 1), nil, 400, "personalizations.0.to"},
		"a bad address":                {call("ada"), nil, 400, "personalizations.0.to.0.email"},
		"a name in the address":        {call("Ada <ada@client.example>"), nil, 400, "personalizations.0.to.0.email"},
		"no from":                      {strings.Replace(good, `"from"`, `"form"`, 1), nil, 400, "from.email"},
		"a bad reply_to":               {strings.Replace(good, "desk@linden.example", "desk", 1), nil, 400, "reply_to.email"},
		"no subject":                   {strings.Replace(good, "Your appointment <on> Thursday", "", 1), nil, 400, "subject"},
		"no content":                   {strings.Replace(good, `"content"`, `"contents"`, 1), nil, 400, "content"},
		"an empty content":             {strings.Replace(good, `"Hello Ada"`, `""`, 1), nil, 400, "content.0.value"},
		"HTML before text":             {strings.NewReplacer("text/plain", "text/html", "text/html", "text/plain").Replace(good), nil, 400, "content.1.type"},
		"a type with a charset":        {strings.Replace(good, "text/html", "text/html; charset=utf-8", 1), nil, 400, "content.1.type"},
		"an invitation with a charset": {strings.Replace(invited(t, "a.ics"), "text/calendar; method=REQUEST", "text/calendar; charset=utf-8; method=REQUEST", 1), nil, 400, "content.2.type"},
		"a file's type with a charset": {strings.Replace(invited(t, "a.ics"), "application/ics", "application/ics; charset=utf-8", 1), nil, 400, "attachments.0.type"},
		"a file that is not base64":    {strings.Replace(invited(t, "a.ics"), `{"content":"`, `{"content":"*`, 1), nil, 400, "attachments.0.content"},
		"a file without a name":        {invited(t, ""), nil, 400, "attachments.0.filename"},
		"too large":                    {strings.Replace(good, "Hello Ada", strings.Repeat("x", 1<<20), 1), nil, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			change := tc.change
			if change == nil {
				change = func(*http.Request) {}
			}
			answer, text, err := post(t, t.Context(), s, tc.body, change)
			if err != nil {
				t.Fatal(err)
			}
			var said struct {
				Errors []struct {
					Message string
					Field   *string
				}
			}
			if err := json.Unmarshal([]byte(text), &said); err != nil || len(said.Errors) == 0 || said.Errors[0].Message == "" {
				t.Fatalf("not SendGrid's error form: %v: %s", err, text)
			}
			field := ""
			if said.Errors[0].Field != nil {
				field = *said.Errors[0].Field
			}
			if answer.StatusCode != tc.status || field != tc.field {
				t.Errorf("got %d, field %q; want %d, %q: %s", answer.StatusCode, field, tc.status, tc.field, text)
			}
			if n := len(messages(t, s, "")); n != 0 {
				t.Errorf("%d messages were kept", n)
			}
		})
	}
}

func TestOnePersonalizationIsOneMessage(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	body := strings.Replace(call("ada@client.example"), `[{"to"`, `[{"to": [{"email": "grace@client.example"}], "subject": "Another", "custom_args": {"mail": "m-2"}}, {"to"`, 1)
	if answer, text, err := post(t, t.Context(), s, body); err != nil || answer.StatusCode != 202 {
		t.Fatal(err, text)
	}
	grace := messages(t, s, "grace@client.example")
	ada := messages(t, s, "ada@client.example")
	if len(grace) != 1 || len(ada) != 1 || grace[0].Subject != "Another" || grace[0].CustomArgs["mail"] != "m-2" || ada[0].CustomArgs["mail"] != "m-1" {
		t.Errorf("got %+v and %+v", grace, ada)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for mode, tc := range map[string]struct {
		status int  // 0: no answer at all
		kept   bool // the message is there all the same
	}{
		"429":  {status: 429},
		"500":  {status: 500},
		"401":  {status: 401},
		"hang": {},
		"drop": {kept: true},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			if status, now := setFaults(t, s, `{"mode":"`+mode+`","times":2}`); status != 200 || now != `{"mode":"`+mode+`","times":2}` {
				t.Fatalf("got %d %s", status, now)
			}
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				if mode == "hang" {
					ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
				}
				answer, text, err := post(t, ctx, s, call("ada@client.example"))
				cancel()
				switch {
				case tc.status == 0 && err == nil:
					t.Fatalf("got an answer: %d %s", answer.StatusCode, text)
				case tc.status == 0 && mode == "hang" && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("got %v, want the client to have given up", err)
				case tc.status == 0 && mode == "drop" && errors.Is(err, context.DeadlineExceeded):
					t.Errorf("the connection was held, not dropped: %v", err)
				case tc.status != 0 && (err != nil || answer.StatusCode != tc.status || !strings.Contains(text, `"errors"`)):
					t.Errorf("got %v %v %s", answer, err, text)
				}
				if mode == "429" {
					reset, err := strconv.ParseInt(answer.Header.Get("X-RateLimit-Reset"), 10, 64)
					if wait := time.Until(time.Unix(reset, 0)); err != nil || wait < 0 || wait > 3*time.Second {
						t.Errorf("X-RateLimit-Reset %q: %v, in %v", answer.Header.Get("X-RateLimit-Reset"), err, wait)
					}
				}
			}
			kept := 0
			if tc.kept {
				kept = 2
			}
			if n := len(messages(t, s, "")); n != kept {
				t.Errorf("%d messages were kept, want %d", n, kept)
			}
			if _, text := get(t, s, "/faults"); strings.TrimSpace(text) != `{"mode":"none","times":0}` {
				t.Errorf("after the last time: %s", text)
			}
			mustTake(t, s, "ada@client.example")
		})
	}
}

func TestAFaultUntilToldOtherwise(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	setFaults(t, s, `{"mode":"500"}`)
	for range 5 {
		if answer, _, err := post(t, t.Context(), s, call("ada@client.example")); err != nil || answer.StatusCode != 500 {
			t.Fatal(answer, err)
		}
	}
	setFaults(t, s, `{"mode":"none","times":9}`)
	mustTake(t, s, "ada@client.example")
}

func TestFaultsAreCheckedByName(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for body, want := range map[string]string{
		`{"mode":"418"}`:             "mode:",
		`{}`:                         "mode:",
		`{"mode":"500","times":-1}`:  "times:",
		`{"mode":"500","time":1}`:    "time",
		`{"mode":`:                   "JSON",
		`mode=500&times=soon`:        "times:",
		strings.Repeat("x", 1<<20):   "few bytes",
		`{"mode":"500","times":1.5}`: "times",
	} {
		if status, text := setFaults(t, s, body); status/100 != 4 || !strings.Contains(text, want) {
			t.Errorf("%.30s: got %d %s, want %s", body, status, text, want)
		}
	}
	if _, text := get(t, s, "/faults"); strings.TrimSpace(text) != `{"mode":"none","times":0}` {
		t.Errorf("a refused fault is in force: %s", text)
	}
}

func TestFaultsFromThePage(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c := *s.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := c.PostForm(s.URL+"/faults", url.Values{"mode": {"429"}, "times": {"3"}})
	if err != nil || answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" {
		t.Fatal(answer, err)
	}
	if _, list := get(t, s, "/"); !strings.Contains(list, "429: too many requests, for the next 3 sends.") {
		t.Errorf("the page does not say so:\n%s", list)
	}

	// Another site's page, open in the same browser.
	r, _ := http.NewRequest("POST", s.URL+"/faults", strings.NewReader(`mode=hang`))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if answer, err := c.Do(r); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Error(answer, err)
	}
}
