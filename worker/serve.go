package main

import (
	"log/slog"
	"net/http"

	"kap/program"
)

// serve answers at an address how the worker is, until the function that it returns is called.
func serve(address string, log *slog.Logger, h *health, metrics http.Handler) (stop func(), err error) {
	listener, err := program.Listen("KAP_LISTEN", address)
	if err != nil {
		return nil, err
	}
	return program.Serve(listener, log, "health and metrics", program.Pages(h.report, metrics), program.Patience), nil
}
