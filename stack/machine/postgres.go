package machine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a private cluster, run from the machine's own binaries.
type postgres struct {
	bin      string
	folder   folder
	account  account
	port     int
	password string
}

// findPostgres looks for the binaries where people put them: the search path, then Debian's folder, newest version
// first.
func findPostgres() (string, error) {
	var candidates []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		candidates = append(candidates, filepath.Dir(path))
	}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	newest, at := -1.0, ""
	for _, bin := range versions {
		if v, err := strconv.ParseFloat(filepath.Base(filepath.Dir(bin)), 64); err == nil && v > newest {
			newest, at = v, bin
		}
	}
	for _, bin := range append(candidates, at) {
		if bin == "" {
			continue
		}
		_, noServer := os.Stat(filepath.Join(bin, "postgres"))
		_, noInit := os.Stat(filepath.Join(bin, "initdb"))
		if noServer == nil && noInit == nil {
			return bin, nil
		}
	}
	return "", errors.New("PostgreSQL is not installed: neither the search path nor /usr/lib/postgresql has its programs postgres and initdb")
}

// find looks for what the cluster is run with.
func (p *postgres) find() (err error) {
	if p.bin, p.account, err = programs(); err != nil {
		return err
	}
	p.password, err = p.folder.password()
	return err
}

// programs are PostgreSQL's, and who runs them.
func programs() (string, account, error) {
	bin, err := findPostgres()
	if err != nil {
		return "", account{}, err
	}
	as, err := postgresAccount()
	return bin, as, err
}

// initialise makes the cluster once. It is made beside its place and moved there, so that a stack killed on the way
// starts over and never takes half a cluster for a whole one.
func (p *postgres) initialise(ctx context.Context) error {
	place := p.folder.postgres()
	if err := p.account.canReach(place); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(place, "PG_VERSION")); err == nil {
		return nil
	}
	draft, secret := place+".new", place+".password"
	if err := errors.Join(os.RemoveAll(draft), os.Mkdir(draft, 0o700), p.account.own(draft)); err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(secret, []byte(p.password), 0o600), p.account.own(secret)); err != nil {
		return err
	}
	defer os.Remove(secret)
	initdb := p.program("initdb", "--pgdata", draft, "--username", superuser, "--pwfile", secret,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8")
	if out, err := carryOut(ctx, initdb); err != nil {
		return fmt.Errorf("initdb could not make the database cluster (%w):\n%s", err, out)
	}
	return os.Rename(draft, place)
}

// carryOut runs one of PostgreSQL's programs to its end and returns what it says.
func carryOut(ctx context.Context, program *exec.Cmd) (string, error) {
	var out strings.Builder
	program.Stdout, program.Stderr = &out, &out
	program.SysProcAttr.Setpgid = true
	endWithParent(program.SysProcAttr, syscall.SIGKILL)
	if err := spawn(program); err != nil {
		return "", fmt.Errorf("it cannot be started: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = program.Process.Kill() })
	defer stop()
	err := program.Wait()
	return strings.TrimSpace(out.String()), err
}

// command runs the server on TCP alone: a socket's path has a length limit that a data folder easily exceeds.
func (p *postgres) command() (*exec.Cmd, error) {
	settings := []string{
		"listen_addresses=" + host,
		"port=" + strconv.Itoa(p.port),
		"unix_socket_directories=",
		"max_connections=200",
		"timezone=UTC",
		"log_timezone=UTC",
		"lc_messages=C",
		"log_line_prefix=%m [%p] %d ",
		"log_error_verbosity=terse", // more would quote rows
	}
	args := []string{"-D", p.folder.postgres()}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return p.program("postgres", args...), nil
}

func (p *postgres) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = string(p.folder)
	// Whatever PG* variables the caller has set are meant for clients, and for other servers.
	cmd.Env = []string{"PATH=" + p.bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential}
	return cmd
}

func (p *postgres) child(say func(string, ...any)) *child {
	return &child{
		name:    "PostgreSQL",
		logFile: p.folder.log("postgres"),
		say:     say,
		command: p.command,
		ready:   p.answers,
		// After a kill -9 the old server may still be ending, or have left its lock file behind.
		again: func(attempt int, logTail string) bool {
			return attempt < 60 && strings.Contains(logTail, "postmaster.pid")
		},
		stopSignal:   syscall.SIGINT, // "fast": sessions are cut, what is committed is kept, a checkpoint is written
		stopWithin:   30 * time.Second,
		orphanSignal: syscall.SIGINT,
	}
}

// url is the address of one database for one role.
func (p *postgres) url(role, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, p.password),
		Host:     at(p.port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (p *postgres) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url(superuser, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

// awaitPredecessor gives the server of a stack that was killed the time to end: the kernel told it to, and until it
// has ended it holds the port.
func (p *postgres) awaitPredecessor(ctx context.Context) {
	lock := filepath.Join(p.folder.postgres(), "postmaster.pid")
	for range 100 {
		b, err := os.ReadFile(lock)
		if err != nil {
			return
		}
		pid, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(string(b), "\n", 2)[0]))
		if err != nil || syscall.Kill(pid, 0) != nil {
			return // PostgreSQL itself sees that this lock is stale
		}
		if zombie(pid) {
			// It is dead, and where nobody collects the dead, as in many containers, PostgreSQL would take it for alive
			// for ever.
			_ = os.Remove(lock)
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// zombie tells whether a process has ended and only waits for its parent to notice.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(state, "Z")
}
