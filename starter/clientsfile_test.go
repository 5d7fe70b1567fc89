package main

import "testing"

// FuzzReadClients looks for a file that is neither read nor refused in a sentence.
func FuzzReadClients(f *testing.F) {
	for _, seed := range []string{`[]`, `[{"given_name":"Anna","care_team":{"therapist":"t-lane","coordinators":["c-desk"]},"comfortable":true}]`, `[{"by":null}]`, `[{`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, problems := readClients(text)
		for _, err := range problems {
			if _, plain := err.(*failure); !plain {
				t.Errorf("found the error %v, expected a sentence", err)
			}
		}
		if len(problems) == 0 && len(all) == 0 {
			t.Error("found nobody and no error")
		}
	})
}
