package testpg

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cluster is a running PostgreSQL server and the directory in which it lives.
type cluster struct {
	dir      string
	lock     *os.File // held as long as this process lives: see sweep
	password string
	port     int
	server   *os.Process
	ended    chan struct{}
	log      *bytes.Buffer // what the server said; read only after ended is closed
}

// start makes a cluster and waits until it answers.
func start() (*cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	sweep()
	c := &cluster{password: rand.Text()}
	if err := c.makeDirectory(); err != nil {
		return nil, err
	}
	if err := c.init(bin); err != nil {
		c.remove()
		return nil, err
	}
	for range 3 { // the port is free when it is chosen, and may be taken before the server has it
		if err = c.serve(bin); err == nil {
			return c, nil
		}
	}
	c.remove()
	return nil, err
}

// programs finds the directory of PostgreSQL's programs: on the PATH, or where Debian keeps them, the newest first.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	newest, dir := 0, ""
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, path := range found {
		bin := filepath.Dir(path)
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && version > newest {
			newest, dir = version, bin
		}
	}
	if dir == "" {
		return "", errors.New("found no PostgreSQL: initdb is neither on the PATH nor in /usr/lib/postgresql/*/bin; install it, for example with apt-get install postgresql")
	}
	return dir, nil
}

// makeDirectory makes the cluster's directory, owned by whoever will run the server.
func (c *cluster) makeDirectory() error {
	var err error
	if c.lock, err = os.CreateTemp("", prefix+"*.lock"); err != nil {
		return err
	}
	if err := syscall.Flock(int(c.lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	c.dir = strings.TrimSuffix(c.lock.Name(), ".lock")
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return err
	}
	owner, err := serverUser()
	if err != nil || owner == nil {
		return err
	}
	return os.Chown(c.dir, int(owner.Uid), int(owner.Gid))
}

func (c *cluster) init(bin string) error {
	secret := filepath.Join(c.dir, "password")
	if err := os.WriteFile(secret, []byte(c.password+"\n"), 0o644); err != nil { // nobody else can enter the directory
		return err
	}
	cmd, err := c.command(filepath.Join(bin, "initdb"), "--pgdata", c.data(), "--username=postgres", "--pwfile", secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	if err != nil {
		return err
	}
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, said)
	}
	return nil
}

// serve starts the server on a free port and waits until it takes connections.
func (c *cluster) serve(bin string) error {
	var err error
	if c.port, err = freePort(); err != nil {
		return err
	}
	// Nothing here must survive a power cut, so nothing is forced to the disk.
	cmd, err := c.command(filepath.Join(bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300", "-c", "timezone=UTC",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB")
	if err != nil {
		return err
	}
	c.log, c.ended = &bytes.Buffer{}, make(chan struct{})
	cmd.Stdout, cmd.Stderr = c.log, c.log
	dieWithParent(cmd)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Linux sends the signal when the *thread* that started the server ends: this one stays
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(c.ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	c.server = cmd.Process
	return c.await()
}

func (c *cluster) await() error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case <-c.ended:
			return fmt.Errorf("PostgreSQL ended at once:\n%s", c.log)
		case <-time.After(20 * time.Millisecond):
		}
		if c.exec("select 1") == nil {
			return nil
		}
	}
	c.halt()
	return fmt.Errorf("PostgreSQL took no connection within a minute:\n%s", c.log)
}

func (c *cluster) halt() {
	_ = c.server.Signal(syscall.SIGQUIT) // at once: what it holds is thrown away
	<-c.ended
}

func (c *cluster) stop() {
	c.halt()
	c.remove()
}

func (c *cluster) remove() {
	_ = os.RemoveAll(c.dir)
	_ = os.Remove(c.lock.Name())
	_ = c.lock.Close()
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/%s?sslmode=disable", c.password, c.port, database)
}

// command prepares one of PostgreSQL's programs to run as somebody who is not root, far from the settings of this shell.
func (c *cluster) command(name string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	owner, err := serverUser()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	return cmd, err
}

// serverUser is who runs the server: the user postgres where we are root, because PostgreSQL refuses to run as root, and
// ourselves (nil) otherwise.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	postgres, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres: run the tests as another user, or install PostgreSQL's package")
	}
	uid, err := strconv.ParseUint(postgres.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(postgres.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
