package machine

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// Env is how the worker, the command line and scripts find everything: one KEY=value each, in the order they are read
// best.
func (m *Machine) Env() []string {
	all := []string{
		"DATABASE_URL=" + m.DatabaseURL(),
		"TEMPORAL_ADDRESS=" + m.TemporalAddress(),
		"TEMPORAL_NAMESPACE=" + Namespace,
		"SENDGRID_BASE_URL=" + m.InboxURL(),
		"SENDGRID_API_KEY=" + placeholderKey,
		"KAP_UI_URL=" + m.UIURL(),
		"KAP_INBOX_URL=" + m.InboxURL(),
	}
	all = append(all, m.config.practiceFiles()...)
	if m.config.WorkerPath != "" {
		all = append(all, "KAP_LISTEN="+at(m.config.MetricsPort))
	}
	if m.config.WebPath != "" {
		all = append(all, "KAP_WEB_LISTEN="+at(m.config.WebPort), "KAP_WEB_HEALTH="+at(m.config.WebHealthPort), "SENDGRID_WEBHOOK_PUBLIC_KEY="+m.eventsKey, "KAP_WEB_URL="+m.WebURL(), "KAP_LINK_KEY="+m.linksKey)
	}
	return all
}

// practiceFiles names the practice's own files where the worker is given any, by absolute paths: or the command line, run somewhere
// else, would read the sample practice.
func (c *Config) practiceFiles() []string {
	var all []string
	for _, name := range []string{"KAP_PRACTICE", "KAP_PROTOCOL"} {
		if path := c.workerVariable(name); path != "" {
			if whole, err := filepath.Abs(path); err == nil {
				path = whole
			}
			all = append(all, name+"="+path)
		}
	}
	return all
}

// workerVariable is a variable as the worker sees it: the caller's own, unless WorkerEnv says otherwise.
func (c *Config) workerVariable(name string) string {
	found := ""
	for _, line := range append(os.Environ(), c.WorkerEnv...) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			found = value
		}
	}
	return found
}

// takenApart are signs at which a shell that reads the file of addresses takes a path apart.
const takenApart = " \t\n'\"\\$`&|;<>()*?[]{}#!"

// DatabaseURL is the address of our own database.
func (m *Machine) DatabaseURL() string { return m.postgres.url(ourDatabase, ourDatabase) }

// PostgresAddress is host and port of PostgreSQL.
func (m *Machine) PostgresAddress() string { return at(m.config.PostgresPort) }

// TemporalAddress is host and port of Temporal's frontend.
func (m *Machine) TemporalAddress() string { return at(m.config.TemporalPort) }

// UIURL is Temporal's Web UI.
func (m *Machine) UIURL() string { return "http://" + at(m.config.UIPort) }

// InboxURL is the inbox that stands in for SendGrid, and where a browser shows what it caught.
func (m *Machine) InboxURL() string { return "http://" + at(m.config.InboxPort) }

// WorkerURL is where the worker that is run from here says how it is.
func (m *Machine) WorkerURL() string { return "http://" + at(m.config.MetricsPort) }

// writeEnv writes the addresses for a shell to read; none holds a character that a shell would take apart.
func (m *Machine) writeEnv(context.Context) error {
	return writeFile(m.folder.env(), strings.Join(m.Env(), "\n")+"\n")
}
