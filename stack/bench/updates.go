package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

// The load under which updates are timed: so many senders at once, spread over so many workflows, each of which hears about as much
// as a pathway does in its months.
const (
	senders  = 16
	speaking = 96
	turns    = 4 // so often in a round the kinds take turns: the machine's speed changes within a minute
)

// measureUpdates times an update from sending it to its answer: one after the other, and with many senders at once. kap's is
// a measure, which is journalled and shown; the bare one does one local activity that does nothing, and another that writes a row.
func measureUpdates(ctx context.Context, h *house, r *report) error {
	ids := map[side][]string{}
	for _, whose := range []side{kap, bare} {
		var mu sync.Mutex
		enrol := h.enroller(whose)
		err := h.many(ctx, speaking, 8, func(ctx context.Context, i int) (string, error) {
			id, err := enrol(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			ids[whose] = append(ids[whose], id)
			return id, err
		})
		if err != nil {
			return err
		}
	}
	for range h.rounds {
		for _, load := range []struct {
			name   string
			atOnce int
		}{{"idle", 1}, {fmt.Sprintf("%d senders", senders), senders}} {
			kinds := []struct {
				whose        side
				update, name string
				took         []float64
			}{{kap, "measure", "", nil}, {bare, "keep", "", nil}, {bare, "write", ", a row written", nil}}
			for range turns {
				for i, of := range kinds {
					took, err := h.speak(ctx, of.update, ids[of.whose], load.atOnce)
					if err != nil {
						return err
					}
					kinds[i].took = append(of.took, took...)
				}
			}
			for _, of := range kinds {
				r.add(of.whose, "update, "+load.name+of.name+", p50", "ms", quantile(of.took, 0.5))
				r.add(of.whose, "update, "+load.name+of.name+", p99", "ms", quantile(of.took, 0.99))
			}
		}
	}
	return nil
}

// speak sends the updates, and says how many milliseconds each took.
func (h *house) speak(ctx context.Context, update string, ids []string, atOnce int) ([]float64, error) {
	took := make([]float64, max(1, h.updates/turns))
	err := together(len(took), atOnce, func(i int) error {
		o := client.UpdateWorkflowOptions{WorkflowID: ids[i%len(ids)], WaitForStage: client.WorkflowUpdateStageCompleted, UpdateName: update}
		if update == "measure" {
			o.Args = []any{json.RawMessage(fmt.Sprintf(`{"by":"%s","id":"%s","scale":"phq-9","total":%d,"item_9":0}`, teamOf(0).therapist, opaque(), 10+i%5))}
		}
		begun := time.Now()
		handle, err := h.client.UpdateWorkflow(ctx, o)
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		took[i] = float64(time.Since(begun).Microseconds()) / 1000
		return err
	})
	return took, err
}
