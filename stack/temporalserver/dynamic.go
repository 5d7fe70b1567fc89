package temporalserver

import (
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// dynamicConfig holds the few settings that differ from Temporal's own defaults, which are meant for clusters of many
// machines and many tenants.
func dynamicConfig() dynamicconfig.Client {
	return dynamicconfig.StaticClient{
		// Tests and demonstrations move one workflow's clock; off by default in the server.
		dynamicconfig.WorkflowTimeSkippingEnabled.Key(): true,

		// Twenty polls a second and shard is 50 ms between one message and the next to the same workflow.
		dynamicconfig.TransferProcessorMaxPollRPS.Key(): 1000,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():    1000,

		// A timer that is due within this time is put off by as much, so that servers whose clocks differ do not miss
		// it. There is one clock here; with the default of a second every skip of time costs a second.
		dynamicconfig.TimerProcessorMaxTimeShift.Key(): 10 * time.Millisecond,

		// A workflow whose clock was moved looks newer to the server than it is when it continues as new, and would be
		// held up for a second as if it did so in a loop; skipping time would then jump over its first task.
		dynamicconfig.WorkflowIdReuseMinimalInterval.Key(): time.Duration(0),

		// Staff, tests and scripts write to one pathway back to back: ten updates in flight is soon reached, and then
		// the eleventh is refused as "resource exhausted". The limits on a run's total stay: they make the server
		// suggest a continue-as-new.
		dynamicconfig.WorkflowExecutionMaxInFlightUpdates.Key(): 100,

		// Lists and counts come from one person's screen and from scripts, not from tenants to protect from each other.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 200,

		// One partition per task queue: four are for throughput that one machine does not have, and a task lying in
		// a partition that nobody happens to poll waits to be forwarded.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		// A worker with a long queue of its own asks for nothing else, and for a while after it is empty: what waited there
		// for too long, and was put before all workers, then waits until such a poll ends. A minute is the default.
		dynamicconfig.MatchingLongPollExpirationInterval.Key(): 10 * time.Second,

		// A new search attribute is usable when the caches of all services have seen it.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,

		// Nothing on this machine calls home.
		dynamicconfig.EnableServerVersionCheck.Key(): false,
	}
}
