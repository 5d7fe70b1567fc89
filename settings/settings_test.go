package settings_test

import (
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
