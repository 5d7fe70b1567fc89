package main

import (
	"context"

	"kap/program"
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
	return program.AskReady(ctx, "KAP_LISTEN", string(s.Listen), "worker")
}
