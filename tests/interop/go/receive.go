package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// receiver is the SDK's own receiver. On /reply it answers with the event it was told, elsewhere with none.
type receiver struct {
	told *out

	mu     sync.Mutex
	mode   string
	answer *cloudevents.Event
}

func (r *receiver) start(listener net.Listener) error {
	protocol, err := cehttp.New(cehttp.WithListener(listener), cehttp.WithMiddleware(r.watch))
	if err != nil {
		return err
	}
	client, err := cloudevents.NewClient(protocol, cloudevents.WithTimeNow(), cloudevents.WithUUIDs())
	if err != nil {
		return err
	}
	go func() {
		if err := client.StartReceiver(context.Background(), r.receive); err != nil {
			panic(err)
		}
	}()
	return nil
}

func (r *receiver) replyWith(asked command) map[string]any {
	event, err := asked.Events[0].build()
	if err == nil {
		err = event.Validate()
	}
	if err != nil {
		return map[string]any{"refused": err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode, r.answer = asked.Mode, &event
	return map[string]any{"ready": true}
}

func (r *receiver) receive(ctx context.Context, event cloudevents.Event) (*cloudevents.Event, cloudevents.Result) {
	path := ctx.Value(pathKey{}).(string)
	described, err := describe(event)
	if err != nil {
		return nil, err
	}
	described["path"] = path
	r.told.tell(map[string]any{"received": described})
	if path != "/reply" {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answer, nil
}

type pathKey struct{}

// watch gives the path to the receiver, chooses the mode of replies, and tells which requests the SDK refused.
func (r *receiver) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(writer, err.Error(), http.StatusBadRequest)
			return
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		ctx := context.WithValue(request.Context(), pathKey{}, request.URL.Path)
		r.mu.Lock()
		if r.mode == "structured" {
			ctx = binding.WithForceStructured(ctx)
		} else {
			ctx = binding.WithForceBinary(ctx)
		}
		r.mu.Unlock()
		seen := &recorder{ResponseWriter: writer, status: http.StatusOK}
		next.ServeHTTP(seen, request.WithContext(ctx))
		if seen.status >= http.StatusBadRequest {
			headers := [][2]string{}
			for name, values := range request.Header {
				for _, value := range values {
					headers = append(headers, [2]string{strings.ToLower(name), value})
				}
			}
			r.told.tell(map[string]any{"received": map[string]any{
				"path": request.URL.Path, "refused": seen.text.String(), "headers": headers, "body": body,
			}})
		}
	})
}

type recorder struct {
	http.ResponseWriter
	status int
	text   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status >= http.StatusBadRequest {
		r.text.Write(body)
	}
	return r.ResponseWriter.Write(body)
}
