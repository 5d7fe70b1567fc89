package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// serve answers at an address how the worker is, until the function that it returns is called.
func serve(address string, log *slog.Logger, h *health, metrics http.Handler) (stop func(), err error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("KAP_LISTEN: found %s, which another program listens on, expected a free address, or off", address)
	case err != nil:
		return nil, fmt.Errorf("KAP_LISTEN: found %s, on which this program cannot listen, expected an address of this machine, or off", address)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.HandleFunc("GET /readyz", h.serveReady)
	mux.Handle("GET /metrics", metrics)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("health and metrics are no longer served", "error", err)
		}
	}()
	log.Info("health and metrics are served", "address", "http://"+listener.Addr().String())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}, nil
}

func (h *health) serveReady(w http.ResponseWriter, r *http.Request) {
	parts := h.report(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if !parts.ready() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Ready bool   `json:"ready"`
		Parts report `json:"parts"`
	}{parts.ready(), parts})
}
