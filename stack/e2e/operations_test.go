package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.temporal.io/sdk/client"

	"kap/pathway"
	"kap/stack/inbox"
	"kap/stack/machine"
	"kap/workflows"
)

// zenobia has particulars that occur nowhere else.
var zenobia = fields{"given_name": "Zenobia", "family_name": "Quillfeather", "birth_date": "1971-03-09", "email": "zq.hidden@clients.example", "phone": "+1 555 867 5309"}

// personal is what nobody may read in a log or on a page: of the client, of what is said about them, and of staff.
var personal = regexp.MustCompile(`(?i)zenobia|quillfeather|1971-03-09|zq\.hidden|867.?5309|@linden\.example|cried on the telephone`)

// Everything goes wrong around one client whose name is in all that is said. The logs and the pages tell of it, and of nobody.
func TestTheWorkerTellsOfNobody(t *testing.T) {
	t.Parallel()
	h := ownHouse(t, "KAP_LOG_LEVEL=debug")
	ctx := within(t, 5*time.Minute)
	p := h.enrol(ctx, t, h.team(), zenobia)
	w := newWatch(p)
	w.ready()

	w.messagesGoWrong()
	w.strayWorkflows()
	w.mailsGoWrong()
	w.aRowIsRefused()
	w.theRecordsGoAway()
	w.temporalGoesAway()

	for _, of := range []string{machine.Worker, machine.Postgres, machine.Temporal} {
		if found := personal.FindAllString(h.log(t, of), -1); len(found) > 0 {
			t.Errorf("the log of %s has %q", of, found)
		}
	}
	w.labelsAreCoded()
	w.expressionsHold()
}

// watch reads the worker's log and pages while things go wrong.
type watch struct {
	p      *person
	series map[string]map[string][]string // the values of each label of each series that was ever shown
}

func newWatch(p *person) *watch { return &watch{p: p, series: map[string]map[string][]string{}} }

// log is what a process of the machine has written down.
func (h *house) log(t testing.TB, of string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.config.Data, "logs", of+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w *watch) says(what string) {
	w.p.t.Helper()
	await(w.p.ctx, w.p.t, "the log to say "+what, func() error {
		if !strings.Contains(w.p.h.log(w.p.t, machine.Worker), what) {
			return fmt.Errorf("it does not")
		}
		return nil
	})
}

// page reads one of the worker's pages, on which there is nobody either.
func (w *watch) page(path string) (status int, body string, err error) {
	answer, err := http.Get(w.p.h.WorkerURL() + path)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	for _, found := range append(personal.FindAllString(string(text), -1), regexp.MustCompile(w.p.code+`|"[tpc]-\d+"`).FindAllString(string(text), -1)...) {
		w.p.t.Errorf("%s has %s", path, found)
	}
	return answer.StatusCode, string(text), err
}

// ready waits until nothing is missing.
func (w *watch) ready() {
	w.p.t.Helper()
	await(w.p.ctx, w.p.t, "the worker to be ready", func() error {
		status, body, err := w.page("/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d: %s", status, body)
		}
		return err
	})
	w.shows(`kap_ready{part="mails"} 1`, `kap_ready{part="temporal"} 1`, "kap_records_up 1")
}

// lacks waits until a part is missing.
func (w *watch) lacks(part string) {
	w.p.t.Helper()
	await(w.p.ctx, w.p.t, "the worker not to be ready", func() error {
		status, body, err := w.page("/readyz")
		var said struct{ Parts map[string]string }
		_ = json.Unmarshal([]byte(body), &said)
		if err == nil && (status != http.StatusServiceUnavailable || said.Parts[part] == "ok") {
			err = fmt.Errorf("%d: %s", status, body)
		}
		return err
	})
	w.shows(`kap_ready{part="` + part + `"} 0`)
}

// shows waits until the metrics have lines that begin so, and remembers every series.
func (w *watch) shows(lines ...string) {
	w.p.t.Helper()
	await(w.p.ctx, w.p.t, "the metrics", func() error {
		status, body, err := w.page("/metrics")
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("they answer %d", status)
		}
		w.remember(body)
		for _, line := range lines {
			if !strings.Contains(body, "\n"+line) {
				return fmt.Errorf("they do not have %s", line)
			}
		}
		return nil
	})
}

