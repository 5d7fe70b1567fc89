package workflows

import (
	"time"

	"go.temporal.io/sdk/worker"
)

// Cached is how many workflows a worker keeps in memory; the others it reads again when they are spoken to.
const Cached = 2000

// Polling are the worker's options by which what it measures can be compared with another workflow's.
func Polling(o worker.Options) worker.Options {
	o.StickyScheduleToStartTimeout = 10 * time.Second // how long a pathway waits for a worker that was killed
	o.MaxConcurrentActivityTaskPollers = 2
	return o
}
