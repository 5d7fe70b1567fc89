package machine

import (
	"context"
	"fmt"
	"net"

	"kap/stack/inbox"
)

// placeholderKey is the API key that clients of the inbox use: the inbox takes any, and this one opens nothing anywhere
// else.
const placeholderKey = "SG.inbox"

// startInbox serves the inbox that stands in for SendGrid, until stop is called.
func startInbox(dir string, port int, say func(string, ...any)) (stop func(), err error) {
	in, err := inbox.New(dir)
	if err != nil {
		return nil, fmt.Errorf("the inbox cannot be opened: %w", err)
	}
	listener, err := net.Listen("tcp", at(port))
	if err != nil {
		return nil, fmt.Errorf("the inbox cannot listen: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := in.Serve(ctx, listener); err != nil {
			say("the inbox ended unexpectedly: %v", err)
		}
	}()
	return func() { cancel(); <-ended }, nil
}
