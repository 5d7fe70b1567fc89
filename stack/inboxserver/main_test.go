package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"kap/stack/inbox"
)

// The test's own program plays the inbox in a process of its own.
const argumentsVariable = "INBOX_TEST_ARGUMENTS"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(argumentsVariable); ok {
		os.Args = append(os.Args[:1], strings.Fields(args)...)
		main()
		return
	}
	os.Exit(m.Run())
}

func TestItKeepsWhatItTookAndStopsWhenTold(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "kept")
	for _, want := range []int{1, 2} { // the second finds what the first has kept
		p, url := start(t, "--listen 127.0.0.1:0 --data "+data)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v3/mail/send", strings.NewReader(
			`{"personalizations": [{"to": [{"email": "ada@clients.example"}]}], "from": {"email": "desk@linden.example"}, "subject": "Your appointment", "content": [{"type": "text/plain", "value": "Hello"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer any")
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted {
			t.Errorf("a mail is answered with %s", answer.Status)
		}
		if kept, _ := filepath.Glob(filepath.Join(data, "*.json")); len(kept) != want {
			t.Errorf("%d messages are kept, expected %d", len(kept), want)
		}
		if err := inbox.Run(t.Context(), []string{"--health", "--listen", strings.TrimPrefix(url, "http://")}, io.Discard); err != nil {
			t.Errorf("it is not well: %v", err)
		}
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Errorf("it was told to stop and ended with %v", err)
		}
		if err := inbox.Run(t.Context(), []string{"--health", "--listen", strings.TrimPrefix(url, "http://")}, io.Discard); err == nil {
			t.Error("one that has stopped is called well")
		}
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for args, want := range map[string]string{
		"":                        "--data: found nothing, expected a folder",
		"there":                   `found "there", expected flags alone`,
		"--data x --listen there": "--listen: ",
	} {
		t.Chdir(t.TempDir())
		if err := inbox.Run(context.Background(), strings.Fields(args), io.Discard); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: found %v, expected %s", args, err, want)
		}
	}
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func start(t *testing.T, args string) (*exec.Cmd, string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := exec.CommandContext(t.Context(), program)
	p.Env = append(os.Environ(), argumentsVariable+"="+args)
	out, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if url := address.FindString(line); url != "" {
		return p, url
	}
	t.Fatalf("it said %q (%v)", line, err)
	return nil, ""
}
