package machine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// folder is where everything lives that outlasts a run.
//
//	postgres/   the database cluster, owned by the user that PostgreSQL runs as
//	logs/       one log per child
//	releases/   the worker of every release that may have open runs
//	inbox/      every mail that was caught
//	password    PostgreSQL's, made once
//	events.key  with which the inbox signs what it tells, made once
//	links.key   which seals the links in mails, made once
//	env         the addresses, for scripts and the command line
//	lock        held while a stack runs
type folder string

func (f folder) postgres() string       { return filepath.Join(string(f), "postgres") }
func (f folder) inbox() string          { return filepath.Join(string(f), "inbox") }
func (f folder) releases() string       { return filepath.Join(string(f), "releases") }
func (f folder) log(name string) string { return filepath.Join(string(f), "logs", name+".log") }
func (f folder) eventsKey() string      { return filepath.Join(string(f), "events.key") }
func (f folder) linksKey() string       { return filepath.Join(string(f), "links.key") }
func (f folder) env() string            { return filepath.Join(string(f), "env") }

// sub is a folder in it that is laid out alike, for a cluster on its way to or from a backup.
func (f folder) sub(name string) folder { return folder(filepath.Join(string(f), name)) }

// openFolder makes the folder where it is missing and holds its lock until the file is closed. The kernel lets go of
// the lock when the process dies, however it dies.
func openFolder(path string) (folder, *os.File, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", nil, err
	}
	f := folder(absolute)
	if err := os.MkdirAll(filepath.Join(absolute, "logs"), 0o755); err != nil {
		return "", nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	// Others may pass through, as the user that PostgreSQL runs as must, but not look around.
	for _, mode := range []struct {
		path string
		mode fs.FileMode
	}{{absolute, 0o711}, {filepath.Join(absolute, "logs"), 0o700}} {
		if err := os.Chmod(mode.path, mode.mode); err != nil {
			return "", nil, fmt.Errorf("the data folder is not ours to use: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(absolute, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 32)
		n, _ := lock.Read(holder)
		lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return "", nil, fmt.Errorf("the data folder %s cannot be locked: %w", path, err)
		}
		return "", nil, fmt.Errorf("another stack (process %s) is running on the data folder %s; stop it, or choose another folder with --data",
			strings.TrimSpace(string(holder[:n])), path)
	}
	if err := errors.Join(lock.Truncate(0), writeAt(lock, fmt.Sprintln(os.Getpid()))); err != nil {
		lock.Close()
		return "", nil, err
	}
	return f, lock, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// password is made at the first start and kept: PostgreSQL keeps it too.
func (f folder) password() (string, error) {
	path := filepath.Join(string(f), "password")
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if _, err := os.Stat(f.postgres()); err == nil {
		return "", fmt.Errorf("%s holds a database cluster but its password is missing from %s: put the file back", f.postgres(), path)
	}
	password := rand.Text()
	return password, writeFile(path, password+"\n")
}

// writeFile replaces a file in one step, so that a reader or a crash never meets half of it.
func writeFile(path, text string) error {
	draft := path + ".new"
	if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
