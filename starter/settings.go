package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"kap/pathway"
	"kap/practice"
	"kap/records"
	known "kap/settings"
)

// defaultEnvFile is where the stack writes its addresses.
const defaultEnvFile = ".kap/env"

// settings are the environment, and for what is not in it, the stack's file.
type settings map[string]string

// LookupEnv and Environ let Temporal's envconfig read the same settings.
func (s settings) LookupEnv(name string) (string, bool) {
	value, ok := s[name]
	return value, ok
}

// Environ lists all settings.
func (s settings) Environ() []string {
	var all []string
	for name, value := range s {
		all = append(all, name+"="+value)
	}
	return all
}

// settings reads them once. A missing file is an error only where it was asked for by name.
func (d *desk) settings() (settings, error) {
	if d.read != nil {
		return *d.read, nil
	}
	path := d.envFile
	if path == "" {
		path = defaultEnvFile
	}
	s := settings{}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.envFile == "":
	case err != nil:
		return nil, usage("--env-file: cannot read %s; expected a file of KEY=value lines", path)
	default:
		if err := s.parse(path, string(text)); err != nil {
			return nil, err
		}
	}
	given := settings{}
	given.overlay(d.env)
	d.fromFile = map[string]bool{}
	for name := range s {
		_, own := given[name]
		d.fromFile[name] = !own && d.envFile == ""
	}
	s.overlay(d.env)
	if _, err := known.Load[known.Starter](s.Environ()); err != nil {
		return nil, usage("%v", err)
	}
	d.read = &s
	return s, nil
}

// parse reads KEY=value lines. Its errors never quote a line: it may hold a password.
func (s settings) parse(path, text string) error {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return usage("%s: line %d is not of the form KEY=value", path, i+1)
		}
		s[name] = value
	}
	return nil
}

// overlay puts the environment over the file. Whoever names a profile of Temporal's there means all of it: the file's
// addresses would otherwise come between.
func (s settings) overlay(env []string) {
	own := settings{}
	for _, line := range env {
		if name, value, ok := strings.Cut(line, "="); ok {
			own[name] = value
		}
	}
	if own["TEMPORAL_PROFILE"] != "" || own["TEMPORAL_CONFIG_FILE"] != "" {
		for name := range s {
			if strings.HasPrefix(name, "TEMPORAL_") {
				delete(s, name)
			}
		}
	}
	for name, value := range own {
		s[name] = value
	}
}

// hasRecords says whether there is a database to ask.
func (d *desk) hasRecords() bool {
	s, err := d.settings()
	return err == nil && s["DATABASE_URL"] != ""
}

// records opens the practice's database.
func (d *desk) records(ctx context.Context) (*records.Store, error) {
	if d.store != nil {
		return d.store, nil
	}
	s, err := d.settings()
	if err != nil {
		return nil, err
	}
	store, err := records.Open(context.WithoutCancel(ctx), s["DATABASE_URL"])
	if err != nil { // its texts are written for people, and hold no password
		return nil, usage("%v; set it, or start the stack in this directory", err)
	}
	d.store = store
	return store, nil
}

// house reads the practice's two files.
func (d *desk) house() (practice.Practice, pathway.Protocol, error) {
	s, err := d.settings()
	if err != nil {
		return practice.Practice{}, pathway.Protocol{}, err
	}
	return s.house()
}

func (s settings) house() (practice.Practice, pathway.Protocol, error) {
	house, err := practice.Load(s["KAP_PRACTICE"])
	if err != nil {
		return practice.Practice{}, pathway.Protocol{}, usage("KAP_PRACTICE: %s; correct the file or the setting", oneLine(err.Error()))
	}
	protocol, err := practice.LoadProtocol(s["KAP_PROTOCOL"])
	if err != nil {
		return practice.Practice{}, pathway.Protocol{}, usage("KAP_PROTOCOL: %s; correct the file or the setting", oneLine(err.Error()))
	}
	return house, protocol, nil
}
