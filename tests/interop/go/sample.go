package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/types"
)

// sample is an event as the tests write it: attributes with their CloudEvents type, data as one of json, text, base64.
type sample struct {
	Attributes map[string]attribute `json:"attributes"`
	Data       *data                `json:"data"`
}

type attribute struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type data struct {
	JSON   json.RawMessage `json:"json,omitempty"`
	Text   *string         `json:"text,omitempty"`
	Base64 *string         `json:"base64,omitempty"`
}

// build makes the SDK's event, through its own setters and types. What the SDK refuses is an error.
func (s sample) build() (cloudevents.Event, error) {
	event := cloudevents.NewEvent()
	names := make([]string, 0, len(s.Attributes))
	for name := range s.Attributes {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := set(&event, name, s.Attributes[name]); err != nil {
			return event, err
		}
	}
	if s.Data == nil {
		return event, nil
	}
	contentType := event.DataContentType()
	switch {
	case s.Data.Text != nil && !strings.HasPrefix(contentType, "text/"):
		// A string would be marshalled, as XML for instance.
		if err := event.SetData(contentType, []byte(*s.Data.Text)); err != nil {
			return event, err
		}
	case s.Data.Text != nil:
		if err := event.SetData(contentType, *s.Data.Text); err != nil {
			return event, err
		}
	case s.Data.Base64 != nil:
		raw, err := base64.StdEncoding.DecodeString(*s.Data.Base64)
		if err != nil {
			return event, err
		}
		if err := event.SetData(contentType, raw); err != nil {
			return event, err
		}
	default:
		if err := event.SetData(contentType, s.Data.JSON); err != nil {
			return event, err
		}
	}
	return event, nil
}

func set(event *cloudevents.Event, name string, value attribute) error {
	switch name {
	case "specversion":
		event.SetSpecVersion(value.Text)
	case "id":
		event.SetID(value.Text)
	case "source":
		event.SetSource(value.Text)
	case "type":
		event.SetType(value.Text)
	case "subject":
		event.SetSubject(value.Text)
	case "dataschema":
		event.SetDataSchema(value.Text)
	case "datacontenttype":
		event.SetDataContentType(value.Text)
	case "time":
		at, err := types.ParseTime(value.Text)
		if err != nil {
			return err
		}
		event.SetTime(at)
	default:
		typed, err := typed(value)
		if err != nil {
			return err
		}
		event.SetExtension(name, typed)
	}
	return event.FieldErrors[name]
}

func typed(value attribute) (any, error) {
	switch value.Type {
	case "String":
		return value.Text, nil
	case "Integer":
		number, err := strconv.ParseInt(value.Text, 10, 32)
		return int32(number), err
	case "Boolean":
		return strconv.ParseBool(value.Text)
	case "Binary":
		return base64.StdEncoding.DecodeString(value.Text)
	case "URI":
		address, err := url.Parse(value.Text)
		if err != nil {
			return nil, err
		}
		return types.URI{URL: *address}, nil
	case "URI-reference":
		address, err := url.Parse(value.Text)
		if err != nil {
			return nil, err
		}
		return types.URIRef{URL: *address}, nil
	case "Timestamp":
		return types.ParseTimestamp(value.Text)
	}
	return nil, fmt.Errorf("no such type: %s", value.Type)
}

// describe tells what the SDK shows to a program that received the event: canonical texts and the encoded data.
func describe(event cloudevents.Event) (map[string]any, error) {
	attributes := map[string]string{
		"specversion": event.SpecVersion(),
		"id":          event.ID(),
		"source":      event.Source(),
		"type":        event.Type(),
	}
	if event.Subject() != "" {
		attributes["subject"] = event.Subject()
	}
	if event.DataSchema() != "" {
		attributes["dataschema"] = event.DataSchema()
	}
	if event.DataContentType() != "" {
		attributes["datacontenttype"] = event.DataContentType()
	}
	if !event.Time().IsZero() {
		attributes["time"] = types.FormatTime(event.Time())
	}
	for name, value := range event.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return nil, err
		}
		attributes[name] = text
	}
	var body any
	if encoded := event.Data(); encoded != nil {
		body = map[string]any{"base64": base64.StdEncoding.EncodeToString(encoded)}
	}
	return map[string]any{"attributes": attributes, "data": body}, nil
}
