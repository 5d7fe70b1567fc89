package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kap/pathway"
	"kap/records"
)

// completionPatience is how long a shell waits for the records before it offers nothing.
const completionPatience = 2 * time.Second

// completes lets a shell finish what is typed: pathways with the client's name beside them, milestones and their fields, tasks,
// staff, and whatever has fixed values. What cannot be found out is not offered; completion never says an error.
func (d *desk) completes(root *cobra.Command) {
	for _, c := range root.Commands() {
		name, _, _ := strings.Cut(c.Use, " ")
		c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			return d.offers(c.Context(), name, args, typed), cobra.ShellCompDirectiveNoFileComp
		}
		for _, flag := range []struct {
			name   string
			values func() []string
		}{
			{"for", d.staffIDs}, {"by", d.staffIDs}, {"therapist", d.staffIDs}, {"prescriber", d.staffIDs}, {"coordinator", d.staffIDs},
			{"phase", phases}, {"waiting-on", roles}, {"role", roles}, {"outcome", outcomes},
		} {
			if c.Flags().Lookup(flag.name) != nil {
				_ = c.RegisterFlagCompletionFunc(flag.name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
					return flag.values(), cobra.ShellCompDirectiveNoFileComp
				})
			}
		}
	}
}

// offers are the arguments that can come next.
func (d *desk) offers(ctx context.Context, command string, args []string, typed string) []string {
	if command == "record" && len(args) > 0 && pathway.Message(args[0]).Name == "" { // whose comes first, as done has it
		if _, err := parseCode(args[0]); err == nil && len(args) == 1 {
			args = nil
		} else if err == nil {
			args = append([]string{args[1], args[0]}, args[2:]...)
		}
	}
	switch {
	case command == "record" && len(args) == 0:
		var all []string
		for _, m := range pathway.Messages() {
			if slices.Equal(m.Roles, []pathway.Role{pathway.Client}) { // nobody's here to say
				continue
			}
			all = append(all, m.Name+"\t"+m.About)
		}
		return all
	case command == "record" && len(args) == 1,
		slices.Contains([]string{"show", "history", "tasks", "done"}, command) && len(args) == 0:
		return d.codes(ctx)
	case command == "verify":
		return d.codes(ctx)
	case command == "record" && args[0] == "correct" && strings.HasPrefix(typed, "entry="):
		return d.entryOffers(ctx, args[1])
	case command == "record":
		return fieldOffers(pathway.Message(args[0]), typed)
	case command == "done" && len(args) == 1:
		return d.taskKeys(ctx, args[0])
	case command == "done" && len(args) == 2:
		return pathway.TaskOutcome("").Options()
	}
	return nil
}

// fieldOffers are the fields of a message, and after the equals sign what a field takes.
func fieldOffers(kind pathway.MessageType, typed string) []string {
	if kind.Name == "" {
		return nil
	}
	var all []string
	for _, t := range kind.Takes() {
		options := t.Options
		if t.Expected == "true or false" {
			options = []string{"true", "false"}
		}
		if len(options) == 0 || !strings.HasPrefix(typed, t.Name+"=") {
			all = append(all, t.Name+"=\t"+t.Expected)
			continue
		}
		for _, o := range options {
			all = append(all, t.Name+"="+o)
		}
	}
	return all
}

// entryOffers are the entries that a correction can supersede, the latest first.
func (d *desk) entryOffers(ctx context.Context, text string) []string {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	code, err := parseCode(text)
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range d.entries(ctx, code) {
		all = append(all, "entry="+e.id+"\t"+clean(e.what))
	}
	return all
}

func (d *desk) codes(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	store, err := d.records(ctx)
	if err != nil {
		return nil
	}
	rows, err := store.List(ctx, records.Whose{}, false)
	if err != nil {
		return nil
	}
	var all []string
	for _, r := range rows {
		all = append(all, r.Code+"\t"+clean(r.GivenName+" "+r.FamilyName+", "+r.Phase))
	}
	return all
}

func (d *desk) taskKeys(ctx context.Context, text string) []string {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	code, err := parseCode(text)
	if err != nil {
		return nil
	}
	store, err := d.records(ctx)
	if err != nil {
		return nil
	}
	tasks, err := store.Tasks(ctx, records.Whose{Pathway: code})
	if err != nil {
		return nil
	}
	var all []string
	for _, t := range tasks {
		all = append(all, t.Key+"\t"+clean(t.What))
	}
	return all
}

func (d *desk) staffIDs() []string {
	house, _, err := d.house()
	if err != nil {
		return nil
	}
	var all []string
	for _, s := range house.Staff {
		all = append(all, s.ID+"\t"+s.Name+", "+string(s.Role))
	}
	return all
}
