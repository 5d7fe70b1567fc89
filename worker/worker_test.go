package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kap/internal/child"
	"kap/internal/testpg"
	"kap/program"
)

// role has the test's own program be the worker.
const role = "WORKER_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "worker" {
		main()
	}
	testpg.Main(m)
}

// nowhere is an address at which nothing listens.
const nowhere = "127.0.0.1:1"

// told is what a worker is told that serves on a free port and finds nobody.
func told(more ...string) []string {
	return append([]string{
		role + "=worker", "HOME=/nonexistent", "DATABASE_URL=postgres://kap@" + nowhere + "/kap", "TEMPORAL_ADDRESS=" + nowhere,
		"SENDGRID_API_KEY=SG.trial", "SENDGRID_BASE_URL=http://" + nowhere, "KAP_LISTEN=127.0.0.1:0",
	}, more...)
}

// process is a worker that runs on its own.
type process struct {
	*child.Process
	url string
}

var served = regexp.MustCompile(`address"?[=:]"?(http://[0-9.:]+)`)

// start starts a worker and waits until it serves.
func start(t *testing.T, environ []string) *process {
	t.Helper()
	p := &process{Process: child.Start(t, environ)}
	p.Await("the worker to serve", func() bool {
		if m := served.FindStringSubmatch(p.Log()); m != nil {
			p.url = m[1]
		}
		return p.url != ""
	})
	return p
}

// lacks compares what /readyz says with what it should.
func (p *process) lacks(want report) {
	p.T.Helper()
	status, body := p.Get(p.url + "/readyz")
	var said struct {
		Ready bool
		Parts report
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		p.T.Fatalf("%v: %s", err, body)
	}
	if status != http.StatusServiceUnavailable || said.Ready {
		p.T.Errorf("the worker is ready (%d): %s", status, body)
	}
	for part, says := range want {
		if said.Parts[part] != says {
			p.T.Errorf("%s: found %q, expected %q", part, said.Parts[part], says)
		}
	}
}

func (p *process) shows(lines ...string) {
	p.T.Helper()
	status, body := p.Get(p.url + "/metrics")
	if status != http.StatusOK {
		p.T.Errorf("/metrics answers %d", status)
	}
	for _, line := range lines {
		if !slices.Contains(strings.Split(body, "\n"), line) {
			p.T.Errorf("/metrics does not have %q:\n%s", line, body)
		}
	}
}

// ends sends a signal, and expects the worker to end as one that was told to.
func (p *process) ends(by syscall.Signal) {
	p.T.Helper()
	p.Signal(by)
	select {
	case err := <-p.Ended:
		if err != nil {
			p.T.Errorf("%s: the worker ended with %v:\n%s", by, err, p.Log())
		}
	case <-time.After(10 * time.Second):
		p.T.Fatalf("%s: the worker is still there after 10 seconds:\n%s", by, p.Log())
	}
	if !strings.Contains(p.Log(), "the worker has stopped") {
		p.T.Errorf("%s: the worker does not say that it has stopped:\n%s", by, p.Log())
	}
}

func TestWhileBothAreAway(t *testing.T) {
	t.Parallel()
	for _, by := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, told())
		p.Await("the first try", func() bool { return strings.Contains(p.Log(), "PostgreSQL is away") })
		if status, body := p.Get(p.url + "/healthz"); status != http.StatusOK || body != "alive\n" {
			t.Errorf("/healthz answers %d %s", status, body)
		}
		p.lacks(report{"postgresql": "PostgreSQL does not answer", "schema": unknown, "temporal": "not reached yet", "pathways": unknown, "mails": unknown})
		p.shows("kap_records_up 0", `kap_ready{part="postgresql"} 0`, `kap_ready{part="temporal"} 0`)
		p.ends(by)
	}
}

func TestWhileTemporalIsAway(t *testing.T) {
	t.Parallel()
	database := testpg.NewGate(t, testpg.New(t))
	for _, by := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, told("DATABASE_URL="+database.URL, "KAP_LOG_FORMAT=json", "KAP_LOG_LEVEL=debug"))
		p.Await("the first try", func() bool { return strings.Contains(p.Log(), "Temporal is away") })
		p.lacks(report{"postgresql": well, "schema": well, "temporal": "not reached yet"})
		p.shows("kap_records_up 1", `kap_ready{part="postgresql"} 1`, `kap_ready{part="temporal"} 0`, "kap_pathways_stalled 0", `kap_tasks{role="therapist",urgency="urgent"} 0`, "kap_mail_oldest_pending_seconds 0")

		database.Hush() // connections stand, and nothing passes
		begun := time.Now()
		p.lacks(report{"postgresql": "PostgreSQL does not answer", "schema": unknown})
		p.shows("kap_records_up 0")
		if took := time.Since(begun); took > 3*program.Patience {
			t.Errorf("a silent database made two pages take %s", took)
		}
		database.Speak()
		p.Await("the database to be seen again", func() bool { _, body := p.Get(p.url + "/metrics"); return strings.Contains(body, "kap_records_up 1") })
		p.ends(by)
		for line := range strings.Lines(p.Log()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("the log has a line that is not JSON: %s", line)
			}
		}
	}
}

func TestNothingIsServedWhereThatIsOff(t *testing.T) {
	t.Parallel()
	p := &process{Process: child.Start(t, told("KAP_LISTEN=off"))}
	p.Await("the first try", func() bool { return strings.Contains(p.Log(), "PostgreSQL is away") })
	if served.MatchString(p.Log()) {
		t.Errorf("something is served:\n%s", p.Log())
	}
	p.ends(syscall.SIGTERM)
}

