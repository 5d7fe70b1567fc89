//go:build !linux

package machine

import "syscall"

// endWithParent has no counterpart outside Linux: after a kill -9 of the stack its children have to be ended by hand.
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}
