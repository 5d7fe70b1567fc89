package program_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kap/program"
)

func TestAWorkerIsAskedWhetherItIsReady(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer int
		listen string // PORT is the one at which the worker answers
		says   string // by the error; "": there is none
	}{
		{http.StatusOK, "127.0.0.1:PORT", ""},
		{http.StatusOK, "0.0.0.0:PORT", ""},
		{http.StatusOK, ":PORT", ""},
		{http.StatusServiceUnavailable, "127.0.0.1:PORT", "is not ready: 503 Service Unavailable PostgreSQL is away"},
		{http.StatusOK, "127.0.0.1:1", "nobody answers at"},
		{http.StatusOK, "", "KAP_LISTEN: found off"},
	} {
		worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			w.WriteHeader(c.answer)
			_, _ = w.Write([]byte("PostgreSQL is away\n"))
		}))
		_, port, err := net.SplitHostPort(worker.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		err = program.AskReady(t.Context(), "KAP_LISTEN", strings.Replace(c.listen, "PORT", port, 1), "worker")
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s answering %d: found %v, expected %q", c.listen, c.answer, err, c.says)
		}
		worker.Close()
	}
}