func TestWhatIsWrongIsRefusedByItsName(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	telling := filepath.Join(t.TempDir(), "protocol.yaml")
	numbers, err := os.ReadFile("../practice/protocol.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(telling, bytes.Replace(numbers, []byte("call or text 988 at"), []byte("call the Suicide & Crisis Lifeline at"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ setting, says string }{
		{"DATABASE_URL=", "DATABASE_URL: found nothing"},
		{"DATABASE_URL=host=x port=secret", "DATABASE_URL: found something that is not"},
		{"SENDGRID_API_KEY=", "SENDGRID_API_KEY: found nothing"},
		{"SENDGRID_BASE_URL=", "SENDGRID_BASE_URL: found nothing, expected the address of an inbox; to send to clients through SendGrid set KAP_SEND_FOR_REAL=yes"},
		{"SENDGRID_BASE_URL=inbox", `SENDGRID_BASE_URL: found "inbox"`},
		{"KAP_SEND_FOR_REAL=perhaps", `KAP_SEND_FOR_REAL: found "perhaps"`},
		{"KAP_WEB_URL=https://desk.linden.example", "KAP_LINK_KEY: found nothing, expected a key, because KAP_WEB_URL asks for links in mails"},
		{"KAP_LINK_KEY=c2hvcnQ=", "KAP_LINK_KEY: found a key of 5 bytes, expected 32 or more"},
		{"KAP_WEB_URL=http://desk.linden.example", `KAP_WEB_URL: found "http://desk.linden.example", expected https`},
		{"KAP_PRACTICE=missing.yaml", "KAP_PRACTICE: found no file missing.yaml"},
		{"KAP_PROTOCOL=missing.yaml", "KAP_PROTOCOL: found no file missing.yaml"},
		{"KAP_PROTOCOL=" + telling, `KAP_PROTOCOL: mail: protocol: crisis.text: found "Suicide" in it, expected whom to call`},
		{"KAP_LISTEN=" + taken.Addr().String(), "KAP_LISTEN: found " + taken.Addr().String() + ", which another program listens on"},
		{"KAP_LISTEN=203.0.113.1:9464", "KAP_LISTEN: found 203.0.113.1:9464, on which this program cannot listen"},
		{"KAP_LOG_LEVEL=loud", `KAP_LOG_LEVEL: found "loud"`},
		{"KAP_LOGLEVEL=info", "KAP_LOGLEVEL: found a variable that nothing reads"},
	} {
		var out, problem bytes.Buffer
		if code := run(nil, told(c.setting), &out, &problem); code != program.Misuse || !strings.Contains(problem.String(), "worker: "+c.says) {
			t.Errorf("%s: ended with %d and said %s%s", c.setting, code, &out, &problem)
		}
		if strings.Contains(problem.String(), "secret") {
			t.Errorf("%s: a secret is repeated: %s", c.setting, &problem)
		}
	}
}

// Whoever starts a worker reads where mails go, and is warned where people get them.
func TestAWorkerSaysAtItsStartWhereMailsGo(t *testing.T) {
	t.Parallel()
	const links = `msg="links in mails lead to"`
	for _, c := range []struct {
		told         []string
		says, saysNo string
	}{
		{nil, `level=INFO msg="mails go to an inbox, and to nobody else" live=false base_url=http://` + nowhere, links},
		{[]string{"SENDGRID_BASE_URL=", "KAP_SEND_FOR_REAL=yes"}, `level=WARN msg="mails go to people, through SendGrid" live=true base_url=https://api.sendgrid.com`, "an inbox"},
		{[]string{"KAP_WEB_URL=https://desk.linden.example", "KAP_LINK_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32))}, `level=INFO ` + links + ` web_url=https://desk.linden.example`, "SendGrid"},
	} {
		var log bytes.Buffer
		w, err := setup(told(append(c.told, "KAP_LISTEN=off")...), &log)
		if err != nil {
			t.Fatal(err)
		}
		w.close()
		if !strings.Contains(log.String(), c.says) || strings.Contains(log.String(), c.saysNo) {
			t.Errorf("%v: said %s", c.told, &log)
		}
	}
}

// Temporal's settings are read from the environment of the process.
func TestTemporalsSettingsAreNotRepeatedWhereTheyAreWrong(t *testing.T) {
	t.Parallel()
	profile := filepath.Join(t.TempDir(), "temporal.toml")
	if err := os.WriteFile(profile, []byte("[profile.default]\napi_key = secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := child.Start(t, told("TEMPORAL_CONFIG_FILE="+profile))
	<-p.Ended
	if code := p.ExitCode(); code != program.Misuse || !strings.HasPrefix(p.Log(), "worker: TEMPORAL_") || strings.Contains(p.Log(), "secret") {
		t.Errorf("ended with %d and said %s", code, p.Log())
	}
}

func TestHelpAndNoOtherArgument(t *testing.T) {
	t.Parallel()
	var out, problem bytes.Buffer
	if code := run([]string{"--help"}, nil, &out, &problem); code != program.Done || problem.Len() > 0 {
		t.Errorf("ended with %d and said %s", code, &problem)
	}
	for _, want := range []string{"DATABASE_URL", "KAP_LISTEN", "127.0.0.1:9464", "TEMPORAL_"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not have %s:\n%s", want, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("longer than 80: %s", line)
		}
	}
	for _, args := range [][]string{{"run"}, {"--help", "me"}, {""}} {
		out.Reset()
		if code := run(args, told(), &out, &problem); code != program.Misuse || out.Len() > 0 {
			t.Errorf("%q: ended with %d and said %s", args, code, &out)
		}
	}
}
