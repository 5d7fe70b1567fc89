package main

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"kap/program"
	"kap/records"
)

// notKnown is what is said of a part whose state hangs on another that is away.
const notKnown = "not known"

// report asks PostgreSQL and Temporal at once: neither may hide behind the other. Without Temporal the process is ready all the same:
// what it is told waits in the records.
func (w *service) report(ctx context.Context) program.Report {
	ctx, cancel := context.WithTimeout(ctx, program.Patience)
	defer cancel()
	temporal := make(chan string, 1)
	go func() {
		if _, err := w.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			temporal <- program.Well + ", but there is no answer (" + serviceerror.ToStatus(err).Code().String() + ")"
			return
		}
		temporal <- program.Well
	}()
	r := program.Report{"postgresql": program.Well, "schema": program.Well}
	switch err := w.store.Ready(ctx); {
	case errors.Is(err, records.ErrSchema):
		r["schema"] = err.Error()
	case err != nil:
		r["postgresql"], r["schema"] = records.Plain(err), notKnown
	}
	r["temporal"] = <-temporal
	return r
}

var readyDesc = prometheus.NewDesc("kap_web_ready", "Whether a part that this web process needs is well, as /readyz says.", []string{"part"}, nil)

// Describe names what Collect sends.
func (w *service) Describe(out chan<- *prometheus.Desc) { out <- readyDesc }

// Collect says of each part whether it is well; of Temporal, too, without which the process is ready.
func (w *service) Collect(out chan<- prometheus.Metric) {
	for part, says := range w.report(context.Background()) {
		up := 0.0
		if says == program.Well {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, up, part)
	}
}
