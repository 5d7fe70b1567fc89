package machine

import (
	"os/exec"
	"runtime"
	"sync"
)

// starts carries commands to the one thread that starts all children.
var starts = sync.OnceValue(func() chan start {
	queue := make(chan start)
	go func() {
		// "End with the parent" means the thread that started the child, not the process: a thread that the Go runtime
		// retires would take the child with it. This one is locked and lives as long as the process.
		runtime.LockOSThread()
		for s := range queue {
			s.result <- s.cmd.Start()
		}
	}()
	return queue
})

type start struct {
	cmd    *exec.Cmd
	result chan error
}

func spawn(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	starts() <- start{cmd, result}
	return <-result
}
