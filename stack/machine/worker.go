package machine

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// workerChild runs the project's own worker: the same program that runs against any other Temporal.
func (m *Machine) workerChild() *child {
	return &child{
		name:    "the worker",
		logFile: m.folder.log("worker"),
		say:     m.say,
		command: func() (*exec.Cmd, error) {
			cmd := exec.Command(m.config.WorkerPath)
			cmd.Env = append(append(os.Environ(), m.Env()...), m.config.WorkerEnv...)
			return cmd, nil
		},
		stopSignal:   syscall.SIGTERM,
		stopWithin:   30 * time.Second, // what it has begun it may finish
		orphanSignal: syscall.SIGKILL,  // what it has not finished is done again by the next
	}
}
