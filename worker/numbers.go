package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kap/pathway"
	"kap/program"
	"kap/records"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// The practice's own metrics. Labels hold coded values alone: no pathway, nobody, nothing that anybody wrote.
var (
	readyDesc      = desc("kap_ready", "Whether a part of this worker is well, as /readyz says.", "part")
	upDesc         = desc("kap_records_up", "Whether the records could be counted. Where not, what is counted from them is missing.")
	pathwaysDesc   = desc("kap_pathways", "Pathways under way.", "phase", "attention")
	stalledDesc    = desc("kap_pathways_stalled", "Pathways under way that should have looked again more than ten minutes ago.")
	endedDesc      = desc("kap_pathways_ended", "Pathways that have ended.", "outcome")
	notStartedDesc = desc("kap_enrolments_not_started", "Enrolments without a workflow.")
	tasksDesc      = desc("kap_tasks", "Open tasks. One that waits for two roles counts for each.", "role", "urgency")
	overdueDesc    = desc("kap_tasks_overdue", "Open tasks that should have been done by now.", "role")
	mailsDesc      = desc("kap_mails", "Mails that were neither sent nor taken back.", "status")
	mailAgeDesc    = desc("kap_mail_oldest_pending_seconds", "For how long the mail that waits longest could have gone out.")
	pausedDesc     = desc("kap_mail_paused", "Whether mail waits since the records were restored, until starter resume-mail.")
	returnedDesc   = desc("kap_mails_returned", "Mails that the mail service said within the last day did not arrive.", "reader")
	heldDesc       = desc("kap_mail_held", "Whether mail waits because the mail service takes none, and why.", "why")
	refusalsDesc   = desc("kap_refusals_total", "Messages that were refused.", "message", "code")
)

// gauges sends what is counted at the moment.
type gauges chan<- prometheus.Metric

func (g gauges) set(d *prometheus.Desc, n int, labels ...string) {
	g <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

// Collect says of each part whether it is well.
func (h *health) Collect(out chan<- prometheus.Metric) {
	for part, says := range h.report(context.Background()) {
		gauges(out).set(readyDesc, oneIf(program.Fine(says)), part)
	}
}

// Describe names what Collect sends.
func (h *health) Describe(out chan<- *prometheus.Desc) { out <- readyDesc }

// numbers counts the records when Prometheus asks.
type numbers struct {
	store *records.Store
	log   *slog.Logger
}

// Describe names what Collect sends.
func (c numbers) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upDesc, pathwaysDesc, stalledDesc, endedDesc, notStartedDesc, tasksDesc, overdueDesc, mailsDesc, mailAgeDesc, pausedDesc, returnedDesc, heldDesc, refusalsDesc} {
		out <- d
	}
}

// Collect sends nothing but kap_records_up where the records do not answer: the rest of the page stands.
func (c numbers) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	now := time.Now()
	n, err := c.store.Numbers(ctx, now)
	gauges(out).set(upDesc, oneIf(err == nil))
	if err != nil {
		c.log.Debug("the records cannot be counted", "error", records.Plain(err))
		return
	}
	send(gauges(out), n, now)
	for _, r := range n.Refusals {
		out <- prometheus.MustNewConstMetric(refusalsDesc, prometheus.CounterValue, float64(r.N), r.Message, string(r.Code))
	}
}

// send sends a 0, too, for what does not occur: it is another thing than what is not known.
func send(g gauges, n records.Numbers, now time.Time) {
	for _, phase := range pathway.Phases() {
		for _, attention := range pathway.Attentions() {
			if phase != pathway.Over {
				c := find(n.Open, func(c records.PathwayCount) bool { return c.Phase == phase && c.Attention == attention })
				g.set(pathwaysDesc, c.N, string(phase), string(attention))
			}
		}
	}
	g.set(stalledDesc, n.Stalled)
	g.set(notStartedDesc, n.NotStarted)
	for _, outcome := range pathway.Outcomes() {
		c := find(n.Ended, func(c records.EndedCount) bool { return c.Outcome == outcome })
		g.set(endedDesc, c.N, string(outcome))
	}
	for _, role := range pathway.Roles() {
		overdue := 0
		for urgency, urgent := range map[string]bool{"urgent": true, "usual": false} {
			c := find(n.Tasks, func(c records.TaskCount) bool { return c.Role == role && c.Urgent == urgent })
			g.set(tasksDesc, c.N, string(role), urgency)
			overdue += c.Overdue
		}
		g.set(overdueDesc, overdue, string(role))
	}
	for _, status := range []pathway.MailStatus{pathway.PendingMail, pathway.ClaimedMail, pathway.UnknownMail, pathway.RejectedMail} {
		c := find(n.Mails, func(c records.MailCount) bool { return c.Status == status })
		g.set(mailsDesc, c.N, string(status))
	}
	age := 0
	if n.MailSince != nil {
		age = int(now.Sub(*n.MailSince).Seconds())
	}
	g.set(mailAgeDesc, age)
	g.set(pausedDesc, oneIf(n.Paused))
	for reader, staff := range map[string]bool{"client": false, "staff": true} {
		c := find(n.Returned, func(c records.ReturnedCount) bool { return c.Staff == staff })
		g.set(returnedDesc, c.N, reader)
	}
	for _, why := range records.HoldReasons() {
		g.set(heldDesc, oneIf(n.Held != nil && n.Held.Why == why), string(why))
	}
}

func find[T any](all []T, is func(T) bool) T {
	var none T
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i]
	}
	return none
}

func oneIf(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
