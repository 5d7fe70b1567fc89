package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Patience bounds what is asked of PostgreSQL and Temporal for one page: whoever asks waits for ten seconds at most.
const Patience = 4 * time.Second

// Listen begins to listen at the address that a setting gives.
func Listen(setting, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: found %s, which another program listens on, expected a free address, or off", setting, address)
	case err != nil:
		return nil, fmt.Errorf("%s: found %s, on which this program cannot listen, expected an address of this machine, or off", setting, address)
	}
	return listener, nil
}

// Serve answers on a listener until the function that it returns is called, which lets what has begun finish for as long as
// patience says. what is served is named in the log.
func Serve(listener net.Listener, log *slog.Logger, what string, handler http.Handler, patience time.Duration) (stop func()) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error(what+" are no longer served", "error", err)
		}
	}()
	log.Info(what+" are served", "address", "http://"+listener.Addr().String())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}
}

// Report says of each part of a program that it is well, or in a few words what it lacks.
type Report map[string]string

// Well is what a report says of a part that lacks nothing. What begins so is well, too.
const Well = "ok"

// Fine says whether a part is well enough that starting the program again would not help.
func Fine(says string) bool { return says == Well || strings.HasPrefix(says, Well+", but ") }

// Ready says whether all parts are well.
func (r Report) Ready() bool {
	return !slices.ContainsFunc(slices.Collect(maps.Values(r)), func(says string) bool { return !Fine(says) })
}

// Pages are where a program says that it lives, whether it is ready, and what Prometheus reads.
func Pages(report func(context.Context) Report, metrics http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		parts := report(r.Context())
		w.Header().Set("Content-Type", "application/json")
		if !parts.Ready() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(struct {
			Ready bool   `json:"ready"`
			Parts Report `json:"parts"`
		}{parts.Ready(), parts})
	})
	mux.Handle("GET /metrics", metrics)
	return mux
}

// askWithin is longer than a program takes to answer that something else does not answer it.
const askWithin = 8 * time.Second

// AskReady asks the program that listens at the address which a setting gives whether it is ready.
func AskReady(ctx context.Context, setting, listen, who string) error {
	if listen == "" {
		return fmt.Errorf("%s: found off, expected the address at which the %s says whether it is ready", setting, who)
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
		return fmt.Errorf("%s: nobody answers at %s; is it the address of a %s that runs?", setting, listen, who)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		says, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		return fmt.Errorf("the %s at %s is not ready: %s %s", who, listen, answer.Status, strings.TrimSpace(string(says)))
	}
	return nil
}
