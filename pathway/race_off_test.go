//go:build !race

package pathway

const (
	underRace = false
	usually   = 2000
)
