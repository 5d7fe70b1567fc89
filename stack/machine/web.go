package machine

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"kap/stack/inbox"
)

// startWeb runs the project's own web process, to which the inbox tells what becomes of mails.
func (m *Machine) startWeb(ctx context.Context) error {
	if m.config.WebPath == "" {
		return nil
	}
	m.children[Web] = &child{
		name:    "the web process",
		logFile: m.folder.log("web"),
		say:     m.say,
		command: func() (*exec.Cmd, error) {
			cmd := exec.Command(m.config.WebPath)
			cmd.Env = m.workerEnv()
			return cmd, nil
		},
		ready:        m.webLives,
		stopSignal:   syscall.SIGTERM,
		stopWithin:   20 * time.Second, // what it has begun it may finish
		orphanSignal: syscall.SIGTERM,
	}
	return m.children[Web].up(ctx)
}

// webLives asks no more than that: the worker may not have made the tables yet.
func (m *Machine) webLives(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at(m.config.WebHealthPort)+"/healthz", nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// prepareWeb makes the key with which the inbox signs what it tells, once, and reads its public half as SendGrid would show it.
func (m *Machine) prepareWeb(context.Context) error {
	if m.config.WebPath == "" {
		return nil
	}
	key, err := inbox.EventKey(m.folder.eventsKey())
	if errors.Is(err, fs.ErrNotExist) {
		key, err = newEventsKey(m.folder.eventsKey())
	}
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	m.eventsKey = base64.StdEncoding.EncodeToString(public)
	if err != nil {
		return err
	}
	m.linksKey, err = linksKey(m.folder.linksKey())
	return err
}

// linksKey reads the key that seals the links in mails, or makes it. It outlasts a run, as mails do.
func linksKey(path string) (string, error) {
	text, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return strings.TrimSpace(string(text)), err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	key := base64.StdEncoding.EncodeToString(secret)
	return key, writeFile(path, key+"\n")
}

func newEventsKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writeFile(path, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))); err != nil {
		return nil, err
	}
	return key, os.Chmod(path, 0o600)
}

// WebURL is where the web process serves what the outside reaches.
func (m *Machine) WebURL() string { return "http://" + at(m.config.WebPort) }

// WebHealthURL is where it says how it is.
func (m *Machine) WebHealthURL() string { return "http://" + at(m.config.WebHealthPort) }
