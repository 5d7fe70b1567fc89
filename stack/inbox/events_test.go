package inbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"context"
)

// Whoever is told hears of every message, signed, again until they have taken it, and of what the reader's page is told to say.
func TestItTellsWhatBecomesOfMessages(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var heard []map[string]any
	refused := 0
	webhook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		signature, _ := base64.StdEncoding.DecodeString(r.Header.Get("X-Twilio-Email-Event-Webhook-Signature"))
		sum := sha256.Sum256(append([]byte(r.Header.Get("X-Twilio-Email-Event-Webhook-Timestamp")), body...))
		mu.Lock()
		defer mu.Unlock()
		if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) {
			t.Error("its signature does not fit")
		}
		if refused++; refused <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var batch []map[string]any
		if err := json.Unmarshal(body, &batch); err != nil {
			t.Error(err)
		}
		heard = append(heard, batch...)
	}))
	defer webhook.Close()
	in, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in.Tell(webhook.URL, key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- in.Serve(ctx, listener) }()
	defer func() { stop(); <-served }()
	address := "http://" + listener.Addr().String()

	request, _ := http.NewRequest(http.MethodPost, address+"/v3/mail/send", strings.NewReader(`{"personalizations": [{"to": [{"email": "ada@client.example"}], "custom_args": {"mail": "m-1"}}],
		"from": {"email": "a@b.example"}, "subject": "s", "content": [{"type": "text/plain", "value": "x"}]}`))
	request.Header.Set("Authorization", "Bearer any")
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatal(answer, err)
	}
	answer.Body.Close()
	all, err := in.Messages("")
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for word, status := range map[string]int{"bounce": http.StatusOK, "blocked": http.StatusOK, "vanished": http.StatusBadRequest} {
		answer, err := http.PostForm(address+"/messages/"+all[0].ID+"/events", url.Values{"event": {word}})
		if err != nil || answer.StatusCode != status {
			t.Errorf("%s: %v, %v", word, answer, err)
		}
		answer.Body.Close()
	}
	want := map[string]int{"processed": 1, "delivered": 1, "bounce": 2}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		found, ids := map[string]int{}, map[any]bool{}
		for _, e := range heard {
			if e["mail"] != "m-1" || e["email"] != "ada@client.example" || e["timestamp"] == nil {
				t.Errorf("told %v", e)
			}
			found[e["event"].(string)]++
			ids[e["sg_event_id"]] = true
		}
		mu.Unlock()
		if len(ids) == 4 && found["processed"] == want["processed"] && found["delivered"] == want["delivered"] && found["bounce"] == want["bounce"] {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("told %v, expected %v", found, want)
		}
	}
}
