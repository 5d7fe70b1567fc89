package machine

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL runs as: it refuses to run as root.
type account struct {
	name string
	// credential is nil when PostgreSQL runs as ourselves.
	credential *syscall.Credential
}

func postgresAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{name: "you"}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, err
		}
		return account{name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a user nobody to run it as; start the stack as an ordinary user")
}

func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// canReach says which folder on the way to path the account may not pass through.
func (a account) canReach(path string) error {
	if a.credential == nil {
		return nil
	}
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return err
		}
		if !a.mayPass(info) {
			return fmt.Errorf("PostgreSQL runs as the user %s, who may not pass through the folder %s: "+
				"run chmod o+x %s, or choose a data folder elsewhere with --data", a.name, parent, parent)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

func (a account) mayPass(folder os.FileInfo) bool {
	const owner, group, others = 0o100, 0o010, 0o001
	mode := folder.Mode().Perm()
	stat, ok := folder.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return true // unknown: PostgreSQL will say so itself
	case stat.Uid == a.credential.Uid:
		return mode&owner != 0
	case stat.Gid == a.credential.Gid:
		return mode&group != 0
	default:
		return mode&others != 0
	}
}
