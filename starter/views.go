package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/workflows"
)

const viewsHelp = `Prints links to Temporal's Web UI that answer common questions: who waits for
the prescriber, who is on hold, which sessions are this week. Temporal's filters
know no today, so some of them are good for the day on which they were printed;
Save as New keeps any of the others in your browser. KAP_UI_URL is where the
Web UI is.`

const viewsExample = `  starter views`

func (d *desk) viewsCommand() *cobra.Command {
	c := &cobra.Command{Use: "views", Short: "Links to Temporal's Web UI for common questions", Long: viewsHelp, Example: viewsExample, Args: takes(0, 0, "flags alone")}
	c.RunE = d.does(func(context.Context, []string) error { return d.views() })
	return c
}

func (d *desk) views() error {
	s, err := d.settings()
	if err != nil {
		return err
	}
	if s["KAP_UI_URL"] == "" {
		return usage("KAP_UI_URL: found nothing, expected the address of Temporal's Web UI; set it, or start the stack in this directory")
	}
	house, _, err := d.house()
	if err != nil {
		return err
	}
	temporal, err := d.temporalOptions()
	if err != nil {
		return err
	}
	for _, v := range viewsOn(d.now().In(zoneOf(house.Zone))) {
		d.say("%s\n  %s", d.paint(heading, v.name), v.link(s["KAP_UI_URL"], temporal.Namespace))
	}
	return nil
}

// webView is a common question, as a filter of the list in Temporal's Web UI.
type webView struct{ name, filter string }

// link is where it is answered.
func (v webView) link(ui, namespace string) string {
	return fmt.Sprintf("%s/namespaces/%s/workflows?query=%s", strings.TrimRight(ui, "/"), url.PathEscape(namespace), url.QueryEscape(v.filter))
}

// workflowLink is where one pathway is, in Temporal's Web UI.
func workflowLink(ui, namespace, code string) string {
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s", strings.TrimRight(ui, "/"), url.PathEscape(namespace), workflows.WorkflowID(code))
}

// viewsOn are the common questions on a day. A run that continued as new, or was terminated, keeps what it showed last, so each
// says which runs it means. An ended pathway's goes on running for a year.
func viewsOn(now time.Time) []webView {
	const running = `ExecutionStatus="Running" AND `
	all := []webView{
		{"In screening", running + `KapPhase="screening"`},
		{"Awaiting the prescriber", running + `KapWaitingOn="prescriber"`},
		{"Awaiting the therapist", running + `KapWaitingOn="therapist"`},
		{"Awaiting the front desk", running + `KapWaitingOn="coordinator"`},
		{"Somebody must look", running + `KapAttention IN ("urgent", "task")`},
		{"Urgent", running + `KapAttention="urgent"`},
		{"On hold", running + `KapOnHold=true`},
	}
	monday := time.Date(now.Year(), now.Month(), now.Day()-(int(now.Weekday())+6)%7, 0, 0, 0, 0, now.Location())
	for week, name := range []string{"Sessions this week", "Sessions next week"} {
		from, until := monday.AddDate(0, 0, 7*week), monday.AddDate(0, 0, 7*week+7).Add(-time.Second)
		all = append(all, webView{
			fmt.Sprintf("%s, %s to %s", name, from.Format("2 Jan"), until.Format("2 Jan")),
			running + fmt.Sprintf(`KapNextSession BETWEEN "%s" AND "%s"`, instant(from), instant(until)),
		})
	}
	all = append(all, webView{"Stalled for days", running + fmt.Sprintf(`KapNextWake<"%s"`, instant(now.Add(-pathway.StalledAfter)))})
	for _, o := range outcomes() {
		all = append(all, webView{"Ended: " + o, fmt.Sprintf(`(ExecutionStatus="Running" OR ExecutionStatus="Completed") AND KapOutcome=%q`, o)})
	}
	return all
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
