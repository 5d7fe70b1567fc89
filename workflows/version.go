package workflows

import "go.temporal.io/sdk/workflow"

// What a run does differently from those that began before it was so. An older one goes on as its history has it; its next
// run does as is done now.
const (
	showsHolds  workflow.Version = 1 // publishes holds
	fewerEvents workflow.Version = 2 // delivers mails at once and together, and sets no timer for those that are under way
)

// version is what this run does. The change keeps its first name, because that stands in histories.
func version(ctx workflow.Context) workflow.Version {
	return workflow.GetVersion(ctx, "KapOnHold", workflow.DefaultVersion, fewerEvents)
}
