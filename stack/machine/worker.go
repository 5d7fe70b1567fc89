package machine

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// workerChild runs the project's own worker: the same program that runs against any other Temporal.
func (m *Machine) workerChild(name, log, program string, more ...string) *child {
	return &child{
		name:    name,
		logFile: m.folder.log(log),
		say:     m.say,
		command: func() (*exec.Cmd, error) {
			cmd := exec.Command(program)
			cmd.Env = append(m.workerEnv(), more...)
			return cmd, nil
		},
		stopSignal:   syscall.SIGTERM,
		stopWithin:   30 * time.Second, // what it has begun it may finish
		orphanSignal: syscall.SIGKILL,  // what it has not finished is done again by the next
	}
}

func (m *Machine) workerEnv() []string {
	return append(append(os.Environ(), m.Env()...), m.config.WorkerEnv...)
}
