package inbox

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
)

// Main is the inbox as a process of its own, until SIGTERM or Ctrl-C. It returns the exit code.
func Main(args []string) int {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()
	err := Run(ctx, args, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "inbox:", err)
		return 1
	}
	return 0
}

// Run serves until the context ends, or, with --health, asks whoever serves there.
func Run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("inbox", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:8025", "the `address` to listen on")
	data := flags.String("data", "", "the `folder` that messages are kept in")
	zone := flags.String("zone", "UTC", "the time `zone` in which the pages show times, such as America/New_York")
	events := flags.String("events", "", "the `address` at which it tells what becomes of messages, as SendGrid's event webhook does")
	eventsKey := flags.String("events-key", "", "the `file` with the key that signs that")
	health := flags.Bool("health", false, "only ask whether an inbox answers at that address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("found %q, expected flags alone", flags.Arg(0))
	case *health:
		return Answers(ctx, *listen)
	case *data == "":
		return errors.New("--data: found nothing, expected a folder to keep messages in")
	}
	shown, err := time.LoadLocation(*zone)
	if err != nil {
		return fmt.Errorf("--zone: found %q, expected a time zone such as America/New_York", *zone)
	}
	in, err := New(*data)
	if err != nil {
		return err
	}
	in.ShowTimesIn(shown)
	if *events != "" {
		key, err := EventKey(*eventsKey)
		if err != nil {
			return fmt.Errorf("--events-key: %w", err)
		}
		in.Tell(*events, key)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	fmt.Fprintf(out, "The inbox is at http://%s and keeps its messages in %s.\n", listener.Addr(), *data)
	return in.Serve(ctx, listener)
}

// Answers is nil where an inbox answers at an address of host and port.
func Answers(ctx context.Context, address string) error {
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