func (w *watch) remember(body string) {
	w.p.t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		w.p.t.Fatal(err)
	}
	for name, family := range families {
		names := []string{name}
		for _, m := range family.GetMetric() {
			if m.GetHistogram() != nil || m.GetSummary() != nil {
				names = []string{name + "_bucket", name + "_sum", name + "_count"}
			}
			for _, name := range names {
				if w.series[name] == nil {
					w.series[name] = map[string][]string{}
				}
				for _, l := range m.GetLabel() {
					if values := w.series[name][l.GetName()]; !slices.Contains(values, l.GetValue()) {
						w.series[name][l.GetName()] = append(values, l.GetValue())
					}
				}
			}
		}
	}
}

func (w *watch) messagesGoWrong() {
	p := w.p
	for name, input := range map[string]any{
		"measure":      fields{"by": p.therapist, "scale": "phq-9", "Zenobia Quillfeather": 14},
		"consent":      fields{"by": p.therapist, "decision": "Quillfeather, Zenobia"},
		"safety-plan":  "Zenobia cried on the telephone",
		"hold":         fields{"by": "Zenobia", "cause": "crisis", "reason": "cried on the telephone"},
		"session-held": fields{"by": p.therapist, "session": "zq.hidden@clients.example", "outcome": "held"},
	} {
		if _, err := p.send("", name, input); err == nil {
			p.t.Errorf("%s was taken: %v", name, input)
		}
		if err := p.h.client.SignalWorkflow(p.ctx, p.id, "", name, input); err != nil { // nobody hears of the refusal
			p.t.Fatal(err)
		}
	}
	w.shows(`kap_refusals_total{code="unknown-field",message="measure"} 2`, `kap_pathways{attention="task",phase="screening"} 1`)
}

// strayWorkflows are such as somebody starts by mistake, in Temporal's UI.
func (w *watch) strayWorkflows() {
	p := w.p
	for id, kind := range map[string]string{"stray-1": "Unheard", "stray-2": workflows.Name} {
		options := client.StartWorkflowOptions{ID: id, TaskQueue: workflows.TaskQueue}
		if _, err := p.h.client.ExecuteWorkflow(p.ctx, options, kind, "Zenobia Quillfeather"); err != nil {
			p.t.Fatal(err)
		}
	}
	w.shows("temporal_workflow_task_execution_failed_total")
	w.says("unable to find workflow type")
	for _, id := range []string{"stray-1", "stray-2"} {
		_ = p.h.client.TerminateWorkflow(p.ctx, id, "", "a mistake")
	}
}

func (w *watch) mailsGoWrong() {
	p := w.p
	plot := story(p.t, 0, p.team)
	p.tell(plot, 3)
	p.fail(inbox.Faults{Mode: inbox.ServerError, Times: 1})
	p.tell(plot, 1) // screening is complete, and two sessions are booked
	p.forwardUntil("the hours of mail", func(s pathway.Status) bool { return s.Unsent == 0 })
	w.says("the mail service is not well: mails are tried again")
	p.fail(inbox.Faults{Mode: inbox.Unauthorized, Times: 1})
	p.say("hold", fields{"by": p.therapist, "cause": "crisis", "reason": "Zenobia Quillfeather cried on the telephone"})
	w.says("the mail service does not accept the key")
	w.says("the mail service takes mails again") // a minute later
	p.settle()
	p.fail(inbox.Faults{Mode: inbox.Drop, Times: 1})
	p.forward(p.now().Add(24 * time.Hour))
	w.says("may or may not have been sent")
	w.shows(`kap_tasks{role="therapist",urgency="urgent"} 1`)
}

// aRowIsRefused has PostgreSQL quote what it does not take.
func (w *watch) aRowIsRefused() {
	p := w.p
	p.h.execute(p, `alter table journal add constraint harmless check (message::text not like '%lost%') not valid`)
	p.say("hold", fields{"by": p.therapist, "cause": "crisis", "reason": "Zenobia Quillfeather got lost, she cried on the telephone"})
	w.says("PostgreSQL refused it (23514 harmless)")
	w.shows(`temporal_activity_execution_failed_total{activity_type="Commit"`, `temporal_local_activity_execution_failed_total`)
	p.h.execute(p, `alter table journal drop constraint harmless`)
	w.written()
}

