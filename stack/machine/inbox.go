package machine

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"kap/stack/inbox"
)

// placeholderKey is the API key that clients of the inbox use: the inbox takes any, and this one opens nothing anywhere
// else.
const placeholderKey = "SG.inbox"

// startInbox serves the inbox that stands in for SendGrid.
func startInbox(dir string, port int, say func(string, ...any)) (*http.Server, error) {
	in, err := inbox.New(dir)
	if err != nil {
		return nil, fmt.Errorf("the inbox cannot be opened: %w", err)
	}
	listener, err := net.Listen("tcp", at(port))
	if err != nil {
		return nil, fmt.Errorf("the inbox cannot listen: %w", err)
	}
	server := &http.Server{Handler: in.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			say("the inbox ended unexpectedly: %v", err)
		}
	}()
	return server, nil
}
