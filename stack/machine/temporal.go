package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"kap/stack/settings"
)

// temporal is the server as a process of its own: the stack's program, started once more under a hidden subcommand.
type temporal struct {
	program  string
	port     int
	postgres *postgres
	log      string
}

func (t *temporal) child(say func(string, ...any)) *child {
	return &child{
		name:    "Temporal's server",
		logFile: t.log,
		say:     say,
		command: t.command,
		ready:   t.answers,
		// Between choosing an internal port and listening on it somebody else may have taken it.
		again: func(attempt int, logTail string) bool {
			return attempt < 5 && strings.Contains(logTail, "address already in use")
		},
		stopSignal:   syscall.SIGTERM,
		stopWithin:   20 * time.Second,
		orphanSignal: syscall.SIGKILL, // it keeps nothing that is not in PostgreSQL
	}
}

// command chooses the internal ports anew for each start; nobody but the server itself knows them.
func (t *temporal) command() (*exec.Cmd, error) {
	server := settings.Server{
		PostgresAddress:  at(t.postgres.port),
		PostgresUser:     temporalDatabase,
		PostgresPassword: t.postgres.password,
		Database:         temporalDatabase,
		Visibility:       visibilityDatabase,
		Host:             host,
		FrontendPort:     t.port,
	}
	for _, internal := range []*int{&server.HistoryPort, &server.MatchingPort, &server.WorkerPort} {
		free, err := freePort()
		if err != nil {
			return nil, err
		}
		*internal = free
	}
	input, err := json.Marshal(server)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(t.program, settings.ServerCommand)
	cmd.Stdin = bytes.NewReader(input)
	return cmd, nil
}

// answers asks what every client asks first; the server says so only when its parts have found each other.
func (t *temporal) answers(ctx context.Context) error {
	conn, err := t.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := workflowservice.NewWorkflowServiceClient(conn).GetClusterInfo(ctx, &workflowservice.GetClusterInfoRequest{}); err != nil {
		return fmt.Errorf("no answer at %s: %w", at(t.port), err)
	}
	return nil
}

func (t *temporal) dial() (*grpc.ClientConn, error) {
	return grpc.NewClient(at(t.port), grpc.WithTransportCredentials(insecure.NewCredentials()))
}
