package program_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"kap/program"
	"kap/settings"
)

// What the SDK would print of messages, in the shape in which it prints it.
func TestTheLogKeepsWhatPeopleSaidToItself(t *testing.T) {
	t.Parallel()
	quoted := `[TMPRL1100] nondeterministic workflow: history event is ActivityTaskScheduled: (ActivityId:5, Input:[{"reason":"Zenobia Palmyra called"}]), replay command is ScheduleActivityTask: (Input:["Zenobia"])`
	for _, format := range []settings.LogFormat{settings.TextLog, settings.JSONLog} {
		var out bytes.Buffer
		log := program.NewLog(&out, settings.Level(slog.LevelInfo), format)
		log.Info("Activity complete after timeout.", "WorkflowID", "pathway-K7Q2M9", "Result", []string{"Zenobia Palmyra"}, "Error", errors.New("context deadline exceeded"))
		log.Warn("Failed to process workflow task.", "WorkflowID", "pathway-B2B2B2", "Error", errors.New(quoted))
		log.Error(quoted, "Attempt", 3)
		if strings.Contains(out.String(), "Zenobia") {
			t.Errorf("the log repeats it: %s", &out)
		}
		for _, want := range []string{"pathway-K7Q2M9", "deadline exceeded", "pathway-B2B2B2", "nondeterministic workflow: history event is ActivityTaskScheduled", "Attempt"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log does not have %s: %s", want, &out)
			}
		}
	}
}
