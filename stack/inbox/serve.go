package inbox

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Serve answers on the listener until the context ends; whoever is being answered then has five seconds. It returns an error
// only where it could not go on before.
func (in *Inbox) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: in.Handler(), ReadHeaderTimeout: 10 * time.Second}
	if in.events != nil {
		go in.events.run(ctx)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stopping, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	if server.Shutdown(stopping) != nil {
		_ = server.Close() // a client that was told to hang goes on hanging
	}
	return nil
}
