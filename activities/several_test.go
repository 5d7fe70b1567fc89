package activities_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"kap/activities"
	"kap/pathway"
)

// two writes a second mail beside the first, and names both.
func (o *post) two() activities.SeveralInput {
	o.t.Helper()
	const second = "booked/preparation-1/r1/again"
	o.do(`insert into mail (pathway, key, step, body) select pathway, '` + second + `', step, body from mail`)
	return activities.SeveralInput{Pathway: "K7Q2M9", Keys: []string{reminder, second}, At: time.Now()}
}

func (o *post) sent() string { return o.ask(`select count(*)::text from mail where status = 'sent'`) }

// One mail that has to wait keeps no other from going out, and is told apart from it.
func TestSeveralMailsGoOutTogether(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	service := newInbox(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			status(http.StatusInternalServerError)(w, r)
			return
		}
		status(http.StatusAccepted)(w, r)
	})
	o := newPost(t, service.URL, enough)
	in := o.two()
	known, err := run[[]activities.Delivered](o.environment(), o.acts.DeliverSeveral, in)
	if err != nil || len(known) != 1 || known[0].Status != pathway.SentMail {
		t.Fatalf("found %v, %v, expected that one of two went out", known, err)
	}
	known, err = run[[]activities.Delivered](o.environment(), o.acts.DeliverSeveral, in)
	if err != nil || len(known) != 2 {
		t.Errorf("found %v, %v, expected to hear of both", known, err)
	}
	service.gets(t, 3)
	if o.sent() != "2" {
		t.Errorf("%s mails are sent, expected 2", o.sent())
	}
}

func TestWhereNoneGoesOutAllAreTriedAgain(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusTooManyRequests, "Retry-After", "7"))
	o := newPost(t, service.URL, enough)
	_, err := run[[]activities.Delivered](o.environment(), o.acts.DeliverSeveral, o.two())
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.NonRetryable() || failed.NextRetryDelay() < 3*time.Second || failed.NextRetryDelay() > 9*time.Second {
		t.Errorf("found %v, expected to be told to wait about 7 seconds, less what the other has waited already", err)
	}
	o.silentAbout(err)
}

// While a workflow waits nothing is sent through a service that has just failed: it would wait for each mail in turn.
func TestAFailingServiceIsLeftAlone(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusServiceUnavailable))
	o := newPost(t, service.URL, enough)
	in := o.two()
	for range 2 {
		known, err := run[[]activities.Delivered](o.environment(), o.acts.DeliverAtOnce, in)
		if err != nil || len(known) != 0 {
			t.Fatalf("found %v, %v, expected nothing", known, err)
		}
		service.gets(t, 1)
	}
	service.now(status(http.StatusAccepted))
	known, err := run[[]activities.Delivered](o.environment(), o.acts.DeliverSeveral, in)
	if err != nil || len(known) != 2 || o.sent() != "2" {
		t.Errorf("found %v, %v, and %s sent, expected the queue to send both", known, err, o.sent())
	}
}

func TestAServiceThatAnswersIsSentToAtOnce(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	known, err := run[[]activities.Delivered](o.environment(), o.acts.DeliverAtOnce, o.two())
	if err != nil || len(known) != 2 || o.sent() != "2" {
		t.Errorf("found %v, %v, and %s sent, expected 2", known, err, o.sent())
	}
	service.gets(t, 2)
}
