package settings_test

import (
	"os"
	"strings"
	"testing"

	"kap/settings"
)

// Whoever runs kap reads the page: its table has every setting as the programs have it, and no other.
func TestThePageForWhoeverRunsItHasEverySetting(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Settings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var found, want []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| `") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	for _, s := range settings.All() {
		byDefault := "|"
		if s.Default != "" {
			byDefault = "`" + s.Default + "` |"
		}
		want = append(want, "| `"+s.Name+"` | "+strings.Join(s.Programs, ", ")+" | "+byDefault+" "+s.About+" |")
	}
	if f, w := strings.Join(found, "\n"), strings.Join(want, "\n"); f != w {
		t.Errorf("the page has\n%s\nexpected\n%s", f, w)
	}
}
