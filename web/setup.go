package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/client"

	"kap/practice"
	"kap/program"
	"kap/records"
	"kap/settings"
	"kap/workflows"
)

// service is the web process with all that it was told.
type service struct {
	log      *slog.Logger
	practice practice.Practice
	store    *records.Store
	temporal client.Client // it connects when it is first used, and again
	metrics  *prometheus.Registry
	answers  *answers      // where links in mails lead; nil: nowhere
	events   *events       // nil: none are taken
	fresh    chan struct{} // holds something while there is news to tell pathways
	site     net.Listener
	unserve  func() // health and metrics
}

// setup reads the settings and begins to listen. Whatever is wrong with a setting is said with its name, and without a secret.
func setup(environ []string, stderr io.Writer) (*service, error) {
	s, err := settings.Load[settings.Web](environ)
	if err != nil {
		return nil, err
	}
	w := &service{log: program.NewLog(stderr, s.LogLevel, s.LogFormat), metrics: prometheus.NewRegistry(), fresh: make(chan struct{}, 1), unserve: func() {}}
	if err := w.open(s); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *service) open(s settings.Web) (err error) {
	if s.Site == "" {
		return errors.New("KAP_WEB_LISTEN: found off, expected an address such as 127.0.0.1:8030")
	}
	if w.practice, err = practice.Load(s.Practice); err != nil {
		return fmt.Errorf("KAP_PRACTICE: %w", program.FirstLine(err))
	}
	options, err := program.Temporal(w.log, "web")
	if err != nil {
		return err
	}
	if w.temporal, err = client.NewLazyClient(options); err != nil { // its text may repeat a key
		return errors.New("TEMPORAL_ variables and Temporal's profile file: found what does not fit together, expected what Temporal documents")
	}
	if w.store, err = records.Open(context.Background(), s.DatabaseURL); err != nil {
		return err
	}
	if s.EventKey != "" {
		key, err := eventKey(s.EventKey)
		if err != nil {
			return err
		}
		w.events = newEvents(key, w.store, w.log, w.metrics, w.tellSoon)
	}
	w.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), w)
	if w.answers, err = newAnswers(s, w.practice, onTemporal{w.temporal}, w.log, w.metrics); err != nil {
		return err
	}
	if err = w.openHealth(string(s.Health)); err != nil {
		return err
	}
	w.site, err = program.Listen("KAP_WEB_LISTEN", string(s.Site))
	return err
}

func (w *service) openHealth(address string) error {
	if address == "" {
		return nil
	}
	listener, err := program.Listen("KAP_WEB_HEALTH", address)
	if err != nil {
		return err
	}
	page := promhttp.HandlerFor(w.metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(w.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4, // each asks PostgreSQL
	})
	w.unserve = program.Serve(listener, w.log, "health and metrics", program.Pages(w.report, page), program.Patience)
	return nil
}

func (w *service) close() {
	w.unserve()
	if w.site != nil {
		_ = w.site.Close()
	}
	if w.temporal != nil {
		w.temporal.Close()
	}
	if w.store != nil {
		w.store.Close()
	}
}

// stopWithin lets requests that run at SIGTERM be answered.
const stopWithin = 15 * time.Second

// serve answers the outside until it is told to stop.
func (w *service) serve(ctx context.Context) error {
	stop := program.Serve(w.site, w.log, "the pages that the outside reaches", w.routes(), stopWithin)
	w.log.Warn("for trial data only")
	if w.events == nil {
		w.log.Warn("the mail service's events are not taken: SENDGRID_WEBHOOK_PUBLIC_KEY is not set")
	}
	w.tellSoon() // what was left when the last process was killed
	w.keepTelling(ctx)
	w.log.Info("the web process stops; what it has begun it finishes")
	stop()
	return nil
}

// routes are what the outside reaches, and all of it: each line is another way in.
func (w *service) routes() http.Handler {
	mux := http.NewServeMux()
	if w.answers != nil {
		w.answers.route(mux)
	}
	if w.events != nil {
		mux.Handle("POST /events", w.events)
	}
	return mux
}

// tellSoon says that there is news to tell. It waits for nobody.
func (w *service) tellSoon() {
	select {
	case w.fresh <- struct{}{}:
	default:
	}
}

// tellAgain is how soon pathways that could not be told are told again. Workers see to it as well, less often.
const tellAgain = 5 * time.Second

// keepTelling tells pathways what became of their mail as soon as there is something to tell, until the process is told to stop.
func (w *service) keepTelling(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.fresh:
		}
		trying, cancel := context.WithTimeout(ctx, time.Minute)
		err := workflows.TellNews(trying, w.store, w.temporal, w.log)
		cancel()
		if err == nil || ctx.Err() != nil {
			continue
		}
		w.log.Warn("pathways are not told of their mail yet", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(tellAgain):
			w.tellSoon()
		}
	}
}
