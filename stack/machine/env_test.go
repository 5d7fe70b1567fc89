package machine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The command line reads the practice's files that the worker has, wherever either was started.
func TestThePracticesFilesAreNamed(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KAP_PRACTICE", "lon.yaml")
	for _, row := range []struct{ env, names []string }{
		{nil, []string{"KAP_PRACTICE=" + filepath.Join(here, "lon.yaml")}},
		{[]string{"KAP_PRACTICE=/srv/own.yaml", "KAP_PROTOCOL=/srv/p.yaml"}, []string{"KAP_PRACTICE=/srv/own.yaml", "KAP_PROTOCOL=/srv/p.yaml"}},
		{[]string{"KAP_PRACTICE="}, nil},
	} {
		m := &Machine{config: Config{WorkerEnv: row.env}, postgres: &postgres{}}
		named := slices.DeleteFunc(m.Env(), func(line string) bool {
			return !strings.HasPrefix(line, "KAP_PRACTICE=") && !strings.HasPrefix(line, "KAP_PROTOCOL=")
		})
		if !slices.Equal(named, row.names) {
			t.Errorf("%v: found %v, expected %v", row.env, named, row.names)
		}
	}
	c := Config{WorkerEnv: []string{"KAP_PRACTICE=/srv/our practice.yaml"}}
	if err := c.complete(); err == nil || !strings.HasPrefix(err.Error(), `KAP_PRACTICE: found "/srv/our practice.yaml", expected a path without blanks`) {
		t.Errorf("found %v", err)
	}
}
