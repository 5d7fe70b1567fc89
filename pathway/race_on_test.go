//go:build race

package pathway

// The race detector slows everything down tenfold: make test runs the many histories without it.
const (
	underRace = true
	usually   = 300
)
