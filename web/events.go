package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kap/pathway"
	"kap/records"
)

// The headers of SendGrid's signed event webhook. The signature is over the timestamp, as it is written, and the body.
const (
	signatureHeader = "X-Twilio-Email-Event-Webhook-Signature"
	timestampHeader = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// What is taken. SendGrid says that it posts up to 768 KB at a time, and tries again for 24 hours after an event; it does not say that
// it signs anew then. What is replayed within that time changes nothing, because each event is taken once.
const (
	bodyAtMost  = 1 << 20
	oldAtMost   = 25 * time.Hour
	aheadAtMost = 5 * time.Minute
)

// storeWithin bounds the writing down of one delivery of events.
const storeWithin = 10 * time.Second

// eventKey reads the public key as SendGrid shows it, or says what is wrong with it.
func eventKey(text string) (*ecdsa.PublicKey, error) {
	wrong := func(found string) error {
		return fmt.Errorf("SENDGRID_WEBHOOK_PUBLIC_KEY: found %s, expected the verification key of the signed event webhook as SendGrid shows it: an ECDSA key on P-256, as base64", found)
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, wrong("something that is not base64")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, wrong("something that is no public key")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return nil, wrong("a key of another kind")
	case key.Curve != elliptic.P256():
		return nil, wrong("a key on the curve " + key.Curve.Params().Name)
	}
	return key, nil
}

// refusal is why a delivery of events is not taken: a word for the counter, and the status, on whose account SendGrid tries again or
// does not. It tries again, for a day, after anything but a 2xx: which is right for what can be mended meanwhile, a wrong key among it.
type refusal struct {
	reason string
	status int
}

var (
	unsigned  = refusal{"unsigned", http.StatusUnauthorized}
	forged    = refusal{"signature", http.StatusForbidden}
	untimely  = refusal{"age", http.StatusForbidden}
	oversized = refusal{"size", http.StatusRequestEntityTooLarge}
	cutShort  = refusal{"cut-short", http.StatusBadRequest}
	busy      = refusal{"busy", http.StatusServiceUnavailable}
	away      = refusal{"records-away", http.StatusServiceUnavailable}
)

func refusals() []refusal {
	return []refusal{unsigned, forged, untimely, oversized, cutShort, busy, away}
}

// atOnce bounds the memory that whoever can sign nothing can make this process use.
const atOnce = 16

// events takes what the mail service says became of mails.
type events struct {
	key   *ecdsa.PublicKey
	store *records.Store
	log   *slog.Logger
	now   func() time.Time
	taken func() // is told of fresh ones
	slots chan struct{}

	mu     sync.Mutex
	warned map[string]time.Time // by reason: anybody may post, as often as they like

	posts   *prometheus.CounterVec // refused, by reason
	counted *prometheus.CounterVec // events, by what they say and what came of them
}

// The names under which events are counted beside those of package pathway.
const (
	ignored    = "ignored"    // of a kind that tells kap nothing
	unreadable = "unreadable" // signed, and not what SendGrid documents
)

func newEvents(key *ecdsa.PublicKey, store *records.Store, log *slog.Logger, metrics prometheus.Registerer, taken func()) *events {
	e := &events{key: key, store: store, log: log, now: time.Now, taken: taken, slots: make(chan struct{}, atOnce), warned: map[string]time.Time{},
		posts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kap_web_events_refused_total",
			Help: "Deliveries of the mail service's events that were refused."}, []string{"reason"}),
		counted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kap_web_events_total",
			Help: "Events of the mail service."}, []string{"event", "result"})}
	metrics.MustRegister(e.posts, e.counted)
	for _, r := range refusals() { // a 0 is another thing than what is not known
		e.posts.WithLabelValues(r.reason)
	}
	return e
}

func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	body, refused := e.read(w, r)
	if refused == nil {
		refused = e.take(r.Context(), body)
	}
	if refused != nil {
		e.posts.WithLabelValues(refused.reason).Inc()
		e.warn(refused.reason)
		http.Error(w, refused.reason, refused.status)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// warn says once a minute what is refused: how often that is, is counted.
func (e *events) warn(reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.now(); now.Sub(e.warned[reason]) >= time.Minute {
		e.warned[reason] = now
		e.log.Warn("what is posted as events of the mail service is refused; this is said once a minute", "reason", reason)
	}
}

// read reads no more than it takes, and believes nothing before it is verified.
func (e *events) read(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	signature, stamp := r.Header.Get(signatureHeader), r.Header.Get(timestampHeader)
	if signature == "" || stamp == "" {
		return nil, &unsigned
	}
	der, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return nil, &forged
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	default:
		return nil, &busy
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, &forged
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyAtMost))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &oversized
	case err != nil:
		return nil, &cutShort
	}
	sum := sha256.New()
	sum.Write([]byte(stamp))
	sum.Write(body)
	if !ecdsa.VerifyASN1(e.key, sum.Sum(nil), der) {
		return nil, &forged
	}
	if age := e.now().Sub(time.Unix(seconds, 0)); age > oldAtMost || age < -aheadAtMost {
		return nil, &untimely
	}
	return body, nil
}

