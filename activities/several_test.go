package activities_test

import (
	"errors"
	"fmt"
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

// The mails that may go out to the client go with the step after which no other is due, which might take one back; and with no other.
func TestTheLastStepSendsTheMails(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusAccepted))
	o := newPost(t, service.URL, enough)
	sent, steps := o.rebook()
	if steps < 2 || sent == 0 || o.sent() != fmt.Sprint(sent) {
		t.Errorf("%d steps sent %d mails, and %s are sent", steps, sent, o.sent())
	}
	service.gets(t, sent)
}

// What does not go out with its step stays for the queue, which sends all of it.
func TestAStepLeavesToTheQueueWhatItDoesNotSend(t *testing.T) {
	t.Parallel()
	service := newInbox(t, status(http.StatusServiceUnavailable))
	o := newPost(t, service.URL, enough)
	if sent, _ := o.rebook(); sent != 0 {
		t.Errorf("%d mails are said to be sent", sent)
	}
	service.gets(t, 1) // and the others are not tried in vain
	waiting := o.p.Sendable(o.p.Woken)
	if pending := o.ask(`select count(*)::text from mail where status = 'pending' and claimed_until is null`); len(waiting) < 2 || pending != fmt.Sprint(len(waiting)) {
		t.Errorf("%s mails wait in the outbox, and %v in the pathway", pending, pathway.Keys(waiting))
	}
	if tried := o.ask(`select sum(attempts)::text from mail`); tried != "1" {
		t.Errorf("they were tried %s times, expected once", tried)
	}
	o.do(`delete from mail_held`)
	service.now(status(http.StatusAccepted))
	known, err := run[[]activities.Delivered](o.environment(), o.acts.DeliverSeveral, activities.SeveralInput{Pathway: o.p.Code, Keys: pathway.Keys(waiting), At: o.p.Woken})
	if err != nil || len(known) != len(waiting) || o.sent() != fmt.Sprint(len(waiting)) {
		t.Errorf("found %v, %v, and %s sent", known, err, o.sent())
	}
}

// A workflow waits for a slow mail service no longer than two seconds; what was begun goes out all the same, once.
func TestNobodyWaitsForASlowService(t *testing.T) {
	t.Parallel()
	service := newInbox(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(4 * time.Second)
		status(http.StatusAccepted)(w, r)
	})
	o := newPost(t, service.URL, enough)
	begun := time.Now()
	sent, steps := o.rebook()
	if took := time.Since(begun); sent != 0 || took > 3500*time.Millisecond {
		t.Errorf("%d steps took %s, and say that %d mails are sent", steps, took, sent)
	}
	activities.Wait(t.Context(), o.acts)
	service.gets(t, 1)
	if o.sent() != "1" {
		t.Errorf("%s mails are sent, expected the one that was begun", o.sent())
	}
}

// rebook screens the client and cancels the session that is booked, and takes the steps that follow as the workflow does.
func (o *post) rebook() (sent, steps int) {
	o.t.Helper()
	at := time.Date(2026, 2, 3, 16, 0, 0, 0, time.UTC)
	form := o.p.Protocol.Consent
	for _, said := range [][2]string{
		{"prescriber-clearance", `{"by":"p-singh","decision":"cleared","medications_reviewed":true,"cardiovascular_history_reviewed":true,"psychiatric_history_reviewed":true,"medically_stable":true}`},
		{"psychological-evaluation", `{"by":"t-lane","decision":"suitable","trauma_history_reviewed":true,"substance_use_history_reviewed":true,"attachment_history_reviewed":true}`},
		{"safety-plan", `{"by":"t-lane","decision":"on-file","between_sessions_plan":true,"emergency_contact_on_file":true}`},
		{"consent", fmt.Sprintf(`{"by":"t-lane","decision":"given","risks":true,"alternatives":true,"what_we_do_and_do_not":true,"off_label":true,"evidence":%q,"document_version":%q,"document_sha256":%q}`,
			o.p.Diagnosis.Evidence(), form.Version, form.SHA256)},
		{"cancel-session", `{"by":"c-desk","session":"preparation-1","wish_of":"practice"}`},
	} {
		if _, err := o.p.Record(said[0], []byte(said[1]), at); err != nil {
			o.t.Fatal(err)
		}
	}
	for {
		step, _ := o.p.Due(at)
		if step == nil {
			return sent, steps
		}
		in := activities.CommitInput{Pathway: o.p, Step: *step, Mail: at}
		out := o.locally(in)
		o.p.Settle(*step, out.Answer)
		if next, _ := o.p.Due(at); next != nil && len(out.Delivered) > 0 {
			o.t.Errorf("step %d sent %v, and then comes %v", step.Number, out.Delivered, next)
		}
		for _, d := range out.Delivered {
			if d.Status != pathway.SentMail {
				o.t.Errorf("%s is %s", d.Key, d.Status)
			}
			o.p.Delivered(d.Key)
		}
		sent, steps = sent+len(out.Delivered), steps+1
		if again := o.locally(in); len(again.Delivered) > 0 {
			o.t.Errorf("step %d, written before, sent %v", step.Number, again.Delivered)
		}
	}
}

// locally commits as a local activity does.
func (o *post) locally(in activities.CommitInput) (out activities.CommitOutput) {
	o.t.Helper()
	value, err := o.environment().ExecuteLocalActivity(o.acts.Commit, in)
	if err == nil {
		err = value.Get(&out)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}
