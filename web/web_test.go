package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"kap/internal/child"
	"kap/internal/testpg"
	"kap/program"
)

// role has the test's own program be the web process.
const role = "WEB_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "web" {
		main()
	}
	testpg.Main(m)
}

// nowhere is an address at which nothing listens.
const nowhere = "127.0.0.1:1"

// told is what a web process is told that serves on free ports and finds nobody.
func told(more ...string) []string {
	return append([]string{
		role + "=web", "HOME=/nonexistent", "DATABASE_URL=postgres://kap@" + nowhere + "/kap", "TEMPORAL_ADDRESS=" + nowhere,
		"KAP_WEB_LISTEN=127.0.0.1:0", "KAP_WEB_HEALTH=127.0.0.1:0",
	}, more...)
}

// running is a web process of its own.
type running struct {
	*child.Process
	site, health string
}

var served = regexp.MustCompile(`msg="(health and metrics|the pages that the outside reaches) are served" address=(http://[0-9.:]+)`)

// start starts a web process and waits until it serves.
func start(t *testing.T, environ []string) *running {
	t.Helper()
	r := &running{Process: child.Start(t, environ)}
	r.Await("it to serve", func() bool {
		for _, m := range served.FindAllStringSubmatch(r.Log(), -1) {
			if m[1] == "health and metrics" {
				r.health = m[2]
			} else {
				r.site = m[2]
			}
		}
		return r.site != "" && r.health != ""
	})
	return r
}

func TestItSaysWhatItLacksAndStops(t *testing.T) {
	t.Parallel()
	for _, with := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		r := start(t, told())
		status, body := r.Get(r.health + "/readyz")
		var says struct {
			Ready bool
			Parts program.Report
		}
		if err := json.Unmarshal([]byte(body), &says); err != nil {
			t.Fatal(err)
		}
		if status != http.StatusServiceUnavailable || says.Ready || says.Parts["postgresql"] != "PostgreSQL does not answer" || !strings.HasPrefix(says.Parts["temporal"], "ok, but there is no answer") {
			t.Errorf("/readyz: found %d %s", status, body)
		}
		if status, body := r.Get(r.health + "/healthz"); status != http.StatusOK || body != "alive\n" {
			t.Errorf("/healthz: found %d %s", status, body)
		}
		if _, body := r.Get(r.health + "/metrics"); !strings.Contains(body, `kap_web_ready{part="postgresql"} 0`) {
			t.Errorf("/metrics: found %s", body)
		}
		for _, path := range []string{"/", "/metrics", "/readyz"} { // how it is, is not the outside's business
			if status, _ := r.Get(r.site + path); status != http.StatusNotFound {
				t.Errorf("%s outside: found %d, expected 404", path, status)
			}
		}
		r.Signal(with)
		select {
		case err := <-r.Ended:
			if err != nil {
				t.Errorf("%s: found %v, expected it to end well; it says\n%s", with, err, r.Log())
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s did not stop it", with)
		}
	}
}

func TestAWrongSettingIsRefusedByItsName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, says string }{
		{"KAP_WEB_LISTEN=8030", `KAP_WEB_LISTEN: found "8030"`},
		{"KAP_WEB_LISTEN=off", "KAP_WEB_LISTEN: found off"},
		{"KAP_WEB_LISTEN=192.0.2.1:8030", "KAP_WEB_LISTEN: found 192.0.2.1:8030, on which this program cannot listen"},
		{"DATABASE_URL=", "DATABASE_URL: found nothing"},
		{"KAP_PRACTICE=/nonexistent/practice.yaml", "KAP_PRACTICE: "},
		{"KAP_WEB=on", "KAP_WEB: found a variable that nothing reads"},
	} {
		r := child.Start(t, told(c.line))
		err := <-r.Ended
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != program.Misuse || !strings.HasPrefix(r.Log(), "web: "+c.says) && !strings.Contains(r.Log(), "\nweb: "+c.says) {
			t.Errorf("%s: found %v and\n%s\nexpected exit code 2 and %s", c.line, err, r.Log(), c.says)
		}
	}
}
