package machine

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"kap/practice"
	"kap/stack/inbox"
	"kap/stack/settings"
)

// placeholderKey is the API key that clients of the inbox use: the inbox takes any, and this one opens nothing anywhere
// else.
const placeholderKey = "SG.inbox"

// inboxChild runs the inbox that stands in for SendGrid: the stack's program under another hidden subcommand.
func (m *Machine) inboxChild() *child {
	address := at(m.config.InboxPort)
	return &child{
		name:    "the inbox",
		logFile: m.folder.log("inbox"),
		say:     m.say,
		command: func() (*exec.Cmd, error) {
			args := []string{settings.InboxCommand, "--listen", address, "--data", m.folder.inbox(), "--zone", m.zone()}
			if m.config.WebPath != "" {
				args = append(args, "--events", m.WebURL()+"/events", "--events-key", m.folder.eventsKey())
			}
			return exec.Command(m.config.StackPath, args...), nil
		},
		ready:        func(ctx context.Context) error { return inbox.Answers(ctx, address) },
		stopSignal:   syscall.SIGTERM,
		stopWithin:   10 * time.Second,
		orphanSignal: syscall.SIGTERM,
	}
}

// zone is the practice's; UTC where its file cannot be read, of which the worker says why.
func (m *Machine) zone() string {
	house, err := practice.Load(m.config.workerVariable("KAP_PRACTICE"))
	if err != nil {
		return "UTC"
	}
	return house.Zone
}
