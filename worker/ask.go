package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"kap/settings"
)

// askCommand makes the program ask a worker instead of being one: worker health. It is for the health check of a container,
// which holds no other program that could ask.
const askCommand = "health"

// ask asks the worker that has the same settings whether it is ready.
func ask(ctx context.Context, environ []string) error {
	s, err := settings.Load[settings.Worker](environ)
	if err != nil {
		return err
	}
	return askReady(ctx, string(s.Listen))
}

// askWithin is longer than a worker takes to answer that something else does not answer it.
const askWithin = 8 * time.Second

func askReady(ctx context.Context, listen string) error {
	if listen == "" {
		return errors.New("KAP_LISTEN: found off, expected the address at which the worker says whether it is ready")
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	// An address that stands for all of a machine's is, in Go, also one at which the machine can be asked.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request) // never through a proxy
	if err != nil {
		return fmt.Errorf("KAP_LISTEN: nobody answers at %s; is it the address of a worker that runs?", listen)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		says, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		return fmt.Errorf("the worker at %s is not ready: %s %s", listen, answer.Status, strings.TrimSpace(string(says)))
	}
	return nil
}
