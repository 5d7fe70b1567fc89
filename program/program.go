// Package program holds what kap's programs that run for long have in common: how they begin and end, a log that names nobody, a
// place in Temporal, and how they serve over HTTP and say how they are. It knows nothing of pathways.
package program

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	tlog "go.temporal.io/sdk/log"
)

// Temporal reads where Temporal is, and how to get in, from Temporal's own variables and profile file. name begins this process's
// identity there.
func Temporal(log *slog.Logger, name string) (client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil { // its text may repeat a key
		return options, errors.New("TEMPORAL_ variables and Temporal's profile file: found something that cannot be read, expected what Temporal documents")
	}
	if options.Namespace == "" {
		options.Namespace = "kap"
	}
	options.Identity = name + "-" + rand.Text()[:8] // the default holds the machine's name
	options.Logger = tlog.NewStructuredLogger(log)
	options.ConnectionOptions.GrpcCompression = compression(options.HostPort)
	return options, nil
}

// compression is none on this machine itself, where it takes more time than it saves, and else the SDK's own.
func compression(address string) client.GrpcCompression {
	host, _, _ := net.SplitHostPort(address)
	if address == "" || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return &client.GrpcCompressionNone{}
	}
	return nil
}

// FirstLine leaves out what an error shows of the practice's file: it may be somebody's address.
func FirstLine(err error) error {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(first)
}
