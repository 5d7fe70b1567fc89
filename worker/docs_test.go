package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
)

// rows are the first two cells of each row of a section's tables that begins with a name, without the marks around names.
func rows(t *testing.T, section string) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var all []string
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\|([^|]*)\\|").FindAllStringSubmatch(text, -1) {
		all = append(all, strings.TrimSpace(strings.ReplaceAll(m[1]+" "+strings.TrimSpace(m[2]), "`", "")))
	}
	return all
}

// described is a metric's name and its labels, as a description prints itself.
var described = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)

func TestThePageHasEveryMetricOfThePractice(t *testing.T) {
	t.Parallel()
	descs := make(chan *prometheus.Desc, 100)
	(&health{}).Describe(descs)
	numbers{}.Describe(descs)
	close(descs)
	var want []string
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		want = append(want, strings.TrimSpace(m[1]+" "+strings.ReplaceAll(m[2], ",", ", ")))
	}
	if found := rows(t, "Metrics"); !slices.Equal(found, want) {
		t.Errorf("the page has\n%q\nexpected\n%q", found, want)
	}
}

func TestThePageSaysWhatToDoAboutEveryAlert(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Labels      struct{ Severity string }
				Annotations struct{ Summary, Action string }
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range file.Groups[0].Rules {
		want = append(want, r.Alert+" "+r.Labels.Severity)
		if r.Annotations.Summary == "" || r.Annotations.Action == "" {
			t.Errorf("%s does not say what is wrong, or what to do", r.Alert)
		}
	}
	if found := rows(t, "Alerts"); !slices.Equal(found, want) {
		t.Errorf("the page has\n%q\nexpected\n%q", found, want)
	}
}
