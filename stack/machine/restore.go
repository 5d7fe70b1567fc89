package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Restore puts the cluster of a backup into a data folder on which no stack runs, and returns the moment to which it goes back.
// Nothing is deleted or overwritten: where something is in the way, it says what to move aside. The cluster is started once, apart, for
// mark, which gets the address of our own database; only where that has worked does it come to its place. So no stack ever
// starts on a cluster that does not know that it was restored.
func Restore(ctx context.Context, data, file string, mark func(ctx context.Context, database string, to time.Time) error) (time.Time, error) {
	none := time.Time{}
	ctx, cancel := context.WithTimeoutCause(ctx, restoreWithin, fmt.Errorf("after %s", restoreWithin))
	defer cancel()
	if _, err := os.Stat(file); err != nil {
		return none, fmt.Errorf("there is no backup to read: %w", err)
	}
	place, lock, err := openFolder(data)
	if err != nil {
		return none, err
	}
	defer lock.Close()
	if _, err := os.Lstat(place.postgres()); !errors.Is(err, fs.ErrNotExist) {
		return none, inTheWay(place.postgres())
	}
	p := &postgres{folder: place.sub("restore.new")}
	if p.bin, p.account, err = programs(); err != nil {
		return none, err
	}
	if err := p.account.canReach(place.postgres()); err != nil {
		return none, err
	}
	letGo, err := p.ownDraft(p.folder)
	if err != nil {
		return none, err
	}
	defer letGo()
	if err := unpack(file, string(p.folder), p.account); err != nil {
		return none, err
	}
	if err := p.verify(ctx, p.folder); err != nil {
		return none, err
	}
	to, err := p.folder.beganAt()
	if err != nil {
		return none, err
	}
	for _, name := range kept {
		if err := differs(filepath.Join(string(p.folder), name), filepath.Join(string(place), name)); err != nil {
			return none, err
		}
	}
	if err := p.startOnce(ctx, func(database string) error { return mark(ctx, database, to) }); err != nil {
		return none, err
	}
	return to, p.moveTo(place)
}

// restoreWithin is the time for all of it; most of it is the copying.
const restoreWithin = time.Hour

func inTheWay(path string) error {
	return fmt.Errorf("%s is in the way: move it aside, as with mv %[1]s %[1]s.before; a restore deletes and overwrites nothing", path)
}

// differs refuses what would overwrite a file that is not the same.
func differs(ours, theirs string) error {
	a, err := os.ReadFile(ours)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b, other := os.ReadFile(theirs)
	if err != nil || errors.Is(other, fs.ErrNotExist) {
		return err
	}
	if other != nil || !bytes.Equal(a, b) {
		return inTheWay(theirs)
	}
	return nil
}

// startOnce starts the cluster on a port of its own, where nobody looks for it, and stops it again.
func (p *postgres) startOnce(ctx context.Context, do func(database string) error) (err error) {
	if p.password, err = p.folder.password(); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Dir(p.folder.log("postgres")), 0o700); err != nil {
		return err
	}
	if err := settle([]port{{&p.port, "PostgreSQL", "postgres-port"}}); err != nil {
		return err
	}
	server := p.child(func(string, ...any) {})
	if err := server.up(ctx); err != nil {
		return err
	}
	defer server.down()
	return do(p.url(ourDatabase, ourDatabase))
}

// moveTo brings the cluster to its place, last of all: before that there is nothing that a stack could start on.
func (p *postgres) moveTo(place folder) error {
	for _, name := range kept {
		if err := copyFile(filepath.Join(string(p.folder), name), filepath.Join(string(place), name)); err != nil {
			return err
		}
	}
	if err := os.Rename(p.folder.postgres(), place.postgres()); err != nil {
		return err
	}
	folder, err := os.Open(string(place))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
