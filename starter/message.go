package main

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"

	"kap/pathway"
)

// outgoing is a message on its way: a name of the contract and its JSON object.
type outgoing struct {
	kind pathway.MessageType
	id   string
	body json.RawMessage
}

// compose adds to a message's fields who sends it and an id, where they do not say so themselves. The id makes it the same
// message when it is sent again because no answer came.
func compose(kind pathway.MessageType, fields []member, by string) (outgoing, error) {
	if !has(fields, "by") && by != "" {
		fields = append([]member{textMember("by", by)}, fields...)
	}
	if !has(fields, "by") {
		return outgoing{}, usage("by: found nothing, expected your staff id; name yourself with --by t-lane, or in KAP_BY")
	}
	if slices.ContainsFunc(fields, func(f member) bool { return f.name == "by" && strings.Trim(string(f.raw), `"`) == pathway.ByLink }) {
		return outgoing{}, usage("by: found %s, expected your staff id: only the page behind a link in a client's mail speaks for the client", pathway.ByLink)
	}
	if !has(fields, "id") {
		fields = append(fields, textMember("id", rand.Text()))
	}
	m := outgoing{kind: kind, body: object(fields)}
	i := slices.IndexFunc(fields, func(f member) bool { return f.name == "id" })
	if json.Unmarshal(fields[i].raw, &m.id) != nil || m.id == "" {
		return m, usage("id: found %s, expected a text", fields[i].raw)
	}
	return m, nil
}

func has(fields []member, name string) bool {
	return slices.ContainsFunc(fields, func(f member) bool { return f.name == name })
}

func textMember(name, text string) member {
	raw, _ := json.Marshal(text)
	return member{name, raw}
}

// object writes the members as they are: a repeated one stays, so that the pathway refuses it rather than we choose.
func object(fields []member) json.RawMessage {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(f.name)
		b.Write(name)
		b.WriteByte(':')
		b.Write(f.raw)
	}
	b.WriteByte('}')
	return json.RawMessage(b.String())
}

// parseFields reads field=value arguments. field:=value takes the value as JSON.
func parseFields(kind pathway.MessageType, args []string) ([]member, error) {
	example, err := membersOf([]byte(kind.Example))
	if err != nil {
		return nil, fail(fault, "%s: its example is not a JSON object; tell whoever looks after kap", kind.Name)
	}
	var fields []member
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || strings.Trim(name, ":") == "" {
			return nil, usage("found %q, expected field=value, such as decision=cleared", arg)
		}
		if literal, isJSON := strings.CutSuffix(name, ":"); isJSON {
			if !json.Valid([]byte(value)) {
				return nil, usage("%s: found %s, expected JSON after :=", literal, shorten(value, 60))
			}
			fields = append(fields, member{literal, json.RawMessage(value)})
			continue
		}
		fields = append(fields, member{name, fieldValue(example, name, value)})
	}
	return fields, nil
}

// fieldValue writes a typed value as JSON: as the contract's example has it, and else as it looks.
func fieldValue(example []member, name, value string) json.RawMessage {
	kind := byte(0)
	if i := slices.IndexFunc(example, func(m member) bool { return m.name == name }); i >= 0 {
		kind = example[i].raw[0]
	}
	list := strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]")
	switch {
	case kind == '[' || kind == 0 && list:
		return listValue(strings.TrimSuffix(strings.TrimPrefix(value, "["), "]"))
	case kind >= '0' && kind <= '9' && json.Valid([]byte(value)):
		return json.RawMessage(value)
	case kind != '"' && (value == "true" || value == "false"):
		return json.RawMessage(value)
	}
	return textMember(name, value).raw
}

func listValue(text string) json.RawMessage {
	items := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	raw, _ := json.Marshal(items)
	return raw
}
