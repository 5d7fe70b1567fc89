package inbox_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kap/stack/inbox"
)

// The pages show when something came on the practice's clock, and say which that is; for programs it stays UTC.
func TestTimesAreShownInThePracticesZone(t *testing.T) {
	t.Parallel()
	in, err := inbox.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("PRACTICE", 5*60*60+45*60)
	in.ShowTimesIn(zone)
	s := httptest.NewServer(in.Handler())
	t.Cleanup(s.Close)
	answer, _, err := post(t, t.Context(), s, call("ada@client.example"))
	if err != nil || answer.StatusCode != 202 {
		t.Fatal(answer, err)
	}
	all, err := in.Messages("")
	if err != nil || len(all) != 1 || all[0].Received.Location() != time.UTC {
		t.Fatalf("%+v, %v", all, err)
	}
	received := all[0].Received.In(zone)
	for path, layout := range map[string]string{"/": "2 Jan 2006, 15:04:05 MST", "/messages/" + all[0].ID: "Monday, 2 January 2006, 15:04:05 MST"} {
		if _, page := get(t, s, path); !strings.Contains(page, received.Format(layout)) || strings.Contains(page, "UTC") {
			t.Errorf("%s does not say %s:\n%s", path, received.Format(layout), page)
		}
	}
}

func TestAZoneThatIsNoneIsNamed(t *testing.T) {
	t.Parallel()
	err := inbox.Run(t.Context(), []string{"--data", t.TempDir(), "--listen", "127.0.0.1:0", "--zone", "Mars"}, t.Output())
	if err == nil || err.Error() != `--zone: found "Mars", expected a time zone such as America/New_York` {
		t.Error(err)
	}
}