func (w *watch) written() {
	w.p.t.Helper()
	await(w.p.ctx, w.p.t, "everything to be written", func() error {
		if s := w.p.status(); s.Unwritten > 0 {
			return fmt.Errorf("%d entries are not", s.Unwritten)
		}
		return nil
	})
}

func (h *house) execute(p *person, sql string) {
	p.t.Helper()
	conn, err := pgx.Connect(p.ctx, h.DatabaseURL())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(p.ctx)
	if _, err := conn.Exec(p.ctx, sql); err != nil {
		p.t.Fatal(err)
	}
}

func (w *watch) theRecordsGoAway() {
	p := w.p
	if err := p.h.CutDatabase(p.ctx); err != nil {
		p.t.Fatal(err)
	}
	p.say("hold", fields{"by": p.therapist, "cause": "crisis", "reason": "Zenobia cried on the telephone again"})
	w.says("is not written")
	w.lacks("postgresql")
	w.shows("kap_records_up 0")
	if err := p.h.RestoreDatabase(p.ctx); err != nil {
		p.t.Fatal(err)
	}
	w.written()
	w.ready()
}

func (w *watch) temporalGoesAway() {
	p := w.p
	if err := p.h.Pause(machine.Temporal); err != nil {
		p.t.Fatal(err)
	}
	w.lacks("temporal")
	w.shows("kap_records_up 1", "temporal_request_failure_total", "temporal_long_request_failure_total")
	if err := p.h.Resume(p.ctx, machine.Temporal); err != nil {
		p.t.Fatal(err)
	}
	w.ready()
}

// coded lists every label, and what its values may be.
func coded() map[string]*regexp.Regexp {
	one := func(values ...string) *regexp.Regexp {
		return regexp.MustCompile(`^(` + strings.Join(values, "|") + `)$`)
	}
	var messages []string
	for _, m := range pathway.Messages() {
		messages = append(messages, m.Name)
	}
	number := regexp.MustCompile(`^(\+Inf|[0-9.e+-]+)$`)
	return map[string]*regexp.Regexp{
		"part":      one("postgresql", "schema", "temporal", "pathways", "mails"),
		"phase":     one(words(pathway.Phases())...),
		"attention": one(words(pathway.Attentions())...),
		"outcome":   one(words(pathway.Outcomes())...),
		"role":      one(words(pathway.Roles())...),
		"urgency":   one("urgent", "usual"),
		"status":    one("pending", "claimed", "unknown", "rejected"),
		"message":   one(messages...),
		"why":       one("away", "key", "too-many"),
		"reader":    one("client", "staff"),
		"code":      one("bad-json", "unknown-field", "missing-field", "bad-value", "wrong-person", "not-now", "blocked", "no-slot", "ended"),

		"namespace":      one("kap", "_unknown_"), // what asks nothing of a namespace
		"client_name":    one("temporal_go"),
		"task_queue":     one("none", "kap", "kap-mail"),
		"workflow_type":  one("none", "Pathway", "other"),
		"activity_type":  one("none", "Commit", "Stored", "Deliver", "DeliverSeveral", "DeliverAtOnce"),
		"worker_type":    one("none", "[A-Z][A-Za-z]+Worker"),
		"poller_type":    one("workflow_task", "workflow_sticky_task", "activity_task"),
		"operation":      one("[A-Z][A-Za-z]+"), // a method of Temporal's
		"status_code":    one("[A-Z_]+"),
		"failure_reason": one("WorkflowError", "ActivityError", "NonDeterminismError"),
		"cause":          one("[A-Za-z]+"),
		"version":        one(`go[0-9.]+`),
		"le":             number, "quantile": number,
	}
}

func words[T ~string](all []T) []string {
	var said []string
	for _, one := range all {
		said = append(said, string(one))
	}
	return said
}

func (w *watch) labelsAreCoded() {
	w.p.t.Helper()
	allowed := coded()
	for name, labels := range w.series {
		for label, values := range labels {
			for _, value := range values {
				if allowed[label] == nil || !allowed[label].MatchString(value) {
					w.p.t.Errorf("%s has the label %s=%q", name, label, value)
				}
			}
		}
	}
}

