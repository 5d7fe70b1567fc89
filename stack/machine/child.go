package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is one process that the machine keeps running: started, watched, started again when it ends by itself, and
// stopped when asked to.
type child struct {
	name    string // what people call it: "PostgreSQL"
	logFile string
	say     func(format string, args ...any)

	// command makes a fresh command for each start.
	command func() (*exec.Cmd, error)
	// ready returns nil once the process does its work; it is asked again and again until then. Nil: ready at once.
	ready func(context.Context) error
	// again tells whether a start that ended early is worth another try. Nil: never.
	again func(attempt int, logTail string) bool

	stopSignal syscall.Signal
	stopWithin time.Duration
	// orphanSignal is what the kernel sends it when the machine's own process is gone.
	orphanSignal syscall.Signal

	mu      sync.Mutex
	process *process      // the one running now, or the last one
	unwatch chan struct{} // closed to say that the next end is wanted; nil while the child is down
	watched chan struct{} // closed when the watcher is gone
}

// process is one run of a child.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	result string // how it ended; to be read after ended is closed
}

// errEndedEarly is the end of a process that was still being waited for.
var errEndedEarly = errors.New("ended while it was starting")

// restartPauses grow, so that a child that cannot run does not take the machine with it.
var restartPauses = []time.Duration{
	200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// calmAfter is how long a child must have run for its next end to count as the first again.
const calmAfter = 30 * time.Second

// up starts the child, waits until it is ready, and watches over it from then on.
func (c *child) up(ctx context.Context) error {
	c.mu.Lock()
	running := c.unwatch != nil
	c.mu.Unlock()
	if running {
		return nil
	}
	for attempt := 1; ; attempt++ {
		p, err := c.launch()
		if err != nil {
			return fmt.Errorf("%s cannot be started: %w", c.name, err)
		}
		err = c.awaitReady(ctx, p)
		if err == nil {
			c.watch(p)
			return nil
		}
		if !errors.Is(err, errEndedEarly) {
			c.end(p)
			return fmt.Errorf("%s did not become ready: %w; its log is %s", c.name, err, c.logFile)
		}
		tail := tailOf(c.logFile)
		if c.again == nil || !c.again(attempt, tail) {
			return fmt.Errorf("%s ended while it was starting (%s); the end of its log %s:\n%s",
				c.name, p.result, c.logFile, tail)
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// down stops the child for good: whatever is running is asked to end, and after its time it is killed.
func (c *child) down() {
	c.mu.Lock()
	unwatch, watched := c.unwatch, c.watched
	c.unwatch = nil
	c.mu.Unlock()
	if unwatch == nil {
		return
	}
	close(unwatch)
	<-watched
	c.end(c.current())
}

// pid is the process running now, 0 if there is none.
func (c *child) pid() int {
	p := c.current()
	if p == nil {
		return 0
	}
	select {
	case <-p.ended:
		return 0
	default:
		return p.cmd.Process.Pid
	}
}

func (c *child) current() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process
}

func (c *child) launch() (*process, error) {
	cmd, err := c.command()
	if err != nil {
		return nil, err
	}
	log, err := openLog(c.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A group of its own: Ctrl-C in a terminal reaches the whole foreground group, and would stop PostgreSQL first.
	cmd.SysProcAttr.Setpgid = true
	endWithParent(cmd.SysProcAttr, c.orphanSignal)
	if err := spawn(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		p.result = cmd.ProcessState.String()
		close(p.ended)
	}()
	c.mu.Lock()
	c.process = p
	c.mu.Unlock()
	return p, nil
}

func (c *child) awaitReady(ctx context.Context, p *process) error {
	if c.ready == nil {
		return nil
	}
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	var last error
	for {
		asking, done := context.WithTimeout(ctx, 5*time.Second)
		last = c.ready(asking)
		done()
		if last == nil {
			return nil
		}
		select {
		case <-p.ended:
			return errEndedEarly
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", last, context.Cause(ctx))
		case <-pause.C:
		}
	}
}

// watch starts the watcher: it launches the child anew whenever it ends and nobody asked it to.
func (c *child) watch(p *process) {
	unwatch, watched := make(chan struct{}), make(chan struct{})
	c.mu.Lock()
	c.unwatch, c.watched = unwatch, watched
	c.mu.Unlock()

	go func() {
		defer close(watched)
		ends := 0
		for {
			since := time.Now()
			select {
			case <-unwatch:
				return
			case <-p.ended:
			}
			if time.Since(since) > calmAfter {
				ends = 0
			}
			for {
				pause := restartPauses[min(ends, len(restartPauses)-1)]
				ends++
				c.say("%s ended unexpectedly (%s); starting it again in %s. Its log is %s", c.name, p.result, pause, c.logFile)
				select {
				case <-unwatch:
					return
				case <-time.After(pause):
				}
				next, err := c.launch()
				if err == nil {
					p = next
					break
				}
				c.say("%s cannot be started: %v", c.name, err)
			}
		}
	}()
}

// end asks a process to end, waits, and kills it when it takes too long.
func (c *child) end(p *process) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(c.stopSignal)
	select {
	case <-p.ended:
		return
	case <-time.After(c.stopWithin):
	}
	c.say("%s did not end within %s and is killed", c.name, c.stopWithin)
	_ = p.cmd.Process.Signal(os.Kill)
	<-p.ended
}
