package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.temporal.io/api/workflowservice/v1"

	"kap/internal/diligent"
	"kap/stack/machine"
)

// A prescriber and a therapist find their client by a link, read the details, and send what they say, with nothing but Temporal's
// Web UI. What is refused is explained to them where they look.
func TestClinicansNeedNothingButTheWebUI(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	ctx := within(t, 5*time.Minute)
	p := h.enrol(ctx, t, h.team(), nil)
	p.say("psychological-evaluation", fields{"by": p.therapist, "decision": "suitable", "trauma_history_reviewed": true, "substance_use_history_reviewed": true, "attachment_history_reviewed": true})
	p.say("safety-plan", fields{"by": p.therapist, "decision": "on-file", "between_sessions_plan": true, "emergency_contact_on_file": true})
	links := h.views(ctx, t)
	w := webUI{browse(t, 5*time.Minute), p}

	w.company(links["Awaiting the prescriber"])
	w.find(links["Awaiting the prescriber"])
	w.says("Screening, waiting for the prescriber, client and therapist", "Next dosing session: blocked", "Awaited", "the prescriber has not cleared the client", "informed consent is not recorded")
	w.picture("details", "#content", 1280, 1080)
	w.telephone("telephone")

	// What is proposed decides nothing: sent as it stands it is refused, with what there is to choose from.
	proposed := w.copied("prescriber-clearance")
	w.refused("prescriber-clearance", proposed, "decision: found it still open, expected one of cleared, not-cleared, more-information, revoked")
	clearance := diligent.WhenAllGoesWell(proposed)

	// The therapist, in the prescriber's place, by a signal, which cannot answer.
	w.send("signal", "prescriber-clearance", strings.Replace(clearance, p.prescriber, p.therapist, 1))
	w.says("Not taken lately", fmt.Sprintf("found %s, who is this pathway’s therapist; only its prescriber (%s) may record this", p.therapist, p.prescriber), "Awaited", "Say whether treatment is medically acceptable")
	w.send("signal", "prescriber-clearance", clearance)
	w.says("Screening, waiting for the therapist and client", "Not taken lately", "Awaited", "Witness the client’s informed consent", "Recorded lately", "prescriber-clearance, "+p.prescriber)

	// An update answers where it is sent.
	consent := diligent.WhenAllGoesWell(w.copied("consent"))
	w.refused("consent", strings.Replace(consent, `"supported"`, `"promising"`, 1), `found "promising", expected how far the evidence carries for this client's diagnosis`)
	w.send("update", "consent", consent)
	w.says("Preparation", "Next session: preparation-1", "Then: preparation-2", "Next dosing session: blocked", "What blocks the next dosing session", "preparation is not complete")

	// Nobody asked for a hold; the page has its message all the same.
	w.send("update", "hold", strings.NewReplacer("<crisis or concern>", "concern", "<why>", "as agreed by telephone").Replace(w.copied("hold")))
	w.says("ON HOLD: Preparation", "hold-1 holds the pathway: concern, as agreed by telephone")
	w.find(links["On hold"])
	w.says("ON HOLD")
}

// Every view is one that Temporal answers, and each finds whom it should.
func TestViewsFindWhomTheyAskFor(t *testing.T) {
	t.Parallel()
	h := sharedHouse(t)
	ctx := within(t, time.Minute)
	p := h.enrol(ctx, t, h.team(), nil)
	links := h.views(ctx, t)
	finds := func(view string) (bool, error) {
		found, err := h.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: machine.Namespace, Query: fmt.Sprintf("WorkflowId = %q AND %s", p.id, filter(links[view])),
		})
		return found.GetCount() == 1, err
	}
	findIn := func(views ...string) { // the list is a moment behind the pathways
		t.Helper()
		await(ctx, t, fmt.Sprintf("the client in %q and in no other view", views), func() error {
			for view := range links {
				if found, err := finds(view); err != nil || found != slices.Contains(views, view) {
					return fmt.Errorf("found in %q: %t, %v", view, found, err)
				}
			}
			return nil
		})
	}
	findIn("In screening", "Awaiting the prescriber", "Awaiting the therapist")
	p.tellNow(story(t, 0, p.team)[:4])
	await(ctx, t, "preparation", func() error {
		if s := p.status(); s.NextSession == nil || s.Unwritten > 0 {
			return errors.New("nothing is booked")
		}
		return nil
	})
	findIn(weekOf(links, p.status().NextSession.Start))
	p.say("hold", fields{"by": p.therapist, "cause": "concern", "reason": "to be talked about"})
	findIn("Awaiting the therapist", "On hold", weekOf(links, p.status().NextSession.Start))
	p.say("withdraw", fields{"by": p.desk})
	p.say("task-done", fields{"by": p.therapist, "task": "referral", "outcome": "declined"})
	p.say("task-done", fields{"by": p.therapist, "task": "letter", "outcome": "done"})
	findIn("Ended: withdrawn")
}

