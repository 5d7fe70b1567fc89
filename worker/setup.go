package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"kap/activities"
	"kap/links"
	"kap/mail"
	"kap/practice"
	"kap/program"
	"kap/records"
	"kap/settings"
)

// service is the worker with all that it was told, before it asks anybody for anything.
type service struct {
	log      *slog.Logger
	store    *records.Store
	temporal client.Options
	acts     *activities.Activities
	version  worker.WorkerDeploymentVersion // no name: it is no release
	health   *health
	unserve  func()
}

// sendWithin bounds one call of the mail service. It is less than stopWithin: a mail that is on its way at SIGTERM is not left
// in doubt.
const sendWithin = 15 * time.Second

// setup reads the settings. Whatever is wrong with one is said with its name, and without a secret.
func setup(environ []string, stderr io.Writer) (*service, error) {
	s, err := settings.Load[settings.Worker](environ)
	if err != nil {
		return nil, err
	}
	house, err := practice.Load(s.Practice)
	if err != nil {
		return nil, fmt.Errorf("KAP_PRACTICE: %w", program.FirstLine(err))
	}
	if err := mail.Discreet(house); err != nil {
		return nil, fmt.Errorf("KAP_PRACTICE: %w", err)
	}
	protocol, err := practice.LoadProtocol(s.Protocol)
	if err != nil {
		return nil, fmt.Errorf("KAP_PROTOCOL: %w", program.FirstLine(err))
	}
	if err := mail.DiscreetProtocol(protocol); err != nil {
		return nil, fmt.Errorf("KAP_PROTOCOL: %w", err)
	}
	mailTo, live, err := s.Where()
	if err != nil {
		return nil, err
	}
	site, err := site(s)
	if err != nil {
		return nil, err
	}
	w := &service{log: program.NewLog(stderr, s.LogLevel, s.LogFormat), unserve: func() {}}
	if w.temporal, err = program.Temporal(w.log, "worker"); err != nil {
		return nil, err
	}
	if w.version, err = version(s); err != nil {
		return nil, err
	}
	if w.store, err = records.Open(context.Background(), s.DatabaseURL); err != nil {
		return nil, err
	}
	w.acts = &activities.Activities{Store: w.store, Practice: house, Form: protocol.Consent, Sender: mail.NewSender(mailTo, s.MailKey, sendWithin), Site: site}
	w.health = &health{store: w.store, identity: w.temporal.Identity}
	if err := w.open(string(s.Listen)); err != nil {
		w.store.Close()
		return nil, err
	}
	if live {
		w.log.Warn("mails go to people, through SendGrid", "live", true, "base_url", mailTo)
	} else {
		w.log.Info("mails go to an inbox, and to nobody else", "live", false, "base_url", mailTo)
	}
	if site != nil {
		w.log.Info("links in mails lead to", "web_url", s.WebURL)
	}
	return w, nil
}

// site is where links in mails lead; nil where mails have none.
func site(s settings.Worker) (*links.Site, error) {
	if s.WebURL == "" {
		return nil, nil
	}
	if s.LinkKey == "" {
		return nil, errors.New("KAP_LINK_KEY: found nothing, expected a key, because KAP_WEB_URL asks for links in mails")
	}
	if word := mail.IndiscreetAddress(string(s.WebURL)); word != "" {
		return nil, fmt.Errorf("KAP_WEB_URL: found %q in it, expected nothing about the treatment, because it stands in mails", word)
	}
	keys, err := links.NewKeys(string(s.LinkKey))
	if err != nil {
		return nil, fmt.Errorf("KAP_LINK_KEY: %w", err)
	}
	return &links.Site{Base: string(s.WebURL), Keys: keys}, nil
}

// open begins to serve health and metrics, unless that is off.
func (w *service) open(address string) error {
	if address == "" {
		return nil
	}
	sdk, pages, err := metrics(w.log, w.health)
	if err != nil {
		return err
	}
	w.temporal.MetricsHandler = sdk
	w.unserve, err = serve(address, w.log, w.health, pages)
	return err
}

func (w *service) close() {
	w.unserve()
	w.store.Close()
}
