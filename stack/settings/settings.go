// Package settings is what the stack's parts must agree on: the namespace, and what the machine hands to Temporal's
// server, which runs as a process of its own.
package settings

// Namespace is where the pathways live.
const Namespace = "kap"

// ServerCommand is the hidden subcommand under which the stack's program is Temporal's server.
const ServerCommand = "temporal-server"

// InboxCommand is the one under which it is the inbox.
const InboxCommand = "inbox"

// Server is what that subcommand reads from standard input, as one JSON object: an argument or a variable would show
// the password to everybody who can list processes.
type Server struct {
	PostgresAddress  string `json:"postgres_address"`
	PostgresUser     string `json:"postgres_user"`
	PostgresPassword string `json:"postgres_password"`
	Database         string `json:"database"`
	Visibility       string `json:"visibility"`

	// Host is the one address that everything listens on.
	Host         string `json:"host"`
	FrontendPort int    `json:"frontend_port"`
	HistoryPort  int    `json:"history_port"`
	MatchingPort int    `json:"matching_port"`
	WorkerPort   int    `json:"worker_port"`
}