var between = regexp.MustCompile(`BETWEEN "(.+)" AND "(.+)"`)

// weekOf is the view of the week in which a session is: this one or the next.
func weekOf(links map[string]string, start time.Time) string {
	at := start.UTC().Format(time.RFC3339)
	for view, link := range links {
		if week := between.FindStringSubmatch(filter(link)); week != nil && week[1] <= at && at <= week[2] {
			return view
		}
	}
	return "a week's sessions"
}

// filter is what a link asks Temporal for.
func filter(link string) string {
	at, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	return at.Query().Get("query")
}

// views are the links that the practice's command prints, under their names.
func (h *house) views(ctx context.Context, t testing.TB) map[string]string {
	t.Helper()
	out, problem, exit := h.starter(ctx, t, nil, "views")
	if exit != 0 {
		t.Fatalf("starter views ended with %d and said %s", exit, problem)
	}
	links := map[string]string{}
	name := ""
	for line := range strings.Lines(out) {
		if link, isLink := strings.CutPrefix(line, "  "); isLink {
			links[name] = strings.TrimSpace(link)
		} else {
			name = strings.TrimSpace(line)
		}
	}
	return links
}

// webUI is Temporal's, opened for one client.
type webUI struct {
	*browser
	p *person
}

// find opens a view, looks for the client in it, and opens their details.
func (w webUI) find(view string) {
	w.t.Helper()
	w.open(view)
	refreshed := time.Now()
	w.until("the client in "+view, func() error {
		err := w.click("td a", w.p.id)
		if err != nil && time.Since(refreshed) > 2*time.Second { // the list is a moment behind the pathways
			refreshed = time.Now()
			err = errors.Join(err, w.click("button", "Refresh"))
		}
		return err
	})
	w.choose("the tab", "a", "User Metadata")
}

// company is for the picture of a list: other clients, somewhere on their way, and the columns that somebody chooses once.
func (w webUI) company(view string) {
	w.t.Helper()
	if *pictures == "" {
		return
	}
	for _, lines := range []int{0, 8, 12} { // just enrolled, after the first dosing session, after the second integration
		other := w.p.h.enrol(w.p.ctx, w.t, w.p.h.team(), nil)
		other.tell(story(w.t, 0, other.team), lines)
		if lines == 8 {
			other.say("adverse-event", fields{"by": other.therapist, "kind": "urinary-symptoms", "severity": "moderate"})
		}
	}
	w.open(view)
	w.do("the columns", chromedp.Evaluate[chromedp.Void](`localStorage.setItem("namespace-workflow-table-columns", JSON.stringify({kap: ["Workflow ID", "KapPhase", "KapWaitingOn", "KapAttention", "KapNextSession"].map(label => ({label}))}))`))
	w.open(view)
	w.until("the list", func() error {
		shown, err := w.text(`document.querySelector("table")?.innerText`)
		if err == nil && !strings.Contains(shown, w.p.id) {
			err = errors.New(shown)
		}
		return err
	})
	w.picture("views", "#content", 1280, 520)
}

// telephone is a picture of the details as they are on one.
func (w webUI) telephone(name string) {
	w.t.Helper()
	if *pictures == "" {
		return
	}
	w.size(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch)
	w.do("the details at the top", chromedp.Evaluate[chromedp.Void](`document.querySelector("#user-metadata-current-details").scrollIntoView()`))
	w.picture(name, "body", 390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch)
}

