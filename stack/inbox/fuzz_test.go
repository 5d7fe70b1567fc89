package inbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"kap/stack/inbox"
)

// Whatever is posted as a mail: it is kept and can be shown, or refused as SendGrid would.
func FuzzSend(f *testing.F) {
	f.Add([]byte(call("ada@client.example")))
	f.Add([]byte(invited(f, "appointment.ics")))
	for _, body := range []string{``, `null`, `{}`, `[]`, `{"personalizations":[{"to":[null]}]}`, `{"personalizations":[null],"content":[null],"from":null}`, `{"from":{"email":"\u0000"}}`, `{"headers":{"a":1}}`} {
		f.Add([]byte(body))
	}
	dir := f.TempDir()
	in, err := inbox.New(dir)
	if err != nil {
		f.Fatal(err)
	}
	handler := in.Handler()
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/v3/mail/send", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer trial")
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		switch answer.Code {
		case http.StatusBadRequest:
			var says struct{ Errors []struct{ Message string } }
			if err := json.Unmarshal(answer.Body.Bytes(), &says); err != nil || len(says.Errors) == 0 || says.Errors[0].Message == "" {
				t.Fatalf("refused with %s", answer.Body)
			}
		case http.StatusAccepted:
			for _, page := range []string{"/", "/messages.json", "/messages/" + answer.Header().Get("X-Message-Id"), "/messages/" + answer.Header().Get("X-Message-Id") + "/html"} {
				shows := httptest.NewRecorder()
				handler.ServeHTTP(shows, httptest.NewRequest(http.MethodGet, page, nil))
				if shows.Code != http.StatusOK {
					t.Fatalf("%s answers %d: %s", page, shows.Code, shows.Body)
				}
			}
			if in, err = inbox.New(dir); err != nil { // as after a restart
				t.Fatal(err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if err := os.Remove(dir + "/" + e.Name()); err != nil {
					t.Fatal(err)
				}
			}
			if in, err = inbox.New(dir); err != nil {
				t.Fatal(err)
			}
			handler = in.Handler()
		case http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("answered %d: %s", answer.Code, answer.Body)
		}
	})
}

// Whatever a browser asks for: an answer that is no fault of ours, and never another file than a message.
func FuzzAsk(f *testing.F) {
	f.Add(true, "/?to=ada@client.example&page=2", "")
	f.Add(true, "/messages/..%2f..%2fetc%2fpasswd", "")
	f.Add(true, "/?page=99999999999999999999", "")
	f.Add(false, "/faults", `{"mode":"429","times":3}`)
	f.Add(false, "/faults", "mode=drop&times=-1")
	f.Add(false, "/faults", "%zz")
	in, err := inbox.New(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	handler := in.Handler()
	f.Fuzz(func(t *testing.T, read bool, path, body string) {
		at, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		if err := in.Fail(inbox.Faults{Mode: inbox.None}); err != nil { // or the next would hang, as somebody has just asked for
			t.Fatal(err)
		}
		method := http.MethodPost
		if read {
			method = http.MethodGet
		}
		r := &http.Request{Method: method, URL: at, Host: "127.0.0.1", Header: http.Header{}, Body: httptest.NewRequest(method, "/", strings.NewReader(body)).Body}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code >= 500 {
			t.Fatalf("%s %s answers %d: %s", method, path, answer.Code, answer.Body)
		}
	})
}
