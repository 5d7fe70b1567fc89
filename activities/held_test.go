package activities_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"kap/activities"
	"kap/mail"
	"kap/pathway"
	"kap/records"
)

// held says that a delivery waits because mail is held, without that the mail service is asked.
func (o *post) held(why records.HoldReason) {
	o.t.Helper()
	_, err := o.deliver()
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.NonRetryable() || failed.Type() != "held" || failed.Category() != temporal.ApplicationErrorCategoryBenign || !strings.Contains(failed.Message(), string(why)) {
		o.t.Errorf("found %v, expected that mail is held: %s", err, why)
	}
	if failed != nil && (failed.NextRetryDelay() <= 0 || failed.NextRetryDelay() > 63*time.Second) {
		o.t.Errorf("the next try is in %s", failed.NextRetryDelay())
	}
	if h, err := o.acts.Store.MailHeld(o.t.Context()); err != nil || h == nil || h.Why != why {
		o.t.Errorf("found %+v, %v, expected that mail is held: %s", h, err, why)
	}
	o.silentAbout(err)
}

// waited lets pass what mail is held for.
func (o *post) waited() {
	o.t.Helper()
	o.do(`update mail_held set until = now() - interval '1 ms'`)
}

func (o *post) goesOut() {
	o.t.Helper()
	if h, err := o.acts.Store.MailHeld(o.t.Context()); err != nil || h != nil {
		o.t.Errorf("mail is held: %+v, %v", h, err)
	}
}

// more puts so many further mails into the outbox.
func (o *post) more(n int) {
	o.t.Helper()
	o.do(fmt.Sprintf(`insert into mail (pathway, key, body) select pathway, 'more/' || n, body from mail, generate_series(1, %d) n where key = '%s'`, n, reminder))
}

func (o *post) deliverMore(acts *activities.Activities, n int) (pathway.MailStatus, error) {
	return run[pathway.MailStatus](o.environment(), acts.Deliver, activities.DeliverInput{Pathway: "K7Q2M9", Key: fmt.Sprintf("more/%d", n)})
}

// second is another worker on the same records.
func (o *post) second(base string) *activities.Activities {
	o.t.Helper()
	store, err := records.Open(o.t.Context(), o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(store.Close)
	return &activities.Activities{Store: store, Practice: o.acts.Practice, Sender: mail.NewSender(base, "SG.trial-key", enough)}
}

// What the mail service says to one mail of one worker holds for all of both, and one mail tries whether it is over. The log has one
// line for it all.
func TestOneAnswerHoldsTheWholeQueue(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"too many": {status(http.StatusTooManyRequests, "Retry-After", "600"), "is asked too often"},
		"no key":   {status(http.StatusUnauthorized), "does not accept the key"},
		"no right": {status(http.StatusForbidden), "does not accept the key"},
		"silence":  {drop, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := newInbox(t, row.answer)
			o := newPost(t, service.URL, enough)
			o.more(6)
			two := o.second(service.URL)
			all := func() (sent int) {
				var together sync.WaitGroup
				var mu sync.Mutex
				for n := range 6 {
					together.Go(func() {
						found, err := o.deliverMore([]*activities.Activities{o.acts, two}[n%2], n+1)
						mu.Lock()
						defer mu.Unlock()
						var failed *temporal.ApplicationError
						switch {
						case found == pathway.SentMail:
							sent++
						case errors.As(err, &failed) && failed.Category() == temporal.ApplicationErrorCategoryBenign:
						default:
							t.Errorf("found %s, %v", found, err)
						}
					})
				}
				together.Wait()
				return sent
			}
			_, _ = o.deliver()
			if all() != 0 {
				t.Error("mails went out")
			}
			service.gets(t, 1)
			o.waited() // not mended yet: one mail finds out
			if name != "silence" {
				if all() != 0 {
					t.Error("mails went out")
				}
				service.gets(t, 2)
				o.waited()
			}
			asked := service.got()
			service.now(func(w http.ResponseWriter, _ *http.Request) {
				if service.got() == asked+1 { // the others wait for this one
					time.Sleep(300 * time.Millisecond)
					if n := service.got(); n != asked+1 {
						t.Errorf("%d mails tried it at once", n-asked)
					}
				}
				w.WriteHeader(http.StatusAccepted)
			})
			if sent := all(); sent != 6 {
				t.Errorf("%d mails went out, expected all 6", sent)
			}
			o.goesOut()
			said := slices.DeleteFunc(o.said.aloud(), func(line string) bool { return strings.HasPrefix(line, "nobody knows") }) // of one mail
			if len(said) != 2 || !strings.Contains(said[0], row.says) || !strings.Contains(said[1], "takes mails again") {
				t.Errorf("the log says %q", said)
			}
			o.silentAbout(nil)
		})
	}
}

// A worker that tries whether a hold is over, and is killed over it, does not keep the others waiting for good.
func TestWhoeverTriesAndVanishesIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	o.more(1)
	if _, err := o.acts.Store.HoldMail(t.Context(), records.BadKey, 401, time.Hour); err != nil {
		t.Fatal(err)
	}
	o.waited()
	if c, _, err := o.acts.Store.Claim(t.Context(), "K7Q2M9", reminder, time.Minute); err != nil || !c.Probe {
		t.Fatalf("found %+v, %v", c, err)
	}
	var held *records.MailHeldError
	if _, _, err := o.acts.Store.Claim(t.Context(), "K7Q2M9", "more/1", time.Minute); !errors.As(err, &held) || held.Wait <= 0 || held.Wait > time.Minute {
		t.Fatalf("found %v", err)
	}
	o.do(`update mail_held set probed_until = now() - interval '1 ms'`)
	if found, err := o.deliverMore(o.acts, 1); found != pathway.SentMail || err != nil {
		t.Errorf("found %s, %v", found, err)
	}
	o.goesOut()
}

// A mail service that is not well says so for each mail, and the log once a minute.
func TestATroubleDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusInternalServerError))
	o := newPost(t, service.URL, enough)
	o.more(20)
	for n := range 20 {
		if _, err := o.deliverMore(o.acts, n+1); err == nil {
			t.Error("it went out")
		}
	}
	service.gets(t, 20)
	if said := o.said.aloud(); len(said) != 1 || !strings.Contains(said[0], "is not well") {
		t.Errorf("the log says %q", said)
	}
}

// A process that was stopped after the send wakes when the mail was taken for unknown, and is to be sent again. It is not.
func TestWhoeverSentAMailMaySayItLate(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	c, _, err := o.acts.Store.Claim(t.Context(), "K7Q2M9", reminder, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	o.do(`update mail set status = 'pending'`)
	if err := o.acts.Store.SettleMail(t.Context(), c, pathway.SentMail, o.p.Woken); err != nil {
		t.Fatal(err)
	}
	o.is(pathway.SentMail)
	if found, err := o.deliver(); found != pathway.SentMail || err != nil {
		t.Errorf("found %s, %v", found, err)
	}
	service.gets(t, 0)
}
