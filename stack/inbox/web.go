package inbox

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
)

//go:embed pages
var files embed.FS

var (
	listPage    = page("list.html")
	messagePage = page("message.html")
)

func page(name string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{"join": join, "nth": func(i int) int { return i + 1 }}).ParseFS(files, "pages/"+name))
}

const (
	// The pages are ours and need no script; a message's page is somebody else's HTML and gets nothing, but that its links open beside it.
	ownPolicy     = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	messagePolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"

	perPage = 100
)

// Handler serves SendGrid's call and the pages:
//
//	POST /v3/mail/send             SendGrid's call
//	GET  /                         the list, newest first; ?to= one recipient's, ?page= from 1
//	GET  /messages/{id}            one message
//	GET  /messages/{id}/html       its HTML alone, as the page above frames it
//	GET  /messages/{id}/files/{n}  a file that came with it, from 1, to be kept
//	POST /messages/{id}/events     what becomes of it, as event=bounce: see Word
//	GET  /messages.json            for programs: []Message, newest first; ?to= one recipient's
//	GET  /faults                   Faults
//	POST /faults                   Faults, as JSON or from the form on the list
func (in *Inbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/mail/send", in.send)
	mux.HandleFunc("GET /{$}", in.showList)
	mux.HandleFunc("GET /messages/{id}", in.showMessage)
	mux.HandleFunc("GET /messages/{id}/html", in.showHTML)
	mux.HandleFunc("GET /messages/{id}/files/{n}", in.showFile)
	mux.HandleFunc("POST /messages/{id}/events", in.setEvent)
	mux.HandleFunc("GET /messages.json", in.showJSON)
	mux.HandleFunc("GET /faults", in.showFaults)
	mux.HandleFunc("POST /faults", in.setFaults)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "pages/style.css")
	})
	// Without this, any page open in the same browser could post here.
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", ownPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

func (in *Inbox) showList(w http.ResponseWriter, r *http.Request) {
	to := strings.TrimSpace(r.FormValue("to"))
	number, err := strconv.Atoi(r.FormValue("page"))
	if err != nil || number < 1 {
		number = 1
	}
	all := in.list(to)
	from := min((number-1)*perPage, len(all))
	if number > len(all)/perPage+1 {
		from = len(all) // also where the product above has overflowed
	}
	until := min(from+perPage, len(all))
	v := struct {
		To           string
		All          int
		Shown        []summary
		Newer, Older int // page numbers; 0: none
		Faults       Faults
		Modes        any
	}{To: to, All: len(all), Shown: all[from:until], Faults: in.Faults(), Modes: modes}
	for i := range v.Shown {
		v.Shown[i].Received = v.Shown[i].Received.In(in.zone)
	}
	if number > 1 {
		v.Newer = number - 1
	}
	if until < len(all) {
		v.Older = number + 1
	}
	render(w, listPage, v)
}

func (in *Inbox) showMessage(w http.ResponseWriter, r *http.Request) {
	if m, ok := in.wanted(w, r); ok {
		m.Received = m.Received.In(in.zone)
		v := struct {
			Message
			Words []saying // that can be said of it
		}{Message: m}
		if in.events != nil {
			v.Words = words
		}
		render(w, messagePage, v)
	}
}

func (in *Inbox) showHTML(w http.ResponseWriter, r *http.Request) {
	m, ok := in.wanted(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Security-Policy", messagePolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, m.HTML)
}

func (in *Inbox) showFile(w http.ResponseWriter, r *http.Request) {
	m, ok := in.wanted(w, r)
	if !ok {
		return
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(m.Files) {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	file := m.Files[n-1]
	// Whatever it says of itself, a browser keeps it and shows nothing of it here.
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(file.Name)}))
	w.Write(file.Content)
}

func (in *Inbox) wanted(w http.ResponseWriter, r *http.Request) (Message, bool) {
	m, err := in.message(r.PathValue("id"))
	switch {
	case errors.Is(err, errNoSuchMessage):
		http.Error(w, "There is no such message.", http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return m, err == nil
}

func (in *Inbox) showJSON(w http.ResponseWriter, r *http.Request) {
	all, err := in.Messages(strings.TrimSpace(r.FormValue("to")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, all)
}

func (in *Inbox) showFaults(w http.ResponseWriter, _ *http.Request) { answer(w, in.Faults()) }

func (in *Inbox) setFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
	if err != nil {
		http.Error(w, "expected a few bytes", http.StatusRequestEntityTooLarge)
		return
	}
	// By the body and not by its declared type: curl -d calls its JSON a form.
	isForm := !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	f, err := readFaults(body, isForm)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := in.Fail(f); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if isForm {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	answer(w, in.Faults())
}

func readFaults(body []byte, isForm bool) (Faults, error) {
	var f Faults
	if !isForm {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			return Faults{}, fmt.Errorf(`expected JSON such as {"mode":"429","times":3}: %w`, err)
		}
		return f, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Faults{}, errors.New("expected JSON or a form")
	}
	f.Mode = Mode(form.Get("mode"))
	if times := strings.TrimSpace(form.Get("times")); times != "" {
		if f.Times, err = strconv.Atoi(times); err != nil {
			return Faults{}, fmt.Errorf("times: found %q, expected a whole number", times)
		}
	}
	return f, nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// render writes nothing until the whole page stands: half a page with status 200 would pass for one.
func render(w http.ResponseWriter, t *template.Template, v any) {
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	b.WriteTo(w)
}

func join(to []Address) string {
	all := make([]string, len(to))
	for i, a := range to {
		all[i] = a.Email
	}
	return strings.Join(all, ", ")
}
