package settings_test

import (
	"strings"
	"testing"

	"kap/settings"
)

// Whatever stands in the environment: it is read, or refused by the name of a variable, in one line.
func FuzzSettings(f *testing.F) {
	for _, s := range settings.All() {
		f.Add(s.Name, s.Default)
		f.Add(s.Name, "yes")
	}
	f.Add("SENDGRID_BASE_URL", "https://kap:secret@mail.example")
	f.Add("KAP_LISTEN", "[::1]:9464\n")
	f.Add("KAP_RELEASE", "e83a80e-3f9c2a7b")
	f.Fuzz(func(t *testing.T, name, value string) {
		environ := []string{name + "=" + value}
		_, err := settings.Load[settings.Worker](environ)
		_, other := settings.Load[settings.Starter](environ)
		for _, err := range []error{err, other} {
			if err == nil {
				continue
			}
			if by, _, ok := strings.Cut(err.Error(), ":"); !ok || by == "" || !strings.Contains(by, "?") && !strings.HasPrefix(name, by) {
				t.Errorf("%s=%q is refused without its name: %v", name, value, err)
			}
			if strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Errorf("%s=%q is refused in more than one line: %q", name, value, err)
			}
			if !strings.HasPrefix(name, "KAP_") && strings.Contains(value, "@") && len(value) > 8 && strings.Contains(err.Error(), value) {
				t.Errorf("%s: the refusal repeats what may be a password", name)
			}
		}
	})
}
