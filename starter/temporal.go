package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	tlog "go.temporal.io/sdk/log"
)

// How long a command waits for a server before it says that it does not answer. An update waits longer, because it may
// wait for the calendar's answer.
const (
	patience       = 10 * time.Second
	updatePatience = 30 * time.Second
)

// connect prepares a client; nothing is asked of the server before its first use.
func (d *desk) connect() (client.Client, error) {
	if d.temporal != nil {
		return d.temporal, nil
	}
	options, err := d.temporalOptions()
	if err != nil {
		return nil, err
	}
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, usage("Temporal's settings do not fit together; check the TEMPORAL_ variables and the profile file")
	}
	d.temporal = c
	return c, nil
}

func (d *desk) temporalOptions() (client.Options, error) {
	s, err := d.settings()
	if err != nil {
		return client.Options{}, err
	}
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: s})
	if err != nil {
		return client.Options{}, usage("Temporal's settings cannot be read; check the TEMPORAL_ variables and the profile file")
	}
	if options.Namespace == "" {
		options.Namespace = "kap"
	}
	if options.HostPort == "" {
		options.HostPort = "127.0.0.1:7233"
	}
	options.Identity = "starter" // the default holds this machine's user and name
	options.Logger = tlog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	return options, nil
}

// fromTemporal says what went wrong with Temporal, in a sentence.
func (d *desk) fromTemporal(err error) error {
	var f *failure
	if err == nil || errors.As(err, &f) {
		return err
	}
	options, _ := d.temporalOptions()
	var namespace *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	switch {
	case isInterrupted(err):
		return interrupted()
	case errors.As(err, &namespace):
		return usage("Temporal at %s has no namespace %s; correct TEMPORAL_NAMESPACE", options.HostPort, options.Namespace)
	case errors.As(err, &denied):
		return usage("Temporal at %s does not let us in; check its key or certificates", options.HostPort)
	case temporalIsAway(err):
		f = fail(unreachable, "Temporal does not answer at %s; start it, or correct TEMPORAL_ADDRESS", options.HostPort)
		f.away = "TEMPORAL_ADDRESS"
		return f
	}
	return fail(fault, "Temporal at %s did not take it (%s); tell whoever looks after kap", options.HostPort, serviceerror.ToStatus(err).Code())
}

func temporalIsAway(err error) bool {
	var unavailable *serviceerror.Unavailable
	var deadline *serviceerror.DeadlineExceeded
	var update *client.WorkflowUpdateServiceTimeoutOrCanceledError
	return errors.As(err, &unavailable) || errors.As(err, &deadline) || errors.As(err, &update) ||
		errors.Is(err, context.DeadlineExceeded)
}

func isInterrupted(err error) bool {
	var cancelled *serviceerror.Canceled
	return errors.As(err, &cancelled) || errors.Is(err, context.Canceled)
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
