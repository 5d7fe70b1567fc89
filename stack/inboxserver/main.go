// Command inboxserver runs the inbox that stands in for SendGrid by itself, for a kap that is not run by the stack. It knows
// nobody: whoever reaches its address reads every message.
package main

import (
	"os"
	_ "time/tzdata"

	"kap/stack/inbox"
)

func main() { os.Exit(inbox.Main(os.Args[1:])) }
