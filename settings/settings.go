// Package settings names every environment variable of kap's programs, what it is for and its default. A wrong one is
// refused by its name before anything is started. Temporal's own variables and profile file are Temporal's to read.
package settings

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caarlos0/env/v11"

	"kap/links"
)

// Base is what all programs read: give them the same.
type Base struct {
	DatabaseURL string `env:"DATABASE_URL" about:"the practice's PostgreSQL database"`
	Practice    string `env:"KAP_PRACTICE" about:"the practice's file; without it the sample practice"`
}

// House is what worker and starter both read: give them the same.
type House struct {
	Base
	Protocol   string `env:"KAP_PROTOCOL" about:"the clinical numbers; without it the built-in ones"`
	Deployment Label  `env:"KAP_DEPLOYMENT" envDefault:"kap" about:"the name under which Temporal keeps this practice's releases; off: it keeps none"`
}

// Logs is what the programs read that run for long.
type Logs struct {
	LogLevel  Level     `env:"KAP_LOG_LEVEL" envDefault:"info" about:"debug, info, warn or error"`
	LogFormat LogFormat `env:"KAP_LOG_FORMAT" envDefault:"text" about:"text, or json for programs that collect logs"`
}

// Worker is what the worker reads.
type Worker struct {
	House
	Mail
	Links
	WebURL PublicURL `env:"KAP_WEB_URL" about:"where clients reach the web process; without it mails have no links"`
	Listen Address   `env:"KAP_LISTEN" envDefault:"127.0.0.1:9464" about:"where health and metrics are served; off: nowhere"`
	Logs
	Release Label `env:"KAP_RELEASE" about:"the release that this worker is; without it one that follows from the program's file"`
}

// Links are what worker and web need for the links in mails: give them the same key.
type Links struct {
	LinkKey Key `env:"KAP_LINK_KEY" about:"the key of the links in mails, the same for worker and web: 32 bytes or more in base64"`
}

// Web is what the program reads that the outside reaches.
type Web struct {
	Base
	Links
	LinkKeyBefore Key     `env:"KAP_LINK_KEY_BEFORE" about:"the key before it, whose links are in mails that are still read"`
	Site          Address `env:"KAP_WEB_LISTEN" envDefault:"127.0.0.1:8030" about:"where it serves what the outside reaches, through a proxy that speaks TLS"`
	EventKey      string  `env:"SENDGRID_WEBHOOK_PUBLIC_KEY" about:"the key with which the mail service's events are verified; without it none are taken"`
	Health        Address `env:"KAP_WEB_HEALTH" envDefault:"127.0.0.1:9465" about:"where its health and metrics are served; off: nowhere"`
	Logs
}

// Starter is what the practice's command line reads.
type Starter struct {
	House
	By       string `env:"KAP_BY" about:"your staff id, so that --by can be left out"`
	UIURL    string `env:"KAP_UI_URL" about:"Temporal's Web UI, for links to it"`
	InboxURL string `env:"KAP_INBOX_URL" about:"the inbox in a browser"`
	Mail
	WebhookKey string `env:"SENDGRID_WEBHOOK_PUBLIC_KEY" about:"the key with which the mail service's events are verified; without it none are taken"`
}

// Setting is one variable.
type Setting struct {
	Name, Default, About string
	Programs             []string // that read it
}

// All lists the variables of kap's own programs.
func All() []Setting {
	var all []Setting
	for _, program := range []struct {
		name  string
		reads any
	}{{"worker", &Worker{}}, {"web", &Web{}}, {"starter", &Starter{}}} {
		params, err := env.GetFieldParams(program.reads)
		if err != nil {
			panic(err) // a struct tag above is wrong
		}
		abouts := abouts(reflect.TypeOf(program.reads).Elem())
		for _, p := range params {
			i := slices.IndexFunc(all, func(s Setting) bool { return s.Name == p.OwnKey })
			if i < 0 {
				i, all = len(all), append(all, Setting{Name: p.OwnKey, Default: p.DefaultValue, About: abouts[p.OwnKey]})
			}
			all[i].Programs = append(all[i].Programs, program.name)
		}
	}
	return all
}

func abouts(t reflect.Type) map[string]string {
	all := map[string]string{}
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("env"); name != "" {
			all[name] = f.Tag.Get("about")
		}
	}
	return all
}

// Load reads a program's settings from KEY=value lines. Its error names the variable, what was found and what was expected; a
// variable that begins with KAP_ and that no program reads is refused as well, because it is a slip of the pen.
func Load[T any](environ []string) (T, error) {
	var into T
	given := env.ToMap(environ)
	delete(given, "") // the library would take it for a value of the whole struct
	if err := known(given); err != nil {
		return into, err
	}
	err := env.ParseWithOptions(&into, env.Options{Environment: given})
	var all env.AggregateError
	if errors.As(err, &all) {
		err = all.Errors[0]
	}
	var wrong env.ParseError
	if errors.As(err, &wrong) {
		field, _ := reflect.TypeOf(into).FieldByName(wrong.Name)
		return into, fmt.Errorf("%s: %w", field.Tag.Get("env"), wrong.Err)
	}
	return into, err
}

