package machine

import "syscall"

// endWithParent has the kernel signal the child when the thread that started it is gone, also after a kill -9.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }
