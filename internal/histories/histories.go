// Package histories keeps what a real Temporal server wrote down of whole pathways, and replays it: for tests that hold today's
// code to it.
package histories

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"kap/workflows"
)

// Replay runs a history through a pathway's workflow, or something in its place. It returns an error where a worker of today
// would do something else than the history has.
func Replay(h *historypb.History, pathway any) error {
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true}) // on a busy machine a second is little
	if err != nil {
		return err
	}
	replayer.RegisterWorkflowWithOptions(pathway, workflow.RegisterOptions{Name: workflows.Name})
	quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // a control that fails says much
	return replayer.ReplayWorkflowHistory(quiet, h)
}

// Write keeps a history as Temporal's tools print it, without the names of the processes that took part.
func Write(path string, h *historypb.History) error {
	text, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(h)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return err
	}
	text, err = json.Marshal(anonymous(tree))
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

// anonymous takes out which processes took part: their names may hold those of a machine and of its user.
func anonymous(tree any) any {
	switch tree := tree.(type) {
	case map[string]any:
		delete(tree, "identity")
		if tree["kind"] == "TASK_QUEUE_KIND_STICKY" { // the SDK begins its name with the machine's
			tree["name"] = "sticky"
		}
		for _, value := range tree {
			anonymous(value)
		}
	case []any:
		for _, value := range tree {
			anonymous(value)
		}
	}
	return tree
}

// Read reads what Write has written.
func Read(path string) (*historypb.History, error) {
	packed, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return client.HistoryFromJSON(bytes.NewReader(text), client.HistoryJSONOptions{})
}
