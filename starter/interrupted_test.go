package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// role has the test's own program be the starter.
const role = "STARTER_TEST_ROLE"

// silent is a server that takes connections and never says anything.
func silent(t *testing.T) (address string, asked chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	asked = make(chan struct{}, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			asked <- struct{}{}
		}
	}()
	return l.Addr().String(), asked
}

// Whoever presses Ctrl-C while a server says nothing does not wait for it.
func TestInterruptedWhileAServerIsSilent(t *testing.T) {
	t.Parallel()
	for _, by := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, args := range [][]string{{"list"}, {"record", "refresh", "K7Q2M9", "--by", "c-desk"}} {
			t.Run(by.String()+" "+args[0], func(t *testing.T) {
				t.Parallel()
				address, asked := silent(t)
				var said bytes.Buffer
				cmd := exec.Command(os.Args[0], args...)
				cmd.Env = []string{role + "=starter", "HOME=" + t.TempDir(), "DATABASE_URL=postgres://kap@" + address + "/kap", "TEMPORAL_ADDRESS=" + address}
				cmd.Stdout, cmd.Stderr = &said, &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = cmd.Process.Kill() })
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				<-asked
				if err := cmd.Process.Signal(by); err != nil {
					t.Fatal(err)
				}
				select {
				case <-ended:
				case <-time.After(5 * time.Second):
					t.Fatal("it is still there after 5 seconds")
				}
				if code := cmd.ProcessState.ExitCode(); code != fault || !strings.Contains(said.String(), "interrupted") {
					t.Errorf("ended with %d and said %q", code, &said)
				}
			})
		}
	}
}
