// Package inbox stands in for SendGrid on one machine. It takes the same HTTP call, keeps every message as a file, shows
// them in a browser, and can be told to fail in the ways in which a mail service fails.
//
// It delivers nothing to anybody, and it knows nobody: whoever reaches its address reads every message. It is for trial
// data on one machine, never for a network.
package inbox

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Address is a mailbox, in SendGrid's form.
type Address struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// String is "Ada <ada@client.example>".
func (a Address) String() string {
	if a.Name == "" {
		return a.Email
	}
	return a.Name + " <" + a.Email + ">"
}

// Message is one message as it was taken. A call with several personalizations is several messages, as with SendGrid.
type Message struct {
	ID         string            `json:"id"`
	Received   time.Time         `json:"received"` // UTC
	To         []Address         `json:"to"`
	From       Address           `json:"from"`
	ReplyTo    Address           `json:"reply_to"` // empty where none was given
	Subject    string            `json:"subject"`
	Text       string            `json:"text"`
	HTML       string            `json:"html"`
	Invitation string            `json:"invitation,omitempty"` // the text/calendar part
	Method     string            `json:"method,omitempty"`     // of the invitation
	Files      []File            `json:"files,omitempty"`
	CustomArgs map[string]string `json:"custom_args"`
	Headers    map[string]string `json:"headers"`
}

// File is an attachment.
type File struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Content []byte `json:"content"`
}

// Inbox keeps messages in a folder. Its methods may be called by many goroutines; two Inboxes must not share a folder.
type Inbox struct {
	dir  string
	now  func() time.Time
	zone *time.Location // in which the pages show times

	events *teller // nil: nobody is told what becomes of messages

	mu     sync.Mutex
	all    []summary // oldest first
	faults Faults
}

// summary is what the list shows: bodies stay on the disk.
type summary struct {
	ID       string
	Received time.Time
	To       []Address
	Subject  string
}

const ending = ".json"

// New opens the inbox kept in dir, making the folder where there is none. Its errors name the folder or the file that
// cannot be read.
func New(dir string) (*Inbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	in := &Inbox{dir: dir, now: time.Now, zone: time.UTC, faults: Faults{Mode: None}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	for _, e := range entries {
		id, isMessage := strings.CutSuffix(e.Name(), ending)
		if !isMessage { // what a killed process was still writing had not been answered for
			if strings.HasSuffix(e.Name(), unfinished) {
				os.Remove(filepath.Join(dir, e.Name()))
			}
			continue
		}
		m, err := in.read(id)
		if err != nil {
			return nil, err
		}
		in.all = append(in.all, summarise(m))
	}
	slices.SortFunc(in.all, older)
	return in, nil
}

// ShowTimesIn has the pages show times in a zone; without it they show them in UTC.
func (in *Inbox) ShowTimesIn(zone *time.Location) { in.zone = zone }

// Messages lists what was sent to an address, newest first; an empty address means everybody. Case is not looked at.
// Its error names the file that cannot be read.
func (in *Inbox) Messages(to string) ([]Message, error) {
	list := in.list(to)
	all := make([]Message, 0, len(list))
	for _, s := range list {
		m, err := in.read(s.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func (in *Inbox) list(to string) []summary {
	in.mu.Lock()
	defer in.mu.Unlock()
	var found []summary
	for _, s := range slices.Backward(in.all) {
		if to == "" || slices.ContainsFunc(s.To, func(a Address) bool { return strings.EqualFold(a.Email, to) }) {
			found = append(found, s)
		}
	}
	return found
}

var errNoSuchMessage = errors.New("inbox: no such message")

// message reads the message of an id that came from outside: only an id that was given out names a file.
func (in *Inbox) message(id string) (Message, error) {
	in.mu.Lock()
	known := slices.ContainsFunc(in.all, func(s summary) bool { return s.ID == id })
	in.mu.Unlock()
	if !known {
		return Message{}, errNoSuchMessage
	}
	return in.read(id)
}

func (in *Inbox) read(id string) (Message, error) {
	path := filepath.Join(in.dir, id+ending)
	text, err := os.ReadFile(path)
	if err != nil {
		return Message{}, fmt.Errorf("inbox: %w", err)
	}
	var m Message
	if err := json.Unmarshal(text, &m); err != nil {
		return Message{}, fmt.Errorf("inbox: %s: %w", path, err)
	}
	if m.ID != id {
		return Message{}, fmt.Errorf("inbox: %s: id: found %q, expected the file's own name", path, m.ID)
	}
	return m, nil
}

// keep gives m its id and time and writes it, so that it is on the disk, whole, before anyone is told that it was taken.
func (in *Inbox) keep(m Message) (Message, error) {
	m.Received = in.now().UTC()
	// The time first, so that a folder listing reads in order.
	m.ID = m.Received.Format("20060102-150405-") + strings.ToLower(rand.Text()[:16])
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Message{}, fmt.Errorf("inbox: %w", err)
	}
	if err := write(filepath.Join(in.dir, m.ID+ending), text); err != nil {
		return Message{}, fmt.Errorf("inbox: %w", err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	s := summarise(m)
	// Two sends that run at once may finish in the other order.
	i, _ := slices.BinarySearchFunc(in.all, s, older)
	in.all = slices.Insert(in.all, i, s)
	return m, nil
}

const unfinished = ".unfinished"

func write(path string, text []byte) error {
	f, err := os.OpenFile(path+unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func summarise(m Message) summary {
	return summary{ID: m.ID, Received: m.Received, To: m.To, Subject: m.Subject}
}

func older(a, b summary) int {
	return cmp.Or(a.Received.Compare(b.Received), strings.Compare(a.ID, b.ID))
}
