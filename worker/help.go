package main

import "kap/settings"

const about = `The worker runs pathways and delivers their mails. It needs a Temporal server
and the practice's PostgreSQL database, and waits for both when they are away.
SIGTERM or Ctrl-C stops it: what it has begun it finishes. For trial data only.

It takes no arguments; worker health asks the one with the same settings
whether it is ready, and worker release says which release it would be.
The settings are variables of the environment:

`

const rest = `
Where Temporal is, and how to get in, is read from Temporal's own TEMPORAL_
variables and its profile file; the namespace is kap where they name none.

Exit codes:
  0  stopped as it was told to
  1  a fault: starting it again may help
  2  a setting or an argument is wrong: starting it again does not help
`

func help() string { return about + settings.Table("worker") + rest }
