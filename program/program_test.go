package program

import "testing"

func TestNothingIsCompressedOnThisMachine(t *testing.T) {
	t.Parallel()
	for address, near := range map[string]bool{"": true, "127.0.0.1:7233": true, "[::1]:7233": true, "localhost:7233": true,
		"temporal:7233": false, "kap.a1b2c.tmprl.cloud:7233": false, "10.0.0.4:7233": false} {
		if found := compression(address) != nil; found != near {
			t.Errorf("%q: not compressed %v, expected %v", address, found, near)
		}
	}
}
