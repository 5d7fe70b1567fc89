package main

import (
	"strings"

	"kap/pathway"
)

func messageNames() []string {
	var names []string
	for _, m := range pathway.Messages() {
		names = append(names, m.Name)
	}
	return names
}

// listMessages prints the contract with staff. Examples stay on one line each, so that they can be copied.
func (d *desk) listMessages() error {
	for _, m := range pathway.Messages() {
		var who []string
		for _, r := range m.Roles {
			who = append(who, string(r))
		}
		if m.Anybody {
			who = []string{"anybody"}
		}
		d.say("%s (%s)", m.Name, strings.Join(who, ", "))
		d.say("%s", indented("    ", m.About))
		d.say("    %s\n", m.Example)
	}
	return nil
}
