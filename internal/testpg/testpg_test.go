package testpg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) {
	if os.Getenv("TESTPG_HANG") != "" {
		hang()
	}
	Main(m)
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("one of three", func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), New(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(t.Context()))
			if _, err := conn.Exec(t.Context(), "create table mine (n int)"); err != nil {
				t.Error(err)
			}
		})
	}
}

// hang is a test process that starts a cluster and waits to be killed.
func hang() {
	c, err := start()
	if err != nil {
		os.Stdout.WriteString("error " + err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(c.url("postgres") + "\n")
	time.Sleep(time.Hour)
}

func TestAKilledTestProcessLeavesNoServer(t *testing.T) {
	t.Parallel()
	temp := t.TempDir() // it takes what the killed process cannot remove; the user postgres must be able to get there
	for _, dir := range []string{temp, filepath.Dir(temp)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TESTPG_HANG=yes", "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 500)
	n, _ := out.Read(said)
	url := strings.TrimSpace(string(said[:n]))
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	conn.Close(t.Context())
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for range 500 {
		if _, err := pgx.Connect(t.Context(), url); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the server still answers ten seconds after its test process was killed")
}
