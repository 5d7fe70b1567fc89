package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"kap/internal/testpg"
)

func TestMain(m *testing.M) { testpg.Main(m) }

// host runs here what the containers run, with the commands and the variables of docker-compose.yml. What stands for other
// containers in them is replaced by ports of this machine.
type host struct {
	t       *testing.T
	life    context.Context // longer than the test's own, which ends before what it runs is told to stop
	project *types.Project
	ports   map[string]string // by what is listened on
	swap    *strings.Replacer // within a value
	stands  map[string]string // for a whole value
	holds   map[string]string // what a container's folder is here
}

// The ports of Temporal's server that only the server itself uses, by the variables that move them.
var internal = []string{
	"FRONTEND_MEMBERSHIP_PORT", "MATCHING_GRPC_PORT", "MATCHING_MEMBERSHIP_PORT", "HISTORY_GRPC_PORT", "HISTORY_MEMBERSHIP_PORT",
	"WORKER_GRPC_PORT", "WORKER_MEMBERSHIP_PORT",
}

func newHost(t *testing.T, postgres string) *host {
	t.Helper()
	address, err := url.Parse(postgres)
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, append([]string{"temporal", "temporal's pages", "ui", "inbox", "worker", "web", "web's health"}, internal...))
	at := func(name string) string { return "127.0.0.1:" + ports[name] }
	life, end := context.WithCancel(context.Background())
	if deadline, ok := t.Deadline(); ok {
		life, end = context.WithDeadline(life, deadline.Add(-10*time.Second)) // before the test's process is ended
	}
	t.Cleanup(end)
	return &host{
		t: t, life: life, project: everything(t), ports: ports,
		swap: strings.NewReplacer("@postgres:5432", "@"+address.Host, "temporal:7233", at("temporal"), "inbox:8025", at("inbox"), "0.0.0.0:8025", at("inbox"),
			"0.0.0.0:9464", at("worker"), "0.0.0.0:8030", at("web"), "0.0.0.0:9465", at("web's health"), "127.0.0.1:7243", at("temporal's pages"), "127.0.0.1:8080", at("ui")),
		stands: map[string]string{"postgres": "127.0.0.1", "5432": address.Port()},
		holds:  map[string]string{"/bin": filepath.Join(root, "bin"), "/practice": filepath.Join(root, "practice"), "/messages": t.TempDir()},
	}
}

// freePorts finds one for each name, below those that the system gives out by itself: Temporal's server keeps the ports at
// which its parts find each other in a column that ends at 32767.
func freePorts(t *testing.T, names []string) map[string]string {
	t.Helper()
	ports := map[string]string{}
	for tries := 0; len(ports) < len(names); tries++ {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			if tries > 1000 {
				t.Fatal(err)
			}
			continue
		}
		defer l.Close() // only then, so that no two are the same
		ports[names[len(ports)]] = port
	}
	return ports
}

func (h *host) here(value string) string {
	if other, ok := h.stands[value]; ok {
		return other
	}
	for folder, other := range h.holds {
		if rest, ok := strings.CutPrefix(value, folder); ok && (rest == "" || rest[0] == '/') {
			return other + rest
		}
	}
	return h.swap.Replace(value)
}

// command prepares what a service runs; without words, what its image starts.
func (h *host) command(service string, more map[string]string, words ...string) *exec.Cmd {
	h.t.Helper()
	s := h.project.Services[service]
	if len(words) == 0 {
		words = slices.Concat(s.Entrypoint, s.Command)
	}
	for i := range words {
		words[i] = h.here(words[i])
	}
	c := exec.CommandContext(h.life, words[0], words[1:]...)
	c.Env = []string{"HOME=/", "PATH=" + filepath.Join(root, "bin") + ":" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}
	for name, value := range s.Environment {
		if moved, ok := more[name]; ok {
			value = &moved
		}
		c.Env = append(c.Env, name+"="+h.here(*value))
	}
	for name, value := range more {
		if _, ok := s.Environment[name]; !ok {
			c.Env = append(c.Env, name+"="+value)
		}
	}
	return c
}

