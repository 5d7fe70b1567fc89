package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	texttemplate "text/template"

	"github.com/spf13/cobra"

	"kap/mail"
)

const previewHelp = `Writes every mail that clients and staff can get into a folder, as it would
reach them from this practice: the page, the text, the calendar invitation and
the headers. Open index.html there in a browser. The client in them is made up,
and nothing is sent.

Without FILE it reads the practice's files that KAP_PRACTICE and KAP_PROTOCOL
name, or the samples. What is in the folder from an earlier preview is written
over; a folder with anything else in it is left alone.`

const previewExample = `  starter mail preview
  starter mail preview practice.yaml --to mails`

func (d *desk) previewCommand() *cobra.Command {
	var to, protocol string
	c := &cobra.Command{Use: "preview [FILE]", Short: "Write every mail into a folder, to be read", Long: previewHelp, Example: previewExample, Args: takes(0, 1, "at most the practice's file")}
	c.Flags().StringVar(&to, "to", "mail-preview", "the folder")
	c.Flags().StringVar(&protocol, "protocol", "", "the file with the clinical numbers")
	_ = c.MarkFlagDirname("to")
	c.RunE = d.does(func(_ context.Context, args []string) error { return d.preview(args, protocol, to) })
	return c
}

//go:embed pages
var previewPages embed.FS

var (
	indexPage   = template.Must(template.ParseFS(previewPages, "pages/index.html.tmpl", "pages/style.html.tmpl"))
	letterPage  = template.Must(template.ParseFS(previewPages, "pages/letter.html.tmpl", "pages/style.html.tmpl"))
	headersText = texttemplate.Must(texttemplate.New("headers").Parse("{{range .}}{{.Name}}: {{.Value}}\n{{end}}"))
)

// previewed is one mail of a preview.
type previewed struct {
	mail.Sample
	mail.Letter
	Headers []mail.Header
	Staff   bool
}

func (d *desk) preview(args []string, protocolFile, to string) error {
	_, house, protocol, err := d.filesAskedFor(args, protocolFile, false)
	if err != nil {
		return err
	}
	samples, err := mail.Samples(house, d.now(), protocol.Crisis.Text)
	if err != nil {
		return err
	}
	var all []previewed
	for _, s := range samples {
		l, err := mail.Write(house, s.Facts)
		if err != nil {
			return err
		}
		p := previewed{Sample: s, Letter: l, Staff: len(s.Facts.Waiting) > 0}
		name, address := s.Facts.FirstName, mail.SampleAddress
		if p.Staff {
			name, address = "", "staff@practice.example"
		}
		p.Headers = mail.Headers(house, "7c1f0a4e-3b52-4a7e-9d43-52f6c8f0b1aa", name, address, l)
		all = append(all, p)
	}
	if err := makePreviewFolder(to); err != nil {
		return err
	}
	if err := writePreview(to, house.Mail.Name, all); err != nil {
		return usage("--to: %s", fileProblem(to, err))
	}
	index := filepath.Join(to, "index.html")
	d.say("%d mails as %s sends them. Open %s in a browser.", len(all), clean(house.Mail.Name), index)
	return nil
}

// makePreviewFolder makes the folder, or takes one that holds nothing, or an earlier preview.
func makePreviewFolder(to string) error {
	if to == "" {
		return usage("--to: found nothing, expected a folder")
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return usage("--to: %s", fileProblem(to, err))
	}
	found, err := os.ReadDir(to)
	if err != nil {
		return usage("--to: %s", fileProblem(to, err))
	}
	index, _ := os.ReadFile(filepath.Join(to, "index.html"))
	if len(found) > 0 && !bytes.Contains(index, []byte(previewMark)) {
		return usage("--to: %s holds something other than a preview; expected a folder that is empty or not there yet", to)
	}
	return nil
}

// previewMark tells a preview's index from anybody else's.
const previewMark = `<meta name="generator" content="starter mail preview">`

func writePreview(to, practice string, all []previewed) error {
	page := func(t *template.Template, data any, path ...string) error {
		var b bytes.Buffer
		if err := t.Execute(&b, data); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(append([]string{to}, path...)...), b.Bytes(), 0o644)
	}
	for i, p := range all {
		if err := os.MkdirAll(filepath.Join(to, p.Name), 0o755); err != nil {
			return err
		}
		var headers strings.Builder
		if err := headersText.Execute(&headers, p.Headers); err != nil {
			return err
		}
		for name, text := range map[string]string{"letter.html": p.HTML, "letter.txt": p.Text, "headers.txt": headers.String(), "appointment.ics": p.Invitation.Text} {
			path := filepath.Join(to, p.Name, name)
			if text == "" { // of an earlier preview, perhaps
				if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				continue
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				return err
			}
		}
		around := struct {
			previewed
			Previous, Next string
		}{previewed: p}
		if i > 0 {
			around.Previous = all[i-1].Name
		}
		if i+1 < len(all) {
			around.Next = all[i+1].Name
		}
		if err := page(letterPage, around, p.Name, "index.html"); err != nil {
			return err
		}
	}
	// Last: where it stands, the rest does too.
	return page(indexPage, struct {
		Practice string
		Mark     template.HTML
		All      []previewed
	}{practice, previewMark, all}, "index.html")
}

// fileProblem says what is wrong with a file in the operating system's words, without repeating the call.
func fileProblem(path string, err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		return fmt.Sprintf("%s: %v", of.Path, of.Err)
	}
	return fmt.Sprintf("%s: %v", path, err)
}
