package stories

import (
	"testing"
	"time"
)

// Whatever stands in a stories file: it is refused, or each line can be said.
func FuzzStories(f *testing.F) {
	f.Add(sample)
	for _, text := range []string{``, `null`, `[]`, `[{"title":"a","enrol":{},"messages":[{"message":"consent","input":null,"after":"20h"}]}]`, `[{"title":"a","enrol":1,"messages":[{"message":"consent","input":{"at":"+9999999999d"}}]}]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parse("stories.json", text)
		if err != nil {
			return
		}
		for _, s := range all {
			s.digest()
			for _, l := range s.Messages {
				l.Says(map[string]any{"by": "t-lane"}, time.Unix(1767621600, 0))
			}
		}
	})
}