// once runs a service, or something in its place, to its end.
func (h *host) once(service string, words ...string) string {
	h.t.Helper()
	c := h.command(service, nil, words...)
	said, err := c.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %s: %v\n%s", service, c.Args, err, said)
	}
	return string(said)
}

// keep runs a service until the test ends, and then expects of it that it stops in its time when told to.
func (h *host) keep(service string, c *exec.Cmd) {
	h.t.Helper()
	log, err := os.Create(filepath.Join(h.t.TempDir(), service+".log"))
	if err != nil {
		h.t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		h.t.Fatalf("%s: %v", service, err)
	}
	h.t.Cleanup(func() {
		defer log.Close()
		grace := 10 * time.Second // Docker's own
		if g := h.project.Services[service].StopGracePeriod; g != nil {
			grace = time.Duration(*g)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case err := <-ended:
			h.t.Errorf("%s ended by itself: %v", service, err)
		case <-time.After(time.Millisecond):
			_ = c.Process.Signal(syscall.SIGTERM)
			select {
			case err := <-ended:
				if err != nil && service != "ui" { // which knows of no signal and just ends
					h.t.Errorf("%s was told to stop and ended with %v", service, err)
				}
			case <-time.After(grace):
				_ = c.Process.Kill()
				h.t.Errorf("%s was told to stop and did not within %s", service, grace)
			}
		}
		if said, _ := os.ReadFile(log.Name()); h.t.Failed() {
			h.t.Logf("%s said\n%s", service, said[max(0, len(said)-4000):])
		}
	})
}

// healthy waits until the service's health check passes. Where it is wget, which this machine may lack, its page is asked for.
func (h *host) healthy(service string) {
	h.t.Helper()
	check := h.project.Services[service].HealthCheck.Test[1:]
	h.eventually(service+" to be healthy", func() error {
		if check[0] != "wget" {
			said, err := h.command(service, nil, slices.Clone(check)...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, said)
			}
			return nil
		}
		_, err := h.get(check[len(check)-1])
		return err
	})
}

func (h *host) get(page string) (string, error) {
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.here(page), nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", page, answer.Status, text)
	}
	return string(text), err
}