// expressionsHold holds the alerts and the dashboard against the metrics that there are.
func (w *watch) expressionsHold() {
	w.p.t.Helper()
	all := append(alerts(w.p.t), dashboard(w.p.t)...)
	if len(all) < 40 {
		w.p.t.Errorf("found %d expressions, which cannot be all", len(all))
	}
	for _, text := range all {
		e, err := metricsql.Parse(strings.ReplaceAll(text, "$__rate_interval", "5m"))
		if err != nil {
			w.p.t.Errorf("%s: %v", text, err)
			continue
		}
		metricsql.VisitAll(e, func(e metricsql.Expr) {
			switch e := e.(type) {
			case *metricsql.MetricExpr:
				for _, filters := range e.LabelFilterss {
					w.known(text, filters)
				}
			case *metricsql.FuncExpr: // Prometheus, other than this parser's own language, asks for a range
				if slices.Contains([]string{"rate", "increase", "delta"}, e.Name) {
					if r, ok := e.Args[0].(*metricsql.RollupExpr); !ok || r.Window == nil {
						w.p.t.Errorf("%s: %s has no range", text, e.Name)
					}
				}
			}
		})
	}
}

// known looks up one selector: its metric, and each label by which it selects.
func (w *watch) known(text string, filters []metricsql.LabelFilter) {
	w.p.t.Helper()
	name := filters[0].Value
	labels, shown := w.series[name]
	if name == "up" || strings.HasPrefix(name, "kap_web_") { // Prometheus's own, and the web process's, which its own tests show
		return
	}
	if filters[0].Label != "__name__" || !shown {
		w.p.t.Errorf("%s: the worker shows no metric %s", text, name)
		return
	}
	for _, f := range filters[1:] {
		if f.Label != "job" && labels[f.Label] == nil {
			w.p.t.Errorf("%s: %s has no label %s", text, name, f.Label)
		}
	}
}

func alerts(t testing.TB) []string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Expr string }
		}
	}
	if err := yaml.Unmarshal(deployed(t, "alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all = append(all, r.Expr)
		}
	}
	return all
}

func dashboard(t testing.TB) []string {
	t.Helper()
	var file struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(deployed(t, "grafana-dashboard.json"), &file); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range file.Panels {
		if p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("a panel shows nothing: %+v", p)
		}
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

func deployed(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Mails are on their way, to a service that never answers, when the worker is told to stop.
func TestMailsOnTheirWayAreSettledBeforeTheWorkerEnds(t *testing.T) {
	t.Parallel()
	for _, by := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		h := ownHouse(t) // each its own: after mails in doubt the next wait for one that is tried
		ctx := within(t, 3*time.Minute)
		p := h.enrol(ctx, t, h.team(), nil)
		p.fail(inbox.Faults{Mode: inbox.Hang})
		p.say("hold", fields{"by": p.therapist, "cause": "crisis", "reason": "seen today"})
		are := func(status string, n int) error {
			var all []string
			for _, m := range p.books().Mails {
				all = append(all, m.Status)
			}
			if len(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s != status })) != n {
				return fmt.Errorf("they are %q", all)
			}
			return nil
		}
		await(ctx, t, "mails to both clinicians to be on their way", func() error { return are("claimed", 2) })
		pid, begun := h.PID(machine.Worker), time.Now()
		if err := syscall.Kill(pid, by); err != nil {
			t.Fatal(err)
		}
		newWatch(p).lacks("pathways")
		await(within(t, 25*time.Second), t, "the worker to end", func() error { return gone(pid) })
		p.fail(inbox.Faults{Mode: inbox.None})
		t.Logf("%s: it took %s", by, time.Since(begun))
		if err := are("unknown", 2); err != nil {
			t.Errorf("%s: nobody knows of two mails, and %v", by, err)
		}
		await(ctx, t, "the next worker", func() error {
			if next := h.PID(machine.Worker); next == 0 || next == pid {
				return fmt.Errorf("there is none")
			}
			return nil
		})
		if n := strings.Count(h.log(t, machine.Worker), "the worker has stopped"); n != 1 {
			t.Errorf("%s: the worker ended by itself %d times, expected 1", by, n)
		}
	}
}
