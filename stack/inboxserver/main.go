// Command inboxserver runs the inbox that stands in for SendGrid by itself, for a kap that is not run by the stack. It knows
// nobody: whoever reaches its address reads every message.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"kap/stack/inbox"
)

func main() {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "inbox:", err)
		os.Exit(1)
	}
}

// run serves until the context ends, or, with --health, asks whoever serves there.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("inbox", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:8025", "the `address` to listen on")
	data := flags.String("data", "", "the `folder` that messages are kept in")
	health := flags.Bool("health", false, "only ask whether an inbox answers at that address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("found %q, expected flags alone", flags.Arg(0))
	case *health:
		return ask(ctx, *listen)
	case *data == "":
		return errors.New("--data: found nothing, expected a folder to keep messages in")
	}
	in, err := inbox.New(*data)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	fmt.Fprintf(out, "The inbox is at http://%s and keeps its messages in %s.\n", listener.Addr(), *data)
	return in.Serve(ctx, listener)
}

func ask(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/faults", nil)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	// Never through a proxy that is set for the mail service.
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}
