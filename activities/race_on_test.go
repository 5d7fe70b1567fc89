//go:build race

package activities_test

// underRace chooses for the race detector, under which all takes many times as long.
func underRace(with, _ int) int { return with }