// take writes down what is news. What cannot be read is not asked for again: it would come back the same.
func (e *events) take(ctx context.Context, body []byte) *refusal {
	known, strange := decodeEvents(body)
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	taken, err := e.store.TakeEvents(ctx, known)
	if err != nil {
		e.log.Debug("events of the mail service are not written down", "events", len(known), "error", records.Plain(err))
		return &away
	}
	for _, f := range taken.Fresh {
		e.counted.WithLabelValues(string(f.Event), "fresh").Inc()
	}
	e.counted.WithLabelValues("any", "repeated").Add(float64(taken.Repeated))
	e.counted.WithLabelValues("any", "foreign").Add(float64(taken.Foreign))
	for result, n := range strange {
		e.counted.WithLabelValues("any", result).Add(float64(n))
	}
	if strange[unreadable] > 0 {
		e.log.Error("the mail service signed events that cannot be read", "events", strange[unreadable])
	}
	if len(taken.Fresh) > 0 {
		e.taken()
	}
	return nil
}

// said is an event as SendGrid documents it, without the reader's address and the words of servers, which kap does not keep.
type said struct {
	ID        string `json:"sg_event_id"`
	Mail      string `json:"mail"` // the custom argument that mail.Sender gives
	Event     string `json:"event"`
	Type      string `json:"type"`
	Reason    string `json:"reason"`
	Class     string `json:"bounce_classification"`
	Timestamp int64  `json:"timestamp"`
}

// decodeEvents reads a delivery, and counts what of it tells kap nothing. One event that cannot be read hides no other.
func decodeEvents(body []byte) (known []records.MailEvent, strange map[string]int) {
	strange = map[string]int{}
	var all []json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return nil, map[string]int{unreadable: 1}
	}
	for _, raw := range all {
		var t said
		if bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, &t) != nil {
			strange[unreadable]++
			continue
		}
		event, reason := t.means()
		switch {
		case event == "":
			strange[ignored]++
		case t.ID == "" || len(t.ID) > 200 || strings.ContainsRune(t.ID, 0) || t.Timestamp <= 0 || t.Timestamp > 1<<36:
			strange[unreadable]++
		default: // without an id of the outbox it is another program's, or of a mail sent by hand
			known = append(known, records.MailEvent{ID: t.ID, Mail: t.Mail, Event: event, Reason: reason, At: time.Unix(t.Timestamp, 0).UTC()})
		}
	}
	return known, strange
}

// means puts SendGrid's words into ours; "" for those that say nothing of one mail.
func (t said) means() (pathway.MailEvent, pathway.MailReason) {
	switch t.Event {
	case "processed":
		return pathway.MailProcessed, ""
	case "deferred":
		return pathway.MailDeferred, ""
	case "delivered":
		return pathway.MailDelivered, ""
	case "open", "click":
		return pathway.MailOpened, ""
	case "bounce":
		if t.Type == "blocked" {
			return pathway.MailBlocked, t.class()
		}
		return pathway.MailBounced, t.class()
	case "blocked":
		return pathway.MailBlocked, t.class()
	case "dropped":
		return pathway.MailDropped, t.dropped()
	case "spamreport":
		return pathway.MailReported, ""
	case "unsubscribe", "group_unsubscribe":
		return pathway.MailUnsubscribed, ""
	}
	return "", ""
}

// class is why a server did not take a mail.
func (t said) class() pathway.MailReason {
	switch strings.ToLower(t.Class) {
	case "invalid address":
		return pathway.BadAddress
	case "content":
		return pathway.BadContent
	}
	return pathway.OtherReason
}

// dropped is why SendGrid did not send a mail. It says so in a sentence, of which the beginning is documented.
func (t said) dropped() pathway.MailReason {
	for _, r := range []struct {
		begins string
		is     pathway.MailReason
	}{
		{"unsubscribed address", pathway.NotWanted}, {"spam reporting address", pathway.CalledSpam},
		{"spam content", pathway.BadContent}, {"recipient list over", pathway.BadContent}, {"invalid smtpapi", pathway.BadContent},
		{"bounced address", pathway.BadAddress}, {"invalid", pathway.BadAddress},
	} {
		if strings.HasPrefix(strings.ToLower(t.Reason), r.begins) {
			return r.is
		}
	}
	return pathway.OtherReason
}
