package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"golang.org/x/mod/modfile"
)

// dockerfile is read as the builder reads it; what its linter says is an error.
func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	read, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, says string, _ []parser.Range) { t.Errorf("%s: %s", rule, says) }})
	stages, _, err := instructions.Parse(read.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func named(stages []instructions.Stage, name string) *instructions.Stage {
	i := slices.IndexFunc(stages, func(s instructions.Stage) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &stages[i]
}

// image is what a stage ends with, as far as docker-compose.yml relies on it.
type image struct {
	files  []string
	user   string
	starts []string
}

func imageOf(t *testing.T, stages []instructions.Stage, s *instructions.Stage) image {
	t.Helper()
	var i image
	for _, command := range s.Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			from := named(stages, c.From)
			if from == nil {
				t.Errorf("the stage %s copies from %q, which is no stage", s.Name, c.From)
				continue
			}
			for _, source := range c.SourcePaths {
				if strings.HasPrefix(source, "/out/") && !slices.Contains(made(*from), source) {
					t.Errorf("the stage %s copies %s, and %s makes %v", s.Name, source, from.Name, made(*from))
				}
				to := c.DestPath
				if strings.HasSuffix(to, "/") {
					to = path.Join(to, path.Base(source))
				}
				i.files = append(i.files, to)
			}
		case *instructions.UserCommand:
			i.user = c.User
		case *instructions.EntrypointCommand:
			i.starts = append(slices.Clone(c.CmdLine), i.starts...)
		case *instructions.CmdCommand:
			i.starts = append(i.starts, c.CmdLine...)
		}
	}
	return i
}

func TestTheImagesHoldWhatIsStartedInThem(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	for _, s := range stages {
		if s.BaseName != "scratch" && named(stages, s.BaseName) == nil && !pinned.MatchString(s.BaseName) {
			t.Errorf("the stage %s: found the image %q, expected a version", s.Name, s.BaseName)
		}
	}
	for name, service := range everything(t).Services {
		if service.Build == nil {
			continue
		}
		stage := named(stages, service.Build.Target)
		if stage == nil || service.Build.Context != root {
			t.Errorf("%s is built from %s as %q, which is no stage", name, service.Build.Context, service.Build.Target)
			continue
		}
		i := imageOf(t, stages, stage)
		if stage.BaseName != "scratch" || i.user != "65532:65532" {
			t.Errorf("the image of %s is based on %s and runs as %q", name, stage.BaseName, i.user)
		}
		for what, command := range map[string][]string{"entrypoint": service.Entrypoint, "command": service.Command, "image": i.starts} {
			if len(command) > 0 && strings.HasPrefix(command[0], "/") && !slices.Contains(i.files, command[0]) {
				t.Errorf("the %s of %s is %s, and its image holds %v", what, name, command[0], i.files)
			}
		}
		if check := service.HealthCheck; check != nil && (check.Test[0] != "CMD" || !slices.Contains(i.files, check.Test[1])) {
			t.Errorf("the health check of %s is %v, and its image holds %v", name, check.Test, i.files)
		}
		for _, v := range service.Volumes {
			if v.Type == "volume" && !slices.Contains(i.files, v.Target) {
				t.Errorf("%s keeps things in %s, which its image does not have, so that it would be root's", name, v.Target)
			}
		}
	}
}

var built = regexp.MustCompile(`go build (-C (\S+) )?-trimpath -o (\S+) (\./\S+(?: \./\S+)*)(?: && mkdir (\S+))?`)

// made is what the commands of a stage leave behind.
func made(s instructions.Stage) []string {
	var files []string
	for _, command := range s.Commands {
		run, ok := command.(*instructions.RunCommand)
		if !ok {
			continue
		}
		m := built.FindStringSubmatch(strings.Join(run.CmdLine, " "))
		if m == nil {
			continue
		}
		files = append(files, m[5])
		if !strings.HasSuffix(m[3], "/") {
			files = append(files, m[3])
			continue
		}
		for _, program := range strings.Fields(m[4]) {
			files = append(files, path.Join(m[3], program))
		}
	}
	return files
}

// What .dockerignore lets through is enough for what the stages compile.
func TestTheBuilderIsSentWhatItNeedsAndNoSecret(t *testing.T) {
	t.Parallel()
	sent := sentToBuilder(t)
	if _, err := os.Stat(filepath.Join(sent, "stack", "temporalserver")); err == nil {
		t.Error("Temporal's server is sent to the builder")
	}
	compiled := 0
	for _, s := range dockerfile(t) {
		for _, command := range s.Commands {
			run, ok := command.(*instructions.RunCommand)
			if !ok {
				continue
			}
			m := built.FindStringSubmatch(strings.Join(run.CmdLine, " "))
			if m == nil {
				t.Errorf("not understood: %v", run.CmdLine)
				continue
			}
			compiled++
			list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, strings.Fields(m[4])...)...)
			list.Dir = filepath.Join(sent, m[2])
			list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
			if said, err := list.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", m[0], err, said)
			}
		}
	}
	if compiled != 2 {
		t.Errorf("%d commands compile, expected one for kap and one for the inbox", compiled)
	}
}

// sentToBuilder is a copy of what the builder is sent.
func sentToBuilder(t *testing.T) string {
	t.Helper()
	file, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(lines)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".env", ".git/config", ".kap/env", "practice/.env"} {
		if skip, err := ignored.MatchesOrParentMatches(name); err != nil || !skip {
			t.Errorf("%s would be sent to the builder (%v)", name, err)
		}
	}
	names, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	for name := range strings.SplitSeq(string(names), "\x00") {
		skip, err := ignored.MatchesOrParentMatches(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if skip || name == "" || os.IsNotExist(err) { // git still knows of it
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// What is tested here is what the containers run.
func TestTheVersionsAreTheOnesTestedHere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "stack", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	module, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	version := func(of string) string {
		i := slices.IndexFunc(module.Require, func(r *modfile.Require) bool { return r.Mod.Path == of })
		if i < 0 {
			t.Fatalf("the stack does not use %s", of)
		}
		return strings.TrimPrefix(module.Require[i].Mod.Version, "v")
	}
	server := version("go.temporal.io/server")
	p := everything(t)
	for service, want := range map[string]string{
		"temporal":        "temporalio/server:" + server,
		"temporal-schema": "temporalio/admin-tools:" + server,
		"ui":              "temporalio/ui:" + version("github.com/temporalio/ui-server/v2"),
	} {
		if found := p.Services[service].Image; found != want {
			t.Errorf("%s: found %s, expected %s", service, found, want)
		}
	}
	if found, want := named(dockerfile(t), "build").BaseName, "golang:"+module.Go.Version+"-bookworm"; found != want {
		t.Errorf("the images are built with %s, expected %s", found, want)
	}
}