func known(given map[string]string) error {
	var names []string
	for _, s := range All() {
		if strings.HasPrefix(s.Name, "KAP_") {
			names = append(names, s.Name)
		}
	}
	var strange []string
	for name := range given {
		if strings.HasPrefix(name, "KAP_") && !slices.Contains(names, name) {
			strange = append(strange, name)
		}
	}
	if len(strange) == 0 {
		return nil
	}
	return fmt.Errorf("%s: found a variable that nothing reads, expected one of %s", printable(slices.Min(strange)), strings.Join(names, ", "))
}

// printable keeps a name that was read from a file from telling a terminal what to do.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, name)
}

// Yes is a switch that nobody throws by accident: yes, or nothing.
type Yes bool

// UnmarshalText refuses anything else.
func (y *Yes) UnmarshalText(text []byte) error {
	if *y = string(text) == "yes"; !*y && string(text) != "no" && len(text) > 0 {
		return fmt.Errorf("found %q, expected yes, or leave it out", text)
	}
	return nil
}

// Key is a secret, as its bytes.
type Key string

// UnmarshalText takes base64, as openssl rand -base64 32 prints it. What was found is never repeated.
func (k *Key) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	secret, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return errors.New("found something that is not base64, expected 32 bytes or more, as openssl rand -base64 32 prints them")
	}
	if len(secret) < links.KeyAtLeast {
		return fmt.Errorf("found a key of %d bytes, expected %d or more, as openssl rand -base64 32 prints them", len(secret), links.KeyAtLeast)
	}
	*k = Key(secret)
	return nil
}

// String keeps a key out of a log.
func (Key) String() string { return "(a key)" }

// GoString does, too.
func (Key) GoString() string { return "(a key)" }

// PublicURL is where the outside reaches something: over TLS, unless it is this machine.
type PublicURL string

// UnmarshalText takes an address to which a path can be added.
func (u *PublicURL) UnmarshalText(text []byte) error {
	var plain URL
	if err := plain.UnmarshalText(text); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "http://127.0.0.1:8025", "https://desk.linden.example"))
	}
	at, err := url.Parse(string(text))
	if err != nil || strings.Trim(at.Path, "/")+at.RawQuery+at.Fragment != "" || len(text) > 200 {
		return errors.New("found an address with more behind it, expected one such as https://desk.linden.example")
	}
	ip := net.ParseIP(at.Hostname())
	if len(text) > 0 && at.Scheme != "https" && at.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("found %q, expected https, because what it leads to is the client's", text)
	}
	*u = PublicURL(strings.TrimRight(string(text), "/"))
	return nil
}

// URL is where something answers over HTTP.
type URL string

// UnmarshalText takes http and https. A password in it would end up in a log.
func (u *URL) UnmarshalText(text []byte) error {
	at, err := url.Parse(string(text))
	switch {
	case len(text) == 0:
	case strings.Contains(string(text), "@"):
		return errors.New("found something else, expected an address such as http://127.0.0.1:8025, without a user or a password")
	case err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "":
		return fmt.Errorf("found %q, expected an address such as http://127.0.0.1:8025", text)
	}
	*u = URL(text)
	return nil
}

// Address is where something listens: host:port, or "" for nowhere.
type Address string

// UnmarshalText takes host:port, or off.
func (a *Address) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		return nil
	}
	if _, port, err := net.SplitHostPort(string(text)); err != nil || port == "" {
		return fmt.Errorf("found %q, expected an address such as 127.0.0.1:9464, or off", text)
	}
	*a = Address(text)
	return nil
}

// Label names a deployment or a release in Temporal, where everybody reads it; "" is none.
type Label string

var plainLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$`)

// UnmarshalText takes what Temporal takes, without what could be a sentence; or off.
func (l *Label) UnmarshalText(text []byte) error {
	switch {
	case len(text) == 0 || string(text) == "off":
		*l = ""
		return nil
	case len(text) > 60 || !plainLabel.Match(text):
		return fmt.Errorf("found %q, expected up to 60 letters, digits, hyphens, dots or underscores", text)
	}
	*l = Label(text)
	return nil
}

// Level is from which level on log lines are written.
type Level slog.Level

// UnmarshalText takes the four names.
func (l *Level) UnmarshalText(text []byte) error {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(level.String(), string(text)) {
			*l = Level(level)
			return nil
		}
	}
	return fmt.Errorf("found %q, expected debug, info, warn or error", text)
}

// LogFormat is how log lines are written.
type LogFormat string

// The formats.
const (
	TextLog LogFormat = "text"
	JSONLog LogFormat = "json"
)

// UnmarshalText takes the two names.
func (f *LogFormat) UnmarshalText(text []byte) error {
	*f = LogFormat(text)
	if *f != TextLog && *f != JSONLog {
		return fmt.Errorf("found %q, expected text or json", text)
	}
	return nil
}
