package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// send posts one event through the SDK's client, or several as a batch through the request that the SDK makes.
func send(asked command) map[string]any {
	events := make([]cloudevents.Event, 0, len(asked.Events))
	for _, one := range asked.Events {
		event, err := one.build()
		if err == nil {
			err = event.Validate()
		}
		if err != nil {
			return map[string]any{"refused": err.Error()}
		}
		events = append(events, event)
	}
	status, err := post(asked.URL, asked.Mode, events)
	if err != nil {
		return map[string]any{"refused": err.Error()}
	}
	return map[string]any{"status": status}
}

var client = func() cloudevents.Client {
	made, err := cloudevents.NewClientHTTP()
	if err != nil {
		panic(err)
	}
	return made
}()

func post(url, mode string, events []cloudevents.Event) (int, error) {
	ctx := cloudevents.ContextWithTarget(context.Background(), url)
	switch mode {
	case "structured":
		ctx = cloudevents.WithEncodingStructured(ctx)
	case "binary":
		ctx = cloudevents.WithEncodingBinary(ctx)
	case "batch":
		request, err := cehttp.NewHTTPRequestFromEvents(ctx, url, events)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return response.StatusCode, err
	}
	result := client.Send(ctx, events[0])
	var answered *cehttp.Result
	if errors.As(result, &answered) {
		return answered.StatusCode, nil
	}
	return 0, result
}
