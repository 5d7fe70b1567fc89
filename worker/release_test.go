package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"kap/program"
	"kap/settings"
)

// Whoever keeps releases apart asks the program itself.
func TestAWorkerSaysWhichReleaseItIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ []string
		says    string // a pattern
		exit    int
	}{
		{nil, `^kap ([0-9a-f]{7}-)?[0-9a-f]{8}\n$`, program.Done},
		{[]string{"KAP_RELEASE=v1.2.3"}, `^kap v1\.2\.3\n$`, program.Done},
		{[]string{"KAP_DEPLOYMENT=elm-street", "KAP_RELEASE=7"}, `^elm-street 7\n$`, program.Done},
		{[]string{"KAP_DEPLOYMENT=off"}, `^$`, program.Done},
		{[]string{"KAP_RELEASE=a b"}, `^$`, program.Misuse},
	} {
		var out strings.Builder
		if exit := run([]string{releaseCommand}, c.environ, &out, io.Discard); exit != c.exit || !regexp.MustCompile(c.says).MatchString(out.String()) {
			t.Errorf("%q: it ended with %d and said %q, expected %d and %s", c.environ, exit, &out, c.exit, c.says)
		}
	}
	one, err := version(settings.Worker{House: settings.House{Deployment: "kap"}})
	if two, err2 := version(settings.Worker{House: settings.House{Deployment: "kap"}}); err != nil || err2 != nil || one != two {
		t.Errorf("one program is two releases: %v and %v (%v, %v)", one, two, err, err2)
	}
}
