package testpg

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel stop the server at once when the test process ends without saying so.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT }
