// Package deploy_test holds docker-compose.yml, Dockerfile and what they need to their word, without a container engine: the
// files are read by the libraries that the engine's own tools read them with, and what they start is started here, each
// program in a process instead of a container.
package deploy_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"

	"kap/settings"
)

// root is the project's folder, found from where this file lies.
var root = func() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..")
}()

// example is .env.example as it comes.
func example(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.Open(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	env, err := dotenv.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// filled is .env.example as somebody fills it in who tries things out.
func filled(t *testing.T) map[string]string {
	env := example(t)
	env["POSTGRES_PASSWORD"] = "a1"
	env["DATABASE_PASSWORD"] = "b2"
	env["TEMPORAL_DATABASE_PASSWORD"] = "c3"
	env["SENDGRID_API_KEY"] = "any"
	env["SENDGRID_BASE_URL"] = "http://inbox:8025"
	return env
}

func details(env map[string]string) types.ConfigDetails {
	return types.ConfigDetails{
		WorkingDir: root, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "docker-compose.yml")}}, Environment: env,
	}
}

// compose loads the file as docker compose does: checked against the schema, and every reference in it followed.
func compose(env map[string]string, profiles ...string) (*types.Project, error) {
	return loader.LoadWithContext(context.Background(), details(env), loader.WithProfiles(profiles))
}

// everything is the file with all profiles.
func everything(t *testing.T) *types.Project {
	t.Helper()
	p, err := compose(filled(t), "*")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// uninterpolated is the file with its variables still in it.
func uninterpolated(t *testing.T) map[string]any {
	t.Helper()
	model, err := loader.LoadModelWithContext(t.Context(), details(nil), func(o *loader.Options) {
		o.SkipInterpolation, o.SkipValidation, o.SkipConsistencyCheck, o.Profiles = true, true, true, []string{"*"}
	})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func TestWhatIsStarted(t *testing.T) {
	t.Parallel()
	always := []string{"postgres", "temporal", "temporal-namespace", "temporal-schema", "ui", "web", "worker"}
	for profile, more := range map[string]string{"": "", "dev": "inbox", "desk": "starter", "earlier": "earlier-worker"} {
		p, err := compose(filled(t), profile)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(always)
		if more != "" {
			want = append(want, more)
		}
		slices.Sort(want)
		if found := p.ServiceNames(); !slices.Equal(found, want) {
			t.Errorf("with the profile %q: found %v, expected %v", profile, found, want)
		}
	}
}

func TestWhatIsNotFilledInIsNamed(t *testing.T) {
	t.Parallel()
	if _, err := compose(example(t)); err == nil {
		t.Error("it takes the example as it comes")
	}
	required := 0
	for name, v := range template.ExtractVariables(uninterpolated(t), template.DefaultPattern) {
		if !v.Required {
			continue
		}
		required++
		for _, value := range []string{"left out", "empty"} {
			env := filled(t)
			if env[name] = ""; value == "left out" {
				delete(env, name)
			}
			if _, err := compose(env, "*"); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), " in .env") {
				t.Errorf("%s is %s: found %v, expected its name and what to do", name, value, err)
			}
		}
	}
	if required != 5 {
		t.Errorf("%d variables are needed, expected the three passwords, the practice and the key", required)
	}
}

