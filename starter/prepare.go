package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"kap/namespace"
	"kap/workflows"
)

const prepareHelp = `Prepares a Temporal server for kap, before the first worker: registers the
namespace that TEMPORAL_NAMESPACE names, has it keep closed workflows for %d
days, and adds the search attributes by which staff find pathways. It waits for
a Temporal that is still starting. What is there already stays as it is, so that
it can be run again at any time.

Temporal Cloud does not let this be done from here. Make the namespace in its
console or with tcld, and give it these search attributes:
%s`

const prepareExample = `  starter prepare-namespace
  TEMPORAL_ADDRESS=temporal.practice.example:7233 starter prepare-namespace`

func (d *desk) prepareCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "prepare-namespace", Short: "Prepare a Temporal server for kap",
		Long: fmt.Sprintf(prepareHelp, days(namespace.Retention), attributeList()), Example: prepareExample, Args: takes(0, 0, "flags alone"),
	}
	c.Flags().DurationVar(&wait, "wait", 2*time.Minute, "how long to wait for Temporal to answer")
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.prepare(ctx, wait) })
	return c
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// attributeList has one search attribute a line, as Temporal's tools call its kind.
func attributeList() string {
	var b strings.Builder
	attributes := workflows.SearchAttributes()
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		fmt.Fprintf(&b, "  %-16s %s\n", name, attributes[name])
	}
	return strings.TrimRight(b.String(), "\n")
}

func (d *desk) prepare(ctx context.Context, wait time.Duration) error {
	options, err := d.temporalOptions()
	if err != nil {
		return err
	}
	if isCloud(options.HostPort) {
		return usage("TEMPORAL_ADDRESS: found %s, which is Temporal Cloud, expected a server of your own; what to make in the Cloud is in starter prepare-namespace --help", options.HostPort)
	}
	c, err := d.connect()
	if err != nil {
		return err
	}
	if err := d.awaitTemporal(ctx, c, wait); err != nil {
		return d.fromTemporal(err)
	}
	made, err := namespace.Prepare(ctx, c.WorkflowService(), c.OperatorService(), options.Namespace)
	var wrong *namespace.WrongKind
	switch {
	case errors.As(err, &wrong):
		return usage("%v in the namespace %s; take another namespace, or have that attribute removed", wrong, options.Namespace)
	case namespace.Forbidden(err):
		return usage("Temporal at %s does not let us prepare a namespace; have whoever runs it do what is in starter prepare-namespace --help", options.HostPort)
	case err != nil:
		return d.fromTemporal(err)
	}
	if made.Registered {
		d.say("Registered the namespace %s.", options.Namespace)
	}
	if made.Lengthened > 0 {
		d.say("Closed workflows were kept for a shorter time; now for %d days.", days(made.Lengthened))
	}
	if len(made.Added) > 0 {
		d.say("Added the search attributes %s.", strings.Join(made.Added, ", "))
	}
	d.say("The namespace %s is ready.", options.Namespace)
	return nil
}

// isCloud says whether the address is one of Temporal Cloud's.
func isCloud(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	host = cmp.Or(host, address)
	return strings.HasSuffix(host, ".tmprl.cloud") || strings.HasSuffix(host, ".api.temporal.io")
}

// awaitTemporal asks until Temporal answers, or the time is up.
func (d *desk) awaitTemporal(ctx context.Context, c client.Client, wait time.Duration) error {
	over := time.After(wait)
	for {
		_, err := bounded(ctx, func(ctx context.Context) (*workflowservice.GetClusterInfoResponse, error) {
			return c.WorkflowService().GetClusterInfo(ctx, &workflowservice.GetClusterInfoRequest{})
		})
		if err == nil || !temporalIsAway(err) {
			return err
		}
		select {
		case <-over:
			return err
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
