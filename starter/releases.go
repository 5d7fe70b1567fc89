package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"

	"kap/release"
	known "kap/settings"
)

const releasesHelp = `Lists the releases of kap that Temporal knows of, the newest first, and how many
pathways are open on each. A pathway stays on the release that began its run and
moves on to the current one when it next wakes, or at once when it is refreshed.
Keep a worker of each release running until nothing is open on it.`

const useHelp = `Makes a release the current one: new pathways begin on it, and those under way
move on to it. A worker of it has to be running. Going back is the same command
with the earlier release's name.`

func (d *desk) releasesCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "releases", Short: "The releases of kap, and what is open on each", Long: releasesHelp,
		Example: "  starter releases\n  starter releases use e83a80e-3f9c2a7b", Args: takes(0, 0, "flags alone"),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	c.RunE = d.does(func(ctx context.Context, _ []string) error { return d.releases(ctx, asJSON) })
	use := &cobra.Command{
		Use: "use RELEASE", Short: "Make a release the current one", Long: useHelp,
		Example: "  starter releases use e83a80e-3f9c2a7b", Args: takes(1, 1, "the name of a release, as starter releases lists it"),
	}
	use.RunE = d.does(func(ctx context.Context, args []string) error { return d.useRelease(ctx, args[0]) })
	c.AddCommand(use)
	return c
}

// ours are the practice's releases.
func (d *desk) ours() (release.Releases, error) {
	s, err := d.settings()
	if err != nil {
		return release.Releases{}, err
	}
	own, err := known.Load[known.Starter](s.Environ())
	if err != nil {
		return release.Releases{}, usage("%v", err)
	}
	if own.Deployment == "" {
		return release.Releases{}, usage("KAP_DEPLOYMENT: found off, expected the name under which Temporal keeps the practice's releases")
	}
	options, err := d.temporalOptions()
	if err != nil {
		return release.Releases{}, err
	}
	c, err := d.connect()
	if err != nil {
		return release.Releases{}, err
	}
	return release.Releases{Frontend: c.WorkflowService(), Namespace: options.Namespace, Deployment: string(own.Deployment), Identity: options.Identity}, nil
}

func (d *desk) releases(ctx context.Context, asJSON bool) error {
	ours, err := d.ours()
	if err != nil {
		return err
	}
	all, err := bounded(ctx, ours.All)
	if err != nil {
		return d.fromTemporal(err)
	}
	if asJSON {
		if all == nil {
			all = []release.Release{}
		}
		text, err := json.MarshalIndent(all, "", "  ")
		if err == nil {
			d.say("%s", text)
		}
		return err
	}
	if len(all) == 0 {
		d.say("No worker has run here yet.")
		return nil
	}
	var rows [][]string
	for _, r := range all {
		state, since := "", r.Since.Local().Format("2006-01-02 15:04")
		switch {
		case r.Current:
			state = "current"
		case r.ID == release.Unversioned:
			r.ID, since = "(none)", ""
		case r.Open == 0:
			state = "not needed"
		}
		rows = append(rows, []string{r.ID, since, strconv.FormatInt(r.Open, 10), state})
	}
	return d.table([]string{"release", "since", "open", ""}, rows, unmarked)
}

func (d *desk) useRelease(ctx context.Context, id string) error {
	var name known.Label
	if name.UnmarshalText([]byte(id)) != nil || name == "" {
		return usage("use: found %s, expected the name of a release, as starter releases lists it", shorten(strconv.Quote(id), 60))
	}
	ours, err := d.ours()
	if err != nil {
		return err
	}
	_, err = bounded(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, ours.Use(ctx, id) })
	var precondition *serviceerror.FailedPrecondition
	switch {
	case errors.As(err, &precondition) || isNotFound(err):
		return fail(unanswered, "no worker of the release %s is running here; start one, and look with: starter releases", id)
	case err != nil:
		return d.fromTemporal(err)
	}
	d.say("%s is the current release: new pathways begin on it, and those under way move on to it when they next wake.", id)
	return nil
}