func TestTheExampleIsWhatTheFileAsksFor(t *testing.T) {
	t.Parallel()
	asked := template.ExtractVariables(uninterpolated(t), template.DefaultPattern)
	given := example(t)
	for name := range asked {
		if _, ok := given[name]; !ok {
			t.Errorf("%s is in docker-compose.yml and not in .env.example", name)
		}
	}
	for name := range given {
		if _, ok := asked[name]; !ok {
			t.Errorf("%s is in .env.example and not in docker-compose.yml", name)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		if !strings.HasPrefix(block, "# ") {
			t.Errorf("nothing is said about\n%s", block)
		}
	}
}

var secret = regexp.MustCompile(`PASSWORD|PWD|API_KEY|LINK_KEY|DATABASE_URL`) // the other keys are public

func TestNoSecretIsWrittenDown(t *testing.T) {
	t.Parallel()
	for name, value := range example(t) {
		if secret.MatchString(name) && value != "" {
			t.Errorf(".env.example gives %s a value", name)
		}
	}
	reference := regexp.MustCompile(`^[^$]*\$\{[A-Z_]+:\?[^}]+\}[^$]*$`)
	seen := 0
	for name, s := range uninterpolated(t)["services"].(map[string]any) {
		environment, _ := s.(map[string]any)["environment"].(map[string]any)
		for variable, value := range environment {
			if !secret.MatchString(variable) || strings.HasSuffix(variable, "_PUBLIC_KEY") {
				continue
			}
			seen++
			text, _ := value.(string)
			if strings.HasPrefix(variable, "KAP_LINK_KEY") && text == "${"+variable+":-}" { // without one, mails have no links
				continue
			}
			if !reference.MatchString(text) {
				t.Errorf("%s of %s: found %v, expected a variable that has to be given", variable, name, value)
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d secrets were looked at", seen)
	}
}

var (
	pinned   = regexp.MustCompile(`^[a-z]+(/[a-z-]+)?:\d+\.\d+(\.\d+)?(-[a-z]+)?$`) // neither latest nor a registry's host
	oneShots = []string{"starter", "temporal-namespace", "temporal-schema"}
)

func TestEachContainerIsHeldTight(t *testing.T) {
	t.Parallel()
	for name, s := range everything(t).Services {
		if s.Build == nil && s.PullPolicy != types.PullPolicyNever && !pinned.MatchString(s.Image) {
			t.Errorf("%s: found the image %q, expected a version", name, s.Image)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || s.Privileged || s.NetworkMode != "" || s.Pid != "" || s.Ipc != "" {
			t.Errorf("%s may do more than it needs", name)
		}
		if !s.ReadOnly || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may write to its image, or gain rights", name)
		}
		if s.Logging == nil || s.Logging.Options["max-size"] == "" || s.Logging.Options["max-file"] == "" {
			t.Errorf("the log of %s has no bound", name)
		}
		if slices.Contains(oneShots, name) {
			if s.Restart != types.RestartPolicyNo || s.HealthCheck != nil || len(s.Ports) > 0 {
				t.Errorf("%s is not run once", name)
			}
		} else if s.Restart != types.RestartPolicyUnlessStopped || s.HealthCheck == nil {
			t.Errorf("%s is not kept running, or nobody asks how it is", name)
		}
	}
}

func TestOnlyThisHostIsListenedOn(t *testing.T) {
	t.Parallel()
	published := map[string]string{}
	for name, s := range everything(t).Services {
		for _, port := range s.Ports {
			published[name] += port.Published
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: found the address %q, expected 127.0.0.1", name, port.HostIP)
			}
		}
	}
	if want := map[string]string{"inbox": "8025", "temporal": "7233", "ui": "8233", "web": "80309465", "worker": "9464"}; !maps.Equal(published, want) {
		t.Errorf("found %v, expected %v", published, want)
	}
}

func TestWhoeverIsWaitedForCanBe(t *testing.T) {
	t.Parallel()
	p := everything(t)
	for name, s := range p.Services {
		for other, how := range s.DependsOn {
			of := p.Services[other]
			switch how.Condition {
			case types.ServiceConditionHealthy:
				if of.HealthCheck == nil {
					t.Errorf("%s waits for %s to be healthy, which nobody asks it", name, other)
				}
			case types.ServiceConditionCompletedSuccessfully:
				if !slices.Contains(oneShots, other) {
					t.Errorf("%s waits for the end of %s, which runs for good", name, other)
				}
			default:
				t.Errorf("%s waits for %s to be %s, which says nothing of whether it can be used", name, other, how.Condition)
			}
			if !slices.ContainsFunc(slices.Collect(maps.Keys(s.Networks)), func(n string) bool { _, ok := of.Networks[n]; return ok }) {
				t.Errorf("%s and %s share no network", name, other)
			}
		}
	}
	// What a worker has begun it may write down.
	if grace := time.Duration(*p.Services["worker"].StopGracePeriod); grace <= 20*time.Second {
		t.Errorf("the worker is killed after %s", grace)
	}
	if !p.Networks["records"].Internal || len(p.Services["postgres"].Networks) != 1 {
		t.Error("PostgreSQL can be reached from outside")
	}
}

// Nothing but what is in the project, and no more than reading it.
func TestWhatIsMountedIsThere(t *testing.T) {
	t.Parallel()
	p := everything(t)
	used := map[string]bool{}
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume {
				used[v.Source] = true
				continue
			}
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly || !strings.HasPrefix(v.Source, root) {
				t.Errorf("%s mounts %s (%v), expected something of the project, to be read", name, v.Source, err)
			}
		}
	}
	if found, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(p.Volumes)); !slices.Equal(found, want) {
		t.Errorf("the volumes %v are used, and %v declared", found, want)
	}
}

// Each variable of a program of ours is one that it reads, and each that it reads can be given.
func TestTheProgramsReadWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	temporal := []string{"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"} // that these are read, the whole shows
	p := everything(t)
	for service, program := range map[string]string{"worker": "worker", "earlier-worker": "worker", "web": "web", "starter": "starter", "temporal-namespace": ""} {
		want := slices.Clone(temporal)
		for _, s := range settings.All() {
			// What a worker is called follows from its program: two releases that run at once must not both be told a name.
			if slices.Contains(s.Programs, program) && s.Name != "KAP_RELEASE" {
				want = append(want, s.Name)
			}
		}
		slices.Sort(want)
		if found := slices.Sorted(maps.Keys(p.Services[service].Environment)); !slices.Equal(found, want) {
			t.Errorf("%s: found %v, expected %v", service, found, want)
		}
	}
	live := filled(t)
	live["SENDGRID_BASE_URL"], live["KAP_SEND_FOR_REAL"], live["KAP_LOG_FORMAT"] = "", "yes", "json"
	for _, env := range []map[string]string{filled(t), live} {
		p, err := compose(env, "*")
		if err != nil {
			t.Fatal(err)
		}
		w, err := settings.Load[settings.Worker](lines(p.Services["worker"].Environment))
		if err != nil {
			t.Error(err)
		}
		if w.DatabaseURL != "postgres://kap:b2@postgres:5432/kap" || bool(w.Live) == (w.MailURL != "") || w.Listen != "0.0.0.0:9464" {
			t.Errorf("the worker reads %+v", w)
		}
		web, err := settings.Load[settings.Web](lines(p.Services["web"].Environment))
		if err != nil || web.DatabaseURL != w.DatabaseURL || web.Site != "0.0.0.0:8030" || web.Health != "0.0.0.0:9465" {
			t.Errorf("the web process reads %+v, %v", web, err)
		}
		if _, err := settings.Load[settings.Starter](lines(p.Services["starter"].Environment)); err != nil {
			t.Error(err)
		}
	}
}

// lines are KEY=value, as a process gets them.
func lines(environment types.MappingWithEquals) []string {
	var all []string
	for name, value := range environment {
		if value != nil {
			all = append(all, name+"="+*value)
		}
	}
	return all
}
