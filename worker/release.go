package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"kap/release"
	"kap/settings"
)

// releaseCommand makes the program say which release it would be, for whoever keeps releases apart.
const releaseCommand = "release"

// sayRelease prints the deployment and the release, or nothing where Temporal is to keep none.
func sayRelease(out io.Writer, environ []string) error {
	s, err := settings.Load[settings.Worker](environ)
	if err != nil {
		return err
	}
	v, err := version(s)
	if err == nil && v.DeploymentName != "" {
		fmt.Fprintln(out, v.DeploymentName, v.BuildID)
	}
	return err
}

// version is what Temporal calls this program.
func version(s settings.Worker) (worker.WorkerDeploymentVersion, error) {
	if s.Deployment == "" {
		return worker.WorkerDeploymentVersion{}, nil
	}
	own := string(s.Release)
	if own == "" {
		var err error
		if own, err = release.Own(); err != nil {
			return worker.WorkerDeploymentVersion{}, fmt.Errorf("KAP_RELEASE: found nothing, and this program cannot read its own file; expected the release's name")
		}
	}
	return worker.WorkerDeploymentVersion{DeploymentName: string(s.Deployment), BuildID: own}, nil
}

// deployment pins a run to the release that it began on: it moves on when it continues as new.
func (w *service) deployment() worker.DeploymentOptions {
	if w.version.DeploymentName == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{UseVersioning: true, Version: w.version, DefaultVersioningBehavior: workflow.VersioningBehaviorPinned}
}

// introduce makes a practice's first release the current one, so that there is nothing to do before the first pathway. Later ones
// are made current by a person; until then this worker waits, and says so.
func (w *service) introduce(ctx context.Context, temporal client.Client) {
	if w.version.DeploymentName == "" {
		return
	}
	own := w.version.BuildID
	releases := release.Releases{
		Frontend: temporal.WorkflowService(), Deployment: w.version.DeploymentName, Identity: w.temporal.Identity,
		Namespace: cmp.Or(w.temporal.Namespace, client.DefaultNamespace),
	}
	waited := false
	for pause := 200 * time.Millisecond; ; pause = min(pause*2, 15*time.Second) {
		first, err := releases.UseFirst(ctx, own)
		current := own
		if err == nil && !first {
			current, err = releases.Current(ctx)
		}
		switch {
		case first:
			w.log.Info("this is the practice's first release, and now the current one", "release", own)
			return
		case err == nil && current == own:
			w.log.Info("this release is the current one", "release", own)
			return
		case err == nil && current != "" && !waited: // whoever starts it may be about to make it current
			waited, pause = true, 10*time.Second
		case err == nil && current != "":
			w.log.Warn("another release is current: this one begins nothing until it is made current with starter releases use", "release", own, "current", current)
			return
		}
		select { // Temporal hears of a release a moment after its workers have begun to ask for work
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
