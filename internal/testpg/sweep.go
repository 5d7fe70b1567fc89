package testpg

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const prefix = "kap-testpg-"

// sweep removes the directories of test processes that were killed before they could. Each process holds a lock on the file
// beside its directory; the kernel gives it up when the process ends, however it ends.
func sweep() {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*.lock"))
	for _, name := range locks {
		removeAbandoned(name)
	}
}

func removeAbandoned(name string) {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < time.Minute {
		return // a young one may not be locked yet
	}
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return
	}
	_ = os.RemoveAll(strings.TrimSuffix(name, ".lock"))
	_ = os.Remove(name)
}