// details is the page within the page.
const details = `document.querySelector("#user-metadata-current-details")?.contentDocument?.body`

// says waits until the details say all of this, in this order. They are read again as people do, with the key R.
func (w webUI) says(parts ...string) {
	w.t.Helper()
	pressed := time.Now()
	w.until(fmt.Sprintf("the details to say %q", parts), func() error {
		text, err := w.text(details + "?.innerText")
		if err != nil {
			return err
		}
		rest := text
		for _, part := range parts {
			_, after, found := strings.Cut(rest, part)
			if !found {
				if time.Since(pressed) > time.Second {
					pressed = time.Now()
					err = chromedp.Do(w.ctx, chromedp.KeyEvent("r"))
				}
				return errors.Join(err, fmt.Errorf("they lack %q: %s", part, text))
			}
			rest = after
		}
		return nil
	})
}

// copied is the message of this name, marked on the page as somebody marks it to copy it.
func (w webUI) copied(name string) string {
	w.t.Helper()
	mark := fmt.Sprintf(`(page => {
		const message = [...page.querySelectorAll("li")].find(li => [...li.querySelectorAll("code")].some(c => c.innerText === %q))?.querySelector("pre code")
		if (!message) return null
		const marked = page.ownerDocument.getSelection()
		marked.selectAllChildren(message)
		return marked.toString()
	})(%s)`, name, details)
	text, err := w.text(mark)
	if err != nil || !strings.HasPrefix(text, "{") {
		w.fail("the message %s cannot be copied from the details: %q, %v", name, text, err)
	}
	return text
}

// fill opens the dialog for a signal or an update, chooses the name and pastes the data.
func (w webUI) fill(kind, name, data string) {
	w.t.Helper()
	w.until("the dialog for a "+kind, func() error {
		open, err := w.text(`document.querySelector("dialog[open]") ? "dialog" : document.querySelector("[aria-controls=workflow-actions][aria-expanded=true]") ? "menu" : ""`)
		switch {
		case err != nil || open == "dialog":
			return err
		case open == "menu":
			err = w.click(fmt.Sprintf("[data-testid=%s-button]", kind), "")
		default:
			err = w.click("[aria-controls=workflow-actions]", "More Actions")
		}
		return errors.Join(err, errors.New("it is not open"))
	})
	w.choose("the names", fmt.Sprintf("[data-testid=%s-select-button]", kind), "")
	w.choose(name, fmt.Sprintf("#%s-select-select [role=option]", kind), name)
	w.paste("the data", "dialog[open] .cm-content", data)
}

// send submits a message and waits until the UI says that it is sent. Where the page does not get on, it does as people do: it loads the
// page anew and sends once more, which changes nothing where the first was taken.
func (w webUI) send(kind, name, data string) {
	w.t.Helper()
	var submitted time.Time
	submit := func() {
		w.fill(kind, name, data)
		w.choose("to submit", "dialog[open] [data-testid=confirm-modal-button]", "")
		submitted = time.Now()
	}
	submit()
	w.until("the dialog to close", func() error {
		shown, err := w.text(`document.querySelector("dialog[open]")?.innerText`)
		if err == nil && shown != "" {
			err = errors.New(shown)
		}
		if err != nil && time.Since(submitted) > 30*time.Second {
			w.t.Logf("the page did not get on: %s", &w.traffic)
			w.do("the page anew", chromedp.Reload())
			submit()
		}
		return err
	})
}

// refused submits an update and reads in the dialog why it is not taken.
func (w webUI) refused(name, data, says string) {
	w.t.Helper()
	w.fill("update", name, data)
	w.choose("to submit", "dialog[open] [data-testid=confirm-modal-button]", "")
	w.until("the refusal", func() error {
		shown, err := w.text(`document.querySelector("dialog[open]")?.innerText`)
		if err == nil && !strings.Contains(shown, says) {
			err = errors.New(shown)
		}
		return err
	})
	w.picture("refused", "dialog[open]", window.width, window.height)
	w.choose("to cancel", "dialog[open] [data-testid=cancel-modal-button]", "")
}
