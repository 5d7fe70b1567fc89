package inbox

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Word is what SendGrid's event webhook says of a message. The inbox delivers nothing to anybody, and says what it is told to say.
type Word string

// The words. Blocked is a bounce of that type.
const (
	Processed   Word = "processed"
	Delivered   Word = "delivered"
	Deferred    Word = "deferred"
	Opened      Word = "open"
	Bounce      Word = "bounce"
	Blocked     Word = "blocked"
	Dropped     Word = "dropped"
	SpamReport  Word = "spamreport"
	Unsubscribe Word = "unsubscribe"
)

type saying struct {
	Word Word
	Says string
	with map[string]any // what SendGrid adds
}

var words = []saying{
	{Bounce, "It bounced", map[string]any{"type": "bounce", "reason": "550 5.1.1 no such user", "status": "5.1.1", "bounce_classification": "Invalid Address"}},
	{Blocked, "It was blocked", map[string]any{"type": "blocked", "reason": "421 try later", "status": "4.2.1", "bounce_classification": "Reputation"}},
	{Dropped, "It was dropped", map[string]any{"reason": "Bounced Address", "status": "5.0.0"}},
	{SpamReport, "It was reported as spam", nil},
	{Unsubscribe, "Its reader unsubscribed", nil},
	{Deferred, "It was deferred", map[string]any{"response": "450 busy", "attempt": "1"}},
	{Opened, "It was opened", nil},
	{Processed, "It was processed", nil},
	{Delivered, "It was delivered", map[string]any{"response": "250 OK"}},
}

func indexOf(word Word) int {
	return slices.IndexFunc(words, func(w saying) bool { return w.Word == word })
}

// Tell has the inbox say at an address what becomes of each message, signed as SendGrid signs it: that it was processed and
// delivered, by itself, and else what it is told to. Whoever does not answer with a 2xx is told again; what waits for that is
// forgotten when the process ends. It is called before [Inbox.Serve].
func (in *Inbox) Tell(address string, key *ecdsa.PrivateKey) {
	in.events = &teller{url: address, key: key, now: in.now, more: make(chan struct{}, 1)}
}

// EventKey reads a private key on P-256 from a PEM file.
func EventKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: found no PEM block, expected a private key", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := parsed.(*ecdsa.PrivateKey); err == nil && ok {
		return key, nil
	}
	return nil, fmt.Errorf("%s: found something else, expected an ECDSA private key (PKCS 8)", path)
}

// teller keeps what is to be told until somebody has heard it.
type teller struct {
	url  string
	key  *ecdsa.PrivateKey
	now  func() time.Time
	more chan struct{} // holds something while there may be more to tell

	mu    sync.Mutex
	queue []map[string]any // the oldest first
}

func (in *Inbox) tell(m Message, all ...Word) {
	if in.events == nil {
		return
	}
	var told []map[string]any
	for _, to := range m.To {
		for _, word := range all {
			e := map[string]any{}
			for name, value := range m.CustomArgs { // each is a field of its own
				e[name] = value
			}
			maps.Copy(e, words[indexOf(word)].with)
			event := word
			if word == Blocked {
				event = Bounce
			}
			maps.Copy(e, map[string]any{"email": to.Email, "timestamp": in.now().Unix(), "event": event,
				"sg_event_id": base64.RawURLEncoding.EncodeToString([]byte(rand.Text())), "sg_message_id": m.ID, "smtp-id": "<" + m.ID + "@inbox>"})
			told = append(told, e)
		}
	}
	in.events.mu.Lock()
	in.events.queue = append(in.events.queue, told...)
	in.events.mu.Unlock()
	select {
	case in.events.more <- struct{}{}:
	default:
	}
}

const (
	toldAtOnce = 200
	tellWithin = 10 * time.Second
	tellAgain  = 500 * time.Millisecond // longer each time
	tellAtMost = 10 * time.Second
)

// run tells until the context ends.
func (t *teller) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.more:
		}
		for pause := tellAgain; ; {
			t.mu.Lock()
			batch := t.queue[:min(len(t.queue), toldAtOnce)]
			t.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			if t.post(ctx, batch) == nil {
				t.mu.Lock()
				t.queue = t.queue[len(batch):]
				t.mu.Unlock()
				pause = tellAgain
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, tellAtMost)
		}
	}
}

func (t *teller) post(ctx context.Context, batch []map[string]any) error {
	body, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	stamp := strconv.FormatInt(t.now().Unix(), 10)
	sum := sha256.Sum256(append([]byte(stamp), body...))
	signature, err := ecdsa.SignASN1(rand.Reader, t.key, sum[:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
	request.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// setEvent has the inbox say something of one message.
func (in *Inbox) setEvent(w http.ResponseWriter, r *http.Request) {
	m, ok := in.wanted(w, r)
	if !ok {
		return
	}
	word := Word(strings.TrimSpace(r.FormValue("event")))
	var problem error
	switch {
	case in.events == nil:
		problem = errors.New("this inbox tells nobody what becomes of messages: it was started without --events")
	case indexOf(word) < 0:
		problem = fmt.Errorf("event: found %q, expected bounce, blocked, dropped, spamreport, unsubscribe, deferred, open, processed or delivered", word)
	}
	if problem != nil {
		http.Error(w, problem.Error(), http.StatusBadRequest)
		return
	}
	in.tell(m, word)
	http.Redirect(w, r, "/messages/"+url.PathEscape(m.ID), http.StatusSeeOther)
}
