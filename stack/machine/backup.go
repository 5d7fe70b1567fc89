package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// kept is what goes with the cluster: without its password nobody gets in, and the stories go on where the cluster's clients are.
// The mails that the inbox has caught are not part of a backup: they stand for what is out in the world.
var kept = []string{"password", "stories.json"}

// Backup writes the cluster of the stack that runs on a data folder into one file, with all that was committed when it began, and
// checks what it has written. It returns that moment. The stack goes on meanwhile.
func Backup(ctx context.Context, data, file string) (time.Time, error) {
	none := time.Time{}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return none, fmt.Errorf("%s is there already, expected a file that is not: a backup is never overwritten", file)
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return none, err
	}
	p, err := findCluster(data)
	if err != nil {
		return none, err
	}
	draft := p.folder.sub("backup.new")
	unlock, err := p.ownDraft(draft)
	if err != nil {
		return none, err
	}
	defer unlock()
	if err := p.copyInto(ctx, draft); err != nil {
		return none, err
	}
	for _, name := range kept {
		if err := copyFile(filepath.Join(string(p.folder), name), filepath.Join(string(draft), name)); err != nil {
			return none, err
		}
	}
	at, err := draft.beganAt()
	if err != nil {
		return none, err
	}
	return at, pack(string(draft), file, func(part string) error { // what counts is what can be read back
		if err := p.emptyDraft(draft); err != nil {
			return err
		}
		if err := unpack(part, string(draft), p.account); err != nil {
			return err
		}
		return p.verify(ctx, draft)
	})
}

// findCluster is the cluster that runs on a data folder.
func findCluster(data string) (*postgres, error) {
	absolute, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	p := &postgres{folder: folder(absolute)}
	text, err := os.ReadFile(filepath.Join(p.folder.postgres(), "postmaster.pid"))
	lines := strings.Split(string(text), "\n") // process, folder, start, port, …
	if err != nil || len(lines) < 4 {
		return nil, fmt.Errorf("no stack runs on the data folder %s: start it, because a backup is made while it runs", data)
	}
	if p.port, err = strconv.Atoi(strings.TrimSpace(lines[3])); err != nil {
		return nil, fmt.Errorf("PostgreSQL in %s does not say on which port it is", data)
	}
	if err := p.find(); err != nil {
		return nil, err
	}
	return p, nil
}

// ownDraft makes an empty folder for what is on the way, and keeps it until it is let go of. What a broken-off run has left in it
// is nobody's.
func (p *postgres) ownDraft(draft folder) (letGo func(), err error) {
	lock, err := os.OpenFile(string(draft)+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another process is using %s: wait until it is done", draft)
	}
	letGo = func() {
		_ = os.RemoveAll(string(draft))
		_ = os.Remove(lock.Name())
		lock.Close()
	}
	if err := p.emptyDraft(draft); err != nil {
		letGo()
		return nil, err
	}
	return letGo, nil
}

func (p *postgres) emptyDraft(draft folder) error {
	return errors.Join(os.RemoveAll(string(draft)), os.Mkdir(string(draft), 0o700), p.account.own(string(draft)))
}

// copyInto copies the running cluster with what is written meanwhile, so that the copy starts by itself.
func (p *postgres) copyInto(ctx context.Context, draft folder) error {
	copying := p.program("pg_basebackup", "--pgdata", draft.postgres(), "--format", "plain", "--wal-method", "stream", "--checkpoint", "fast",
		"--manifest-checksums", "SHA256", "--no-password", "--host", host, "--port", strconv.Itoa(p.port), "--username", superuser)
	copying.Env = append(copying.Env, "PGPASSWORD="+p.password)
	if out, err := carryOut(ctx, copying); err != nil {
		return fmt.Errorf("pg_basebackup could not copy the cluster (%w):\n%s", err, out)
	}
	return nil
}

// verify holds a copy of the cluster against the list of checksums that PostgreSQL has put into it.
func (p *postgres) verify(ctx context.Context, draft folder) error {
	if out, err := carryOut(ctx, p.program("pg_verifybackup", "--quiet", draft.postgres())); err != nil {
		return fmt.Errorf("the backup is damaged, says pg_verifybackup (%w):\n%s", err, out)
	}
	return nil
}

// beganAt is when the copy of a cluster was begun: all that was committed before is in it.
func (f folder) beganAt() (time.Time, error) {
	label, err := os.ReadFile(filepath.Join(f.postgres(), "backup_label"))
	if err != nil {
		return time.Time{}, fmt.Errorf("this is no backup of a running cluster: %w", err)
	}
	for line := range strings.Lines(string(label)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "START TIME: "); ok {
			return time.Parse("2006-01-02 15:04:05 MST", text) // in UTC, as the stack has PostgreSQL write its log
		}
	}
	return time.Time{}, errors.New("the backup does not say when it was begun")
}

// copyFile copies a small file; one that is not there is not missed.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
