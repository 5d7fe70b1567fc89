package temporalserver

import (
	"net"
	"strconv"
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
)

// historyShards is small because one machine gains nothing from more, and fixed because Temporal can never change it
// once its database holds a workflow.
const historyShards = 4

const clusterName = "active"

func (s server) config() *config.Config {
	frontend := net.JoinHostPort(s.Host, strconv.Itoa(s.FrontendPort))
	c := &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     "default",
			VisibilityStore:  "visibility",
			NumHistoryShards: historyShards,
			DataStores: map[string]config.DataStore{
				"default":    {SQL: s.store(s.Database, 20)},
				"visibility": {SQL: s.store(s.Visibility, 10)},
			},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {
					Enabled:                true,
					InitialFailoverVersion: 1,
					RPCAddress:             frontend,
				},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services: map[string]config.Service{
			"frontend": s.service(s.FrontendPort),
			"history":  s.service(s.HistoryPort),
			"matching": s.service(s.MatchingPort),
			"worker":   s.service(s.WorkerPort),
		},
		PublicClient: config.PublicClient{HostPort: frontend},
	}
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = s.Host
	c.Archival.History.State = "disabled"
	c.Archival.Visibility.State = "disabled"
	c.NamespaceDefaults.Archival.History.State = "disabled"
	c.NamespaceDefaults.Archival.Visibility.State = "disabled"
	return c
}

func (s server) store(database string, connections int) *config.SQL {
	return &config.SQL{
		PluginName:      plugin,
		ConnectAddr:     s.PostgresAddress,
		ConnectProtocol: "tcp",
		User:            s.PostgresUser,
		Password:        s.PostgresPassword,
		DatabaseName:    database,
		MaxConns:        connections,
		MaxIdleConns:    connections,
		MaxConnLifetime: time.Hour,
	}
}

func (s server) service(port int) config.Service {
	return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: s.Host}}
}
