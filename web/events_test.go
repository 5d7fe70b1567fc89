package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kap/internal/testpg"
	"kap/internal/testrecords"
	"kap/pathway"
	"kap/practice"
	"kap/records"
)

// signer is the mail service, as far as it signs.
type signer struct{ key *ecdsa.PrivateKey }

func newSigner(t testing.TB) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}
}

func public(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// post signs a body and posts it; change alters the request on its way.
func (s signer) post(t testing.TB, url, body string, at time.Time, change ...func(*http.Request)) int {
	t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256([]byte(stamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/events", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(signatureHeader, base64.StdEncoding.EncodeToString(signature))
	request.Header.Set(timestampHeader, stamp)
	for _, c := range change {
		c(request)
	}
	answer, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// withMail is a database with one mail in its outbox, which was sent.
func withMail(t testing.TB) (database *testpg.Gate, store *records.Store, mail string) {
	t.Helper()
	url := testpg.New(t)
	store = testrecords.Open(t, url)
	protocol, err := practice.LoadProtocol("")
	if err != nil {
		t.Fatal(err)
	}
	e := pathway.Enrolment{Code: "K7Q2M9", By: "c-desk", At: time.Now().UTC(), PracticeZone: "America/New_York", Protocol: protocol,
		CareTeam: pathway.CareTeam{Therapist: "t-lane", Prescriber: "p-singh", Coordinators: []string{"c-desk"}}}
	if _, err := store.Enrol(t.Context(), records.Person{GivenName: "Zenobia", FamilyName: "Palmyra", BirthDate: "1990-04-01", Email: "zenobia@client.example", Phone: "+1 555 0101"}, e); err != nil {
		t.Fatal(err)
	}
	if err := store.Started(t.Context(), "K7Q2M9"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	err = conn.QueryRow(t.Context(), `insert into mail (pathway, key, body, status) values ('K7Q2M9', 'booked/preparation-1/r1', '{"key": "booked/preparation-1/r1", "kind": "booked"}', 'sent') returning id::text`).Scan(&mail)
	if err != nil {
		t.Fatal(err)
	}
	return testpg.NewGate(t, url), store, mail
}

var when = time.Now().Unix()

// one is an event as SendGrid posts it, with what kap must not keep.
func one(id, event, mail string, more ...string) string {
	return fmt.Sprintf(`{"email": "zenobia@client.example", "timestamp": %d, "event": %q, "sg_event_id": %q, "sg_message_id": "14c5d75ce93.dfd.64b469", "mail": %q,
		"response": "550 zenobia@client.example: no such user", "ip": "192.0.2.7"%s}`, when, event, id, mail, strings.Join(more, ""))
}

// counts reads a counter off the metrics page.
func (r *running) counts(metric string) float64 {
	r.T.Helper()
	_, page := r.Get(r.health + "/metrics")
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(metric) + ` (\S+)$`).FindStringSubmatch(page)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return n
}

// shows: mail-events
func TestTheMailServicesEventsAreTaken(t *testing.T) {
	t.Parallel()
	database, store, mail := withMail(t)
	s := newSigner(t)
	r := start(t, told("DATABASE_URL="+database.URL, "SENDGRID_WEBHOOK_PUBLIC_KEY="+public(t, &s.key.PublicKey)))
	now := time.Now()
	body := "[" + one("e-1", "processed", mail) + "," + one("e-2", "delivered", mail) + "," + one("e-2", "delivered", mail) + "," +
		one("e-3", "bounce", mail, `, "type": "bounce", "reason": "550 zenobia has moved", "bounce_classification": "Invalid Address"`) + "," +
		one("e-4", "delivered", "00000000-0000-4000-8000-000000000000") + "," + `{"event": "delivered", "sg_event_id": "e-5", "timestamp": 1},` +
		one("e-6", "group_resubscribe", mail) + "," + one("e-7", "account_status_change", "") + `, null, 7, {"event": "open", "mail": "` + mail + `"}]`
	for range 2 {
		if status := s.post(t, r.site, body, now); status != http.StatusNoContent {
			t.Fatalf("found %d, expected 204; it says\n%s", status, r.Log())
		}
	}
	lines, err := store.MailEvents(t.Context(), "K7Q2M9")
	if err != nil || len(lines) != 3 || lines[2].Event != "bounced" || lines[2].Reason != "address" || lines[0].At.Unix() != when {
		t.Errorf("found %+v, %v", lines, err)
	}
	for metric, want := range map[string]float64{
		`kap_web_events_total{event="processed",result="fresh"}`: 1,
		`kap_web_events_total{event="delivered",result="fresh"}`: 1,
		`kap_web_events_total{event="bounced",result="fresh"}`:   1,
		`kap_web_events_total{event="any",result="repeated"}`:    5,
		`kap_web_events_total{event="any",result="foreign"}`:     4,
		`kap_web_events_total{event="any",result="ignored"}`:     4,
		`kap_web_events_total{event="any",result="unreadable"}`:  6,
		`kap_web_events_refused_total{reason="signature"}`:       0,
	} {
		if n := r.counts(metric); n != want {
			t.Errorf("%s: found %v, expected %v", metric, n, want)
		}
	}
	// Neither what it prints nor what it keeps names anybody; Temporal is away, and it says so.
	r.Await("it to say that nobody is told yet", func() bool { return strings.Contains(r.Log(), "pathways are not told of their mail yet") })
	conn, err := pgx.Connect(t.Context(), database.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var kept string
	if err := conn.QueryRow(t.Context(), `select json_agg(e)::text from mail_event e`).Scan(&kept); err != nil {
		t.Fatal(err)
	}
	_, page := r.Get(r.health + "/metrics")
	for _, text := range []string{kept, r.Log(), page} {
		if strings.Contains(strings.ToLower(text), "zenobia") || strings.Contains(text, "192.0.2.7") {
			t.Errorf("it names somebody:\n%s", text)
		}
	}
}

// shows: mail-events
func TestWhatIsNotTheMailServicesIsRefused(t *testing.T) {
	t.Parallel()
	database, store, mail := withMail(t)
	s, other := newSigner(t), newSigner(t)
	r := start(t, told("DATABASE_URL="+database.URL, "SENDGRID_WEBHOOK_PUBLIC_KEY="+public(t, &s.key.PublicKey)))
	now := time.Now()
	body := "[" + one("e-1", "bounce", mail) + "]"
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, row := range []struct {
		is     string
		status int
		reason string
		found  int
	}{
		{"unsigned", 401, "unsigned", s.post(t, r.site, body, now, set(signatureHeader, ""))},
		{"without its time", 401, "unsigned", s.post(t, r.site, body, now, set(timestampHeader, ""))},
		{"signed by another", 403, "signature", other.post(t, r.site, body, now)},
		{"signed with nothing", 403, "signature", s.post(t, r.site, body, now, set(signatureHeader, "MAA="))},
		{"signed in no base64", 403, "signature", s.post(t, r.site, body, now, set(signatureHeader, "!"))},
		{"of another time than signed", 403, "signature", s.post(t, r.site, body, now, set(timestampHeader, strconv.FormatInt(now.Unix()+1, 10)))},
		{"of no time", 403, "signature", s.post(t, r.site, body, now, set(timestampHeader, "today"))},
		{"too old", 403, "age", s.post(t, r.site, body, now.Add(-oldAtMost-time.Minute))},
		{"from the future", 403, "age", s.post(t, r.site, body, now.Add(aheadAtMost+time.Minute))},
		{"too large", 413, "size", s.post(t, r.site, strings.Repeat(" ", bodyAtMost)+body, now)},
		{"old, and tried again", 204, "", s.post(t, r.site, "[]", now.Add(-24*time.Hour))},
		{"as large as may be", 204, "", s.post(t, r.site, strings.Repeat(" ", bodyAtMost-2)+"[]", now)},
		{"signed and no JSON: it would come back the same", 204, "", s.post(t, r.site, "{", now)},
	} {
		if row.found != row.status {
			t.Errorf("%s: found %d, expected %d", row.is, row.found, row.status)
		}
	}
	for reason, want := range map[string]float64{"unsigned": 2, "signature": 5, "age": 2, "size": 1, "records-away": 0} {
		if n := r.counts(`kap_web_events_refused_total{reason="` + reason + `"}`); n != want {
			t.Errorf("%s: counted %v, expected %v", reason, n, want)
		}
	}
	if n := strings.Count(r.Log(), "is refused; this is said once a minute"); n != 4 {
		t.Errorf("the log says so %d times, expected once for each reason", n)
	}
	if lines, err := store.MailEvents(t.Context(), "K7Q2M9"); err != nil || len(lines) != 0 {
		t.Errorf("what was refused is kept: %+v, %v", lines, err)
	}
	if status, _ := r.Get(r.site + "/events"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: found %d", status)
	}
}

// While the records are away the mail service is asked to try again, and then nothing is missing.
// shows: mail-events
func TestWhileTheRecordsAreAwayEventsAreAskedForAgain(t *testing.T) {
	t.Parallel()
	database, store, mail := withMail(t)
	s := newSigner(t)
	r := start(t, told("DATABASE_URL="+database.URL, "SENDGRID_WEBHOOK_PUBLIC_KEY="+public(t, &s.key.PublicKey)))
	body := "[" + one("e-1", "bounce", mail) + "]"
	database.Shut()
	if status := s.post(t, r.site, body, time.Now()); status != http.StatusServiceUnavailable || r.counts(`kap_web_events_refused_total{reason="records-away"}`) != 1 {
		t.Errorf("found %d, expected 503, counted", status)
	}
	database.Open()
	if status := s.post(t, r.site, body, time.Now()); status != http.StatusNoContent {
		t.Errorf("found %d, expected 204", status)
	}
	if lines, err := store.MailEvents(t.Context(), "K7Q2M9"); err != nil || len(lines) != 1 {
		t.Errorf("found %+v, %v", lines, err)
	}
}

func TestWithoutAKeyThereIsNoWayIn(t *testing.T) {
	t.Parallel()
	r := start(t, told())
	if status := newSigner(t).post(t, r.site, "[]", time.Now()); status != http.StatusNotFound || !strings.Contains(r.Log(), "SENDGRID_WEBHOOK_PUBLIC_KEY is not set") {
		t.Errorf("found %d; it says\n%s", status, r.Log())
	}
}

func TestAKeyThatVerifiesNothingIsRefusedByName(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"SG.secret":                          "found something that is not base64",
		"AAAA":                               "found something that is no public key",
		public(t, edwards):                   "found a key of another kind",
		public(t, other.Public()):            "found a key on the curve P-384",
		public(t, newSigner(t).key.Public()): "",
	} {
		_, err := eventKey(text)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), "SENDGRID_WEBHOOK_PUBLIC_KEY: "+says) || strings.Contains(err.Error(), text)) {
			t.Errorf("%s: found %v, expected %q", text, err, says)
		}
	}
}

// What SendGrid says, in our words.
func TestWhatTheMailServicesWordsMean(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		`"event": "processed"`: "processed", `"event": "deferred"`: "deferred", `"event": "delivered"`: "delivered", `"event": "open"`: "opened", `"event": "click"`: "opened",
		`"event": "bounce", "type": "bounce"`: "bounced other", `"event": "bounce"`: "bounced other", `"event": "bounce", "type": "blocked", "bounce_classification": "Content"`: "blocked content",
		`"event": "bounce", "type": "bounce", "bounce_classification": "Invalid Address"`: "bounced address", `"event": "blocked"`: "blocked other",
		`"event": "dropped", "reason": "Bounced Address"`: "dropped address", `"event": "dropped", "reason": "Invalid"`: "dropped address",
		`"event": "dropped", "reason": "Invalid SMTPAPI header"`: "dropped content", `"event": "dropped", "reason": "Spam Content (if Spam Checker app is enabled)"`: "dropped content",
		`"event": "dropped", "reason": "Unsubscribed Address"`: "dropped unsubscribed", `"event": "dropped", "reason": "Spam Reporting Address"`: "dropped reported",
		`"event": "dropped", "reason": "Recipient List over Package Quota"`: "dropped content", `"event": "dropped", "reason": "something new"`: "dropped other",
		`"event": "spamreport"`: "reported", `"event": "unsubscribe"`: "unsubscribed", `"event": "group_unsubscribe"`: "unsubscribed",
		`"event": "group_resubscribe"`: "", `"event": "machine_open"`: "", `"event": ""`: "",
	} {
		known, strange := decodeEvents([]byte(`[{"sg_event_id": "e", "timestamp": 1760000000, "mail": "m", ` + said + `}]`))
		found := ""
		if len(known) == 1 {
			found = strings.TrimSpace(string(known[0].Event) + " " + string(known[0].Reason))
		}
		if found != want || (want == "") != (strange[ignored] == 1) {
			t.Errorf("%s: found %q, expected %q", said, found, want)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("[" + one("e-1", "bounce", "m", `, "type": "blocked"`) + "]"))
	f.Add([]byte(`[{"sg_event_id": "e", "timestamp": 1e3, "event": "open", "mail": 7}, [], null, {"timestamp": -1}]`))
	f.Add([]byte(`{"event": "open"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		known, strange := decodeEvents(body)
		n := len(known)
		for _, m := range strange {
			n += m
		}
		if n == 0 && !bytes.Contains(body, []byte("[")) && string(bytes.TrimSpace(body)) != "null" {
			t.Error("nothing is counted of what is no list")
		}
		for _, e := range known {
			if e.ID == "" || len(e.ID) > 200 || e.Event == "" || e.At.Year() > 9999 || strings.ContainsRune(e.ID, 0) {
				t.Errorf("taken: %+v", e)
			}
		}
	})
}
