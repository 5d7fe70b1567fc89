package inbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

const (
	mostBytes  = 1 << 20         // of one call; a letter of ours is a hundredth of that
	resetAfter = 2 * time.Second // what a 429 asks its caller to wait
)

// call is the part of SendGrid's POST /v3/mail/send that a practice's letters use. Fields beyond it are taken and not kept.
type call struct {
	Personalizations []struct {
		To         []Address         `json:"to"`
		Subject    string            `json:"subject"`
		Headers    map[string]string `json:"headers"`
		CustomArgs map[string]string `json:"custom_args"`
	} `json:"personalizations"`
	From    *Address `json:"from"`
	ReplyTo *Address `json:"reply_to"`
	Subject string   `json:"subject"`
	Content []struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"content"`
	Attachments []struct {
		Content  string `json:"content"`
		Type     string `json:"type"`
		Filename string `json:"filename"`
	} `json:"attachments"`
	Headers    map[string]string `json:"headers"`
	CustomArgs map[string]string `json:"custom_args"`
}

// problem is one entry of SendGrid's error answer.
type problem struct {
	Message string  `json:"message"`
	Field   *string `json:"field"` // null where the error is no field's
	Help    *string `json:"help"`
}

func refuse(w http.ResponseWriter, status int, problems ...problem) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": problems})
}

func general(message string) problem { return problem{Message: message} }

func ofField(field, message string, args ...any) problem {
	return problem{Message: fmt.Sprintf(message, args...), Field: &field}
}

// send answers POST /v3/mail/send.
func (in *Inbox) send(w http.ResponseWriter, r *http.Request) {
	// The whole body first, whatever the answer: only then does the server notice that a client has hung up.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			refuse(w, http.StatusRequestEntityTooLarge, general("The JSON payload you have included in your request is too large."))
		}
		return // otherwise the client went away
	}

	mode := in.nextFault()
	switch mode {
	case TooManyRequests:
		w.Header().Set("X-RateLimit-Limit", "1")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(in.now().Add(resetAfter).Unix(), 10))
		refuse(w, http.StatusTooManyRequests, general("too many requests"))
		return
	case ServerError:
		refuse(w, http.StatusInternalServerError, general("Internal server error"))
		return
	case Unauthorized:
		refuse(w, http.StatusUnauthorized, general("The provided authorization grant is invalid, expired, or revoked"))
		return
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}

	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || strings.TrimSpace(key) == "" {
		refuse(w, http.StatusUnauthorized, general("The provided authorization grant is invalid, expired, or revoked"))
		return
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, general("Content-Type should be application/json."))
		return
	}
	var c call
	if err := json.Unmarshal(body, &c); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			refuse(w, http.StatusBadRequest, ofField(wrong.Field, "Bad Request: found a JSON %s of another type than expected.", wrong.Value))
		} else {
			refuse(w, http.StatusBadRequest, general("Bad Request"))
		}
		return
	}
	if problems := c.check(); len(problems) > 0 {
		refuse(w, http.StatusBadRequest, problems...)
		return
	}

	var first string
	for _, m := range c.messages() {
		kept, err := in.keep(m)
		if err != nil {
			refuse(w, http.StatusInternalServerError, general("The message could not be kept."))
			return
		}
		in.tell(kept, Processed, Delivered)
		if first == "" {
			first = kept.ID
		}
	}
	if mode == Drop {
		panic(http.ErrAbortHandler) // net/http's way to end a connection without an answer
	}
	w.Header().Set("X-Message-Id", first)
	w.WriteHeader(http.StatusAccepted)
}

// check finds what SendGrid would refuse, by the names that it gives to fields.
func (c call) check() []problem {
	var found []problem
	add := func(field, message string, args ...any) { found = append(found, ofField(field, message, args...)) }
	address := func(field string, a Address) {
		if p, err := mail.ParseAddress(a.Email); err != nil || p.Address != a.Email {
			add(field, "Does not contain a valid address.")
		}
	}

	if len(c.Personalizations) == 0 {
		add("personalizations", "The personalizations field is required and must have at least one personalization.")
	}
	for i, p := range c.Personalizations {
		if len(p.To) == 0 {
			add(fmt.Sprintf("personalizations.%d.to", i), "The to array is required for all personalization objects, and must have at least one email object with a valid email address.")
		}
		for j, to := range p.To {
			address(fmt.Sprintf("personalizations.%d.to.%d.email", i, j), to)
		}
		if c.Subject == "" && p.Subject == "" {
			add("subject", "The subject is required.")
		}
	}
	if c.From == nil {
		add("from.email", "The from object must be provided for every email send.")
	} else {
		address("from.email", *c.From)
	}
	if c.ReplyTo != nil {
		address("reply_to.email", *c.ReplyTo)
	}
	if len(c.Content) == 0 {
		add("content", "The content parameter is required. There must be at least one defined content block.")
	}
	for i, part := range c.Content {
		switch {
		case part.Value == "":
			add(fmt.Sprintf("content.%d.value", i), "The content value must be a string at least one character in length.")
		case part.Type == "":
			add(fmt.Sprintf("content.%d.type", i), "The content type must be a string at least one character in length.")
		case !plainType(part.Type):
			add(fmt.Sprintf("content.%d.type", i), "The content type cannot contain ';', or CRLF characters.")
		case part.Type == "text/plain" && i > 0:
			add(fmt.Sprintf("content.%d.type", i), "The text/plain content must come first, followed by text/html.")
		}
	}
	for i, file := range c.Attachments {
		_, err := base64.StdEncoding.DecodeString(file.Content)
		switch {
		case file.Content == "" || err != nil:
			add(fmt.Sprintf("attachments.%d.content", i), "The attachment content must be base64 encoded.")
		case file.Filename == "" || strings.ContainsAny(file.Filename, "\r\n"):
			add(fmt.Sprintf("attachments.%d.filename", i), "The filename must be a string at least one character in length, without CRLF characters.")
		case !plainType(file.Type):
			add(fmt.Sprintf("attachments.%d.type", i), "The attachment type cannot contain ';', or CRLF characters.")
		}
	}
	return found
}

// plainType says whether SendGrid takes a type: without parameters, but for an invitation's method, which it lets through
// (sendgrid-nodejs #217).
func plainType(text string) bool {
	kind, method, has := strings.Cut(text, ";")
	if has {
		method, has = strings.CutPrefix(strings.TrimSpace(method), "method=")
		if !has || strings.TrimSpace(kind) != "text/calendar" || strings.Contains(method, ";") {
			return false
		}
	}
	return !strings.ContainsAny(text, "\r\n")
}

func (c call) messages() []Message {
	var all []Message
	for _, p := range c.Personalizations {
		m := Message{
			To: p.To, From: *c.From, Subject: c.Subject,
			CustomArgs: merged(c.CustomArgs, p.CustomArgs),
			Headers:    merged(c.Headers, p.Headers),
		}
		if p.Subject != "" {
			m.Subject = p.Subject
		}
		if c.ReplyTo != nil {
			m.ReplyTo = *c.ReplyTo
		}
		for _, part := range c.Content {
			switch part.Type {
			case "text/plain":
				m.Text = part.Value
			case "text/html":
				m.HTML = part.Value
			}
			if kind, parameters, err := mime.ParseMediaType(part.Type); err == nil && kind == "text/calendar" {
				m.Invitation, m.Method = part.Value, parameters["method"]
			}
		}
		for _, file := range c.Attachments {
			content, _ := base64.StdEncoding.DecodeString(file.Content) // it was checked
			m.Files = append(m.Files, File{file.Filename, file.Type, content})
		}
		all = append(all, m)
	}
	return all
}

// merged is SendGrid's rule: a personalization's own value wins.
func merged(general, own map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, general)
	maps.Copy(all, own)
	return all
}