func (h *host) eventually(what string, ask func() error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			h.t.Fatalf("waited for %s: %v", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Everything is started in the order of docker-compose.yml, with its commands and its variables, by the programs that the
// images hold, and a client is enrolled.
func TestWhatTheContainersRunWorksTogether(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"worker", "starter", "web", "inbox", "temporal-server", "temporal-sql-tool", "ui-server"} {
		if _, err := os.Stat(filepath.Join(root, "bin", name)); err != nil {
			t.Fatalf("bin/%s is missing: make test builds it, and this test runs it", name)
		}
	}
	postgres := testpg.New(t)
	h := newHost(t, postgres)

	// As PostgreSQL's image runs what lies in its folder.
	h.once("postgres", "psql", "-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "--dbname", postgres, "-f", h.source("postgres", "/docker-entrypoint-initdb.d/databases.sql"))
	h.apart(postgres)

	h.once("temporal-schema")
	if said := h.once("temporal-schema"); !strings.Contains(said, "found zero updates from current version") {
		t.Errorf("the second time it does not say that there is nothing to do:\n%s", said)
	}

	dynamic := h.source("temporal", "/etc/temporal/config/dynamicconfig/docker.yaml") // where the image's server looks for it
	if said := h.once("temporal", "/bin/temporal-server", "validate-dynamic-config", dynamic); strings.TrimSpace(said) != dynamic {
		t.Errorf("of the dynamic configuration the server says %s", said)
	}
	server := map[string]string{
		"FRONTEND_GRPC_PORT": h.ports["temporal"], "FRONTEND_HTTP_PORT": h.ports["temporal's pages"],
		"TEMPORAL_BROADCAST_ADDRESS": "127.0.0.1", // the image finds out its own
		"DYNAMIC_CONFIG_FILE_PATH":   dynamic,
	}
	for _, name := range internal {
		server[name] = h.ports[name]
	}
	h.keep("temporal", h.command("temporal", server, "/bin/temporal-server", "start"))
	h.healthy("temporal")

	if said := h.once("temporal-namespace"); !strings.Contains(said, "Registered the namespace kap.") {
		t.Errorf("preparing the namespace said %s", said)
	}

	ui := h.command("ui", map[string]string{"TEMPORAL_UI_PORT": h.ports["ui"]}, "/bin/ui-server", "--env", "docker", "start")
	ui.Dir = moduleFolder(t, "github.com/temporalio/ui-server/v2") // with the configuration that its image holds
	h.keep("ui", ui)
	h.healthy("ui")
	if says, err := h.get("http://127.0.0.1:8080/api/v1/settings"); err != nil || !strings.Contains(says, `"DefaultNamespace":"kap"`) {
		t.Errorf("the Web UI's settings are %s (%v)", says, err)
	}

	h.keep("inbox", h.command("inbox", nil, slices.Concat([]string{"/bin/inbox"}, h.project.Services["inbox"].Command)...))
	h.eventually("the inbox to be healthy", func() error {
		return h.command("inbox", nil, "/bin/inbox", "--health", "--listen", "inbox:8025").Run()
	})

	h.keep("worker", h.command("worker", nil, "/bin/worker"))
	h.healthy("worker")
	h.keep("web", h.command("web", nil))
	h.healthy("web")
	if said := h.once("starter", "/bin/starter", "list"); !strings.Contains(said, "No pathway to list.") {
		t.Errorf("the list says\n%s", said)
	}
	enrol := slices.Concat(h.project.Services["starter"].Entrypoint, []string{
		"enrol", "--given-name", "Anna", "--family-name", "Meyer", "--birth-date", "1990-04-01", "--email", "anna@clients.example", "--phone", "+1 555 0123",
		"--therapist", "t-lane", "--prescriber", "p-singh", "--coordinator", "c-desk", "--by", "c-desk", "--diagnosis", "ptsd", "--primary-measure", "pcl-5",
		"--standard-care-tried", "--commits-to-the-arc", "--comfortable", "--mail-permission",
	})
	h.once("starter", enrol...)
	h.eventually("Temporal to find the pathway by its phase", func() error {
		says, err := h.get("http://127.0.0.1:7243/api/v1/namespaces/kap/workflow-count?query=" + url.QueryEscape(`KapPhase = "screening"`))
		if err == nil && !strings.Contains(strings.ReplaceAll(says, " ", ""), `"count":"1"`) {
			err = errors.New(says)
		}
		return err
	})
	if said := h.once("starter", "/bin/starter", "list"); !strings.Contains(said, "screening") {
		t.Errorf("the list says\n%s", said)
	}
}

// source is the file that a service finds at a path.
func (h *host) source(service, target string) string {
	h.t.Helper()
	volumes := h.project.Services[service].Volumes
	i := slices.IndexFunc(volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == target })
	if i < 0 {
		h.t.Fatalf("%s mounts nothing at %s", service, target)
	}
	return volumes[i].Source
}

// apart expects of each role that it gets at its own databases and at no other.
func (h *host) apart(postgres string) {
	h.t.Helper()
	passwords := map[string]string{"kap": h.project.Environment["DATABASE_PASSWORD"], "temporal": h.project.Environment["TEMPORAL_DATABASE_PASSWORD"]}
	owners := map[string]string{"kap": "kap", "temporal": "temporal", "temporal_visibility": "temporal"}
	for _, role := range slices.Sorted(maps.Keys(passwords)) {
		for database, owner := range owners {
			address, err := url.Parse(postgres)
			if err != nil {
				h.t.Fatal(err)
			}
			address.User, address.Path = url.UserPassword(role, passwords[role]), database
			said, err := exec.CommandContext(h.t.Context(), "psql", "--no-psqlrc", "--dbname", address.String(), "-c", "CREATE TABLE probe (n int); DROP TABLE probe").CombinedOutput()
			if (err == nil) != (owner == role) || err != nil && !bytes.Contains(said, []byte("permission denied for database")) {
				h.t.Errorf("%s in the database %s: %s (%v)", role, database, said, err)
			}
		}
	}
}

// moduleFolder is where the source of a module of the stack lies.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module)
	list.Dir = filepath.Join(root, "stack")
	said, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(said))
}
