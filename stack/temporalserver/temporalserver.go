// Package temporalserver is Temporal's server as one process over PostgreSQL: the stock server, its stock schemas, and
// the settings of one machine. It is the only package of the project that imports the server, and it knows nothing of
// pathways. Main is called in a process of its own, so that the server can be killed and started again like any other.
package temporalserver

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"

	"kap/stack/settings"
)

// Main runs the server until SIGTERM or SIGINT and returns the status to exit with. What it has to say goes to
// standard output and standard error.
func Main() int {
	var s server
	err := json.NewDecoder(os.Stdin).Decode(&s.Server)
	if err != nil {
		err = fmt.Errorf("its settings are read from standard input: %w", err)
	} else {
		err = s.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Temporal's server:", err)
		return 1
	}
	return 0
}

type server struct{ settings.Server }

func (s server) run() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)

	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: true, Level: "warn"}))
	if err := s.applySchemas(logger); err != nil {
		return err
	}
	running, err := temporal.NewServer(
		temporal.WithConfig(s.config()),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(map[primitives.ServiceName]static.Hosts{
			primitives.FrontendService: s.host(s.FrontendPort),
			primitives.HistoryService:  s.host(s.HistoryPort),
			primitives.MatchingService: s.host(s.MatchingPort),
			primitives.WorkerService:   s.host(s.WorkerPort),
		}),
		temporal.WithDynamicConfigClient(dynamicConfig()),
		temporal.WithLogger(logger),
	)
	if err != nil {
		return fmt.Errorf("cannot be put together: %w", err)
	}
	if err := running.Start(); err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	<-stop
	return running.Stop()
}

func (s server) host(port int) static.Hosts {
	return static.SingleLocalHost(net.JoinHostPort(s.Host, strconv.Itoa(port)))
}
