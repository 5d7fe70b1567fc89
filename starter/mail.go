package main

import "github.com/spf13/cobra"

func (d *desk) mailCommand() *cobra.Command {
	c := &cobra.Command{Use: "mail", Short: "Look at the mails that people get", Args: knows, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(d.previewCommand(), d.doctorCommand())
	return c
}
