package machine

import (
	"context"
	"fmt"
	"net/http"
	"time"

	ui "github.com/temporalio/ui-server/v2/server"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// startUI serves Temporal's Web UI from this process and waits until it answers.
func startUI(ctx context.Context, port, temporalPort int) (*ui.Server, error) {
	server := ui.NewServer(server_options.WithConfigProvider(&config.Config{
		Host:                host,
		Port:                port,
		TemporalGRPCAddress: at(temporalPort),
		EnableUI:            true,
		DefaultNamespace:    Namespace,
		CORS:                config.CORS{CookieInsecure: true}, // plain HTTP, on this machine only
		HideLogs:            true,
		DisableNewsFetch:    true, // nothing on this machine calls home

		// What would end, pause or double a pathway does not stand beside what staff click all day. This hides buttons and
		// protects nothing: Temporal's command line has them all.
		WorkflowTerminateDisabled: true,
		WorkflowCancelDisabled:    true,
		WorkflowResetDisabled:     true,
		WorkflowPauseDisabled:     true,
		BatchActionsDisabled:      true,
		StartWorkflowDisabled:     true,
		ActivityCommandsDisabled:  true,
	}))
	// Start ends the process when it cannot listen; the port was looked at before anything was started.
	go func() { _ = server.Start() }()

	asking, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	for {
		req, err := http.NewRequestWithContext(asking, http.MethodGet, "http://"+at(port)+"/healthz", nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(req)
		if err == nil {
			answer.Body.Close()
			return server, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-asking.Done():
			server.Stop()
			return nil, fmt.Errorf("the Web UI of Temporal does not answer at %s: %w", at(port), err)
		}
	}
}
