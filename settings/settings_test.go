package settings_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"kap/settings"
)

func TestWithoutAnyTheDefaultsHold(t *testing.T) {
	t.Parallel()
	w, err := settings.Load[settings.Worker](nil)
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Worker{House: settings.House{Deployment: "kap"}, Listen: "127.0.0.1:9464", Logs: settings.Logs{LogLevel: settings.Level(slog.LevelInfo), LogFormat: settings.TextLog}}
	if w != want {
		t.Errorf("found %+v, expected %+v", w, want)
	}
}

func TestTheyAreRead(t *testing.T) {
	t.Parallel()
	w, err := settings.Load[settings.Worker]([]string{"DATABASE_URL=postgres://kap@127.0.0.1/kap", "KAP_LISTEN=off", "KAP_SEND_FOR_REAL=yes", "KAP_LOG_FORMAT=json", "KAP_LOG_LEVEL=debug"})
	if err != nil {
		t.Fatal(err)
	}
	if w.DatabaseURL != "postgres://kap@127.0.0.1/kap" || w.Listen != "" || !w.Live || w.LogFormat != settings.JSONLog || w.LogLevel != settings.Level(slog.LevelDebug) {
		t.Errorf("found %+v", w)
	}
}

func TestAWrongOneIsRefusedByItsName(t *testing.T) {
	t.Parallel()
	for line, expected := range map[string]string{
		"KAP_LISTEN=9464":                                   `KAP_LISTEN: found "9464", expected an address such as 127.0.0.1:9464, or off`,
		"KAP_LOG_LEVEL=chatty":                              `KAP_LOG_LEVEL: found "chatty", expected debug, info, warn or error`,
		"SENDGRID_BASE_URL=127.0.0.1:8025":                  `SENDGRID_BASE_URL: found "127.0.0.1:8025", expected an address such as http://127.0.0.1:8025`,
		"SENDGRID_BASE_URL=https://kap:secret@mail.example": `SENDGRID_BASE_URL: found something else, expected an address such as http://127.0.0.1:8025, without a user or a password`,
		"KAP_LINK_KEY=secret":                               "KAP_LINK_KEY: found something that is not base64, expected 32 bytes or more, as openssl rand -base64 32 prints them",
		"KAP_LINK_KEY=c2VjcmV0":                             "KAP_LINK_KEY: found a key of 6 bytes, expected 32 or more, as openssl rand -base64 32 prints them",
		"KAP_WEB_URL=http://desk.linden.example":            `KAP_WEB_URL: found "http://desk.linden.example", expected https`,
		"KAP_WEB_URL=desk.linden.example":                   `KAP_WEB_URL: found "desk.linden.example", expected an address such as https://desk.linden.example`,
		"KAP_WEB_URL=https://linden.example/desk":           "KAP_WEB_URL: found an address with more behind it",
		"KAP_WEB_URL=https://desk.linden.example?x=1":       "KAP_WEB_URL: found an address with more behind it",
		"KAP_LOG_FORMAT=xml":                                `KAP_LOG_FORMAT: found "xml", expected text or json`,
		"KAP_SEND_FOR_REAL=perhaps":                         `KAP_SEND_FOR_REAL: found "perhaps", expected yes, or leave it out`,
		"KAP_RELEASE=the one of Monday":                     `KAP_RELEASE: found "the one of Monday", expected up to 60 letters, digits, hyphens, dots or underscores`,
		"KAP_DEPLOYMENT=kap:1":                              `KAP_DEPLOYMENT: found "kap:1", expected up to 60 letters`,
		"KAP_PRACTISE=mine.yaml":                            `KAP_PRACTISE: found a variable that nothing reads, expected one of KAP_PRACTICE, `,
	} {
		if _, err := settings.Load[settings.Worker]([]string{line}); err == nil || !strings.HasPrefix(err.Error(), expected) {
			t.Errorf("%s: found %v, expected %s", line, err, expected)
		}
	}
}

func TestTheKeyOfLinksIsReadAndNeverShown(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"https://desk.linden.example/", "http://127.0.0.1:8030", "http://localhost:8030", "http://[::1]:8030"} {
		w, err := settings.Load[settings.Worker]([]string{"KAP_LINK_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "KAP_WEB_URL=" + at})
		if err != nil || w.LinkKey != "01234567890123456789012345678901" || string(w.WebURL) != strings.TrimSuffix(at, "/") {
			t.Errorf("%s: found %d bytes, %s, %v", at, len(w.LinkKey), w.WebURL, err)
		}
		if said := fmt.Sprintf("%v %+v %#v %s", w, w, w, w.LinkKey); strings.Contains(said, "0123456789") {
			t.Errorf("the key is shown: %s", said)
		}
	}
}

func TestEachSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, s := range settings.All() {
		if s.About == "" || len(s.Programs) == 0 {
			t.Errorf("%s says too little: %+v", s.Name, s)
		}
	}
}

func TestTheTableHasEachSettingOfAProgramAndFitsAScreen(t *testing.T) {
	t.Parallel()
	table := settings.Table("worker")
	for _, s := range settings.All() {
		if slices.Contains(s.Programs, "worker") != strings.Contains(table, "  "+s.Name+" ") {
			t.Errorf("%s is read by %v; the worker's table is\n%s", s.Name, s.Programs, table)
		}
	}
	if !strings.Contains(table, "127.0.0.1:9464)") {
		t.Errorf("no default is shown:\n%s", table)
	}
	for line := range strings.Lines(table) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("longer than 80: %s", line)
		}
	}
}
