package main

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kap/workflows"
)

func TestViewsAreLinksToTheWebUI(t *testing.T) {
	t.Parallel()
	s := command(t, []string{"KAP_UI_URL=http://127.0.0.1:8233/", "TEMPORAL_NAMESPACE=trial"}, "", "views")
	s.wants(t, done, "Awaiting the prescriber\n  http://127.0.0.1:8233/namespaces/trial/workflows?query=ExecutionStatus%3D%22Running%22+AND+KapWaitingOn%3D%22prescriber%22\n",
		"On hold\n", "Sessions this week, ", "Stalled for days\n", "Ended: lapsed\n")
	command(t, nil, "", "views").wants(t, misuse, "KAP_UI_URL: found nothing, expected the address of Temporal's Web UI")
	command(t, nil, "", "views", "--help").at80(t)
}

// What a view asks for is there to be asked for.
func TestViewsAskForSearchAttributesThatKapHas(t *testing.T) {
	t.Parallel()
	known := workflows.SearchAttributes()
	asked := map[string]bool{}
	for _, v := range viewsOn(time.Now()) {
		for _, name := range regexp.MustCompile(`Kap\w+`).FindAllString(v.filter, -1) {
			if asked[name] = true; known[name] == 0 {
				t.Errorf("%s: there is no search attribute %s", v.name, name)
			}
		}
	}
	if len(asked) < 7 {
		t.Errorf("the views ask only for %v", asked)
	}
}

func TestAWeekIsThePractices(t *testing.T) {
	t.Parallel()
	newYork := zoneOf("America/New_York")
	for _, c := range []struct{ now, name, from, until string }{
		{"2026-02-05T23:30:00-05:00", "Sessions this week, 2 Feb to 8 Feb", "2026-02-02T05:00:00Z", "2026-02-09T04:59:59Z"},
		{"2026-02-02T00:00:00-05:00", "Sessions this week, 2 Feb to 8 Feb", "2026-02-02T05:00:00Z", "2026-02-09T04:59:59Z"},
		{"2026-02-08T23:59:00-05:00", "Sessions this week, 2 Feb to 8 Feb", "2026-02-02T05:00:00Z", "2026-02-09T04:59:59Z"},
		{"2026-02-08T23:59:00-05:00", "Sessions next week, 9 Feb to 15 Feb", "2026-02-09T05:00:00Z", "2026-02-16T04:59:59Z"},
		{"2026-03-08T12:00:00-04:00", "Sessions this week, 2 Mar to 8 Mar", "2026-03-02T05:00:00Z", "2026-03-09T03:59:59Z"}, // summer time begins on that Sunday
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		want := webView{c.name, `ExecutionStatus="Running" AND KapNextSession BETWEEN "` + c.from + `" AND "` + c.until + `"`}
		if all := viewsOn(now.In(newYork)); !slices.Contains(all, want) {
			t.Errorf("on %s: expected %+v, found %+v", c.now, want, all)
		}
	}
}

// The README's links are the ones that starter views prints, as far as they do not depend on the day.
func TestTheReadmeHasTheViews(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	inReadme := map[string]bool{}
	for _, link := range regexp.MustCompile(`\((http://127\.0\.0\.1:8233/namespaces/kap/workflows\?query=[^)]+)\)`).FindAllStringSubmatch(string(readme), -1) {
		at, err := url.Parse(link[1])
		if err != nil {
			t.Fatal(err)
		}
		inReadme[at.Query().Get("query")] = true
	}
	for _, v := range viewsOn(time.Now()) {
		if !strings.Contains(v.filter, "KapNext") && !inReadme[v.filter] {
			t.Errorf("the README has no link for %q: %s", v.name, v.link("http://127.0.0.1:8233", "kap"))
		}
		delete(inReadme, v.filter)
	}
	if len(inReadme) > 0 {
		t.Errorf("the README links to views that starter views does not print: %v", inReadme)
	}
}
