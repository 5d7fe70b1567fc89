package main

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"

	"kap/workflows"
)

// seconds are the buckets of every latency: OpenTelemetry's own are meant for milliseconds.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// metrics are where the SDK counts, and the page on which Prometheus reads it all.
func metrics(log *slog.Logger, h *health) (client.MetricsHandler, http.Handler, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), h, numbers{h.store, log})
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, nil, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(metric.NewView(
		metric.Instrument{Kind: metric.InstrumentKindHistogram},
		metric.Stream{Aggregation: metric.AggregationExplicitBucketHistogram{Boundaries: seconds}},
	)))
	sdk := coded{opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                provider.Meter("temporal"),
		UseMonotonicCounters: true, // otherwise Prometheus takes them for gauges
		OnError:              func(err error) { log.Warn("the SDK's metrics are incomplete", "error", err) },
	})}
	page := promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4, // each asks PostgreSQL
	})
	return sdk, page, nil
}

// coded keeps out of the labels what somebody else chooses: whoever starts a workflow chooses its type.
type coded struct{ client.MetricsHandler }

// WithTags is the SDK's way to add labels.
func (c coded) WithTags(tags map[string]string) client.MetricsHandler {
	tags = maps.Clone(tags)
	for _, name := range []string{"workflow_type", "activity_type"} {
		if value, given := tags[name]; given && !slices.Contains([]string{"none", workflows.Name, "Commit", "Stored", "Deliver", "DeliverSeveral", "DeliverAtOnce"}, value) {
			tags[name] = "other"
		}
	}
	return coded{c.MetricsHandler.WithTags(tags)}
}
