package mail

import (
	"net/http"
	"testing"
	"time"
)

// Whatever the mail service answers: a wait is none, or one from a second to an hour.
func FuzzRetryAfter(f *testing.F) {
	f.Add("1767621600", "", "")
	f.Add("", "120", "")
	f.Add("-9223372036854775808", "Wed, 21 Oct 2026 07:28:00 GMT", "Mon, 05 Jan 2026 14:00:00 GMT")
	f.Add("9223372036854775807", "9223372036854775807", "x")
	f.Fuzz(func(t *testing.T, reset, after, date string) {
		h := http.Header{"X-Ratelimit-Reset": {reset}, "Retry-After": {after}, "Date": {date}}
		if wait := retryAfter(h, time.Unix(1767621600, 0)); wait != 0 && (wait < time.Second || wait > longestWait) {
			t.Errorf("it waits for %s", wait)
		}
	})
}
