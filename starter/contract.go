package main

import (
	"fmt"
	"slices"
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

// listMessages prints the contract with staff, or the named part of it with every field. Examples stay on one line each, so that they
// can be copied.
func (d *desk) listMessages(of []string) error {
	for _, name := range of {
		if pathway.Message(name).Name == "" {
			return usage("--list: found the milestone %q, expected one of %s", name, strings.Join(messageNames(), ", "))
		}
	}
	for _, m := range pathway.Messages() {
		if len(of) > 0 && !slices.Contains(of, m.Name) {
			continue
		}
		var who []string
		for _, r := range m.Roles {
			who = append(who, string(r))
		}
		about := m.About
		if i := slices.Index(m.Roles, pathway.Client); i >= 0 {
			who[i] = "client by a link"
			if len(m.Roles) == 1 {
				about += " Only the page behind a link in the client's mail sends it: starter record refuses it."
			}
		}
		if m.Anybody {
			who = []string{"anybody"}
		}
		d.say("%s (%s)", m.Name, strings.Join(who, ", "))
		d.say("%s", indented("    ", about))
		d.say("    %s\n", m.Example)
		for _, t := range m.Takes() {
			if expected := t.Expected; len(of) > 0 {
				if !t.Must {
					expected += "; may be left out"
				}
				d.say("%s", indented(fmt.Sprintf("    %-24s ", t.Name), expected))
			}
		}
	}
	return nil
}
