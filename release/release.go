// Package release says which release of kap a program is, which one Temporal gives new pathways to, and which ones still have
// open runs. A run is pinned to the release that began it; Temporal keeps the releases of one practice in one worker deployment.
package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	deploymentpb "go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// Own is what the running program is called as a release: the beginning of the commit that it was built from, where it knows
// one, and of its file's digest. Two programs that differ are two releases, whatever somebody forgot to raise.
func Own() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return "", err
	}
	id := hex.EncodeToString(digest.Sum(nil)[:4])
	if commit := commit(); len(commit) >= 7 {
		id = commit[:7] + "-" + id
	}
	return id, nil
}

// commit is what the program was built from, as far as Go noted it.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" })
	if i < 0 {
		return ""
	}
	return info.Settings[i].Value
}

// Name is a release as Temporal's tools and search attributes write it.
func Name(deployment, id string) string { return deployment + ":" + id }

// Releases are those of one practice.
type Releases struct {
	Frontend              workflowservice.WorkflowServiceClient
	Namespace, Deployment string
	Identity              string // of whoever changes which one is current
}

// Release is one of them.
type Release struct {
	ID      string    `json:"release"`
	Current bool      `json:"current"`
	Since   time.Time `json:"since"` // when Temporal first saw a worker of it
	Open    int64     `json:"open"`  // runs that are pinned to it
}

// Unversioned stands for the runs of workers that named no release.
const Unversioned = ""

// All lists the releases, the newest first, and last what is open without one. Without a deployment it lists nothing.
func (r Releases) All(ctx context.Context) ([]Release, error) {
	info, err := r.describe(ctx)
	if err != nil || info == nil {
		return nil, err
	}
	current := info.GetRoutingConfig().GetCurrentDeploymentVersion().GetBuildId()
	var all []Release
	for _, v := range info.GetVersionSummaries() {
		id := v.GetDeploymentVersion().GetBuildId()
		one := Release{ID: id, Current: id == current, Since: v.GetCreateTime().AsTime()}
		if one.Open, err = r.Open(ctx, id); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b Release) int { return b.Since.Compare(a.Since) })
	none, err := r.Open(ctx, Unversioned)
	if none > 0 {
		all = append(all, Release{ID: Unversioned, Open: none})
	}
	return all, err
}

// Current is the release that new pathways begin on, and on which runs go on that continue as new; "" while there is none.
func (r Releases) Current(ctx context.Context) (string, error) {
	info, err := r.describe(ctx)
	return info.GetRoutingConfig().GetCurrentDeploymentVersion().GetBuildId(), err
}

// Open counts the runs that only a worker of this release can go on with.
func (r Releases) Open(ctx context.Context, id string) (int64, error) {
	query := fmt.Sprintf("ExecutionStatus = 'Running' AND TemporalWorkerDeploymentVersion = '%s'", Name(r.Deployment, id))
	if id == Unversioned {
		query = "ExecutionStatus = 'Running' AND TemporalWorkerDeploymentVersion IS NULL"
	}
	answer, err := r.Frontend.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: r.Namespace, Query: query})
	return answer.GetCount(), err
}

// Use makes a release the current one and returns when all of Temporal knows. A worker of it has to be running.
func (r Releases) Use(ctx context.Context, id string) error { return r.use(ctx, id, nil) }

// UseFirst makes a release the current one where there is none yet, and says whether it did. It never takes another's place.
func (r Releases) UseFirst(ctx context.Context, id string) (bool, error) {
	answer, err := r.ask(ctx)
	if err != nil || answer.GetWorkerDeploymentInfo().GetRoutingConfig().GetCurrentDeploymentVersion() != nil {
		return false, err
	}
	err = r.use(ctx, id, answer.GetConflictToken())
	return err == nil, err
}

func (r Releases) use(ctx context.Context, id string, unchangedSince []byte) error {
	_, err := r.Frontend.SetWorkerDeploymentCurrentVersion(ctx, &workflowservice.SetWorkerDeploymentCurrentVersionRequest{
		Namespace: r.Namespace, DeploymentName: r.Deployment, BuildId: id, Identity: r.Identity, ConflictToken: unchangedSince,
	})
	for err == nil { // until the last task queue has heard of it, a run that moves on could land where it was
		info, problem := r.describe(ctx)
		if problem != nil || info.GetRoutingConfigUpdateState() != enums.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS {
			return problem
		}
		err = pause(ctx, 100*time.Millisecond)
	}
	return serviceError(err)
}

func (r Releases) describe(ctx context.Context) (*deploymentpb.WorkerDeploymentInfo, error) {
	answer, err := r.ask(ctx)
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return nil, nil
	}
	return answer.GetWorkerDeploymentInfo(), err
}

// ask tries again while Temporal says that it has too much to do: each deployment answers a few at a time.
func (r Releases) ask(ctx context.Context) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	for {
		answer, err := r.Frontend.DescribeWorkerDeployment(ctx, &workflowservice.DescribeWorkerDeploymentRequest{Namespace: r.Namespace, DeploymentName: r.Deployment})
		if _, busy := errors.AsType[*serviceerror.ResourceExhausted](serviceError(err)); !busy || pause(ctx, 200*time.Millisecond) != nil {
			return answer, serviceError(err)
		}
	}
}

// serviceError is what Temporal answered, also where the connection is not one of the SDK's.
func serviceError(err error) error {
	if err == nil {
		return nil
	}
	return serviceerror.FromStatus(serviceerror.ToStatus(err))
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
