package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// fakeServer answers requests without a network, and remembers them with their bodies.
type fakeServer struct {
	answer func(n int, req *http.Request) (status int, header, body string) // to request n, from 0

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

// RoundTrip implements http.RoundTripper.
func (f *fakeServer) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	f.mu.Lock()
	n := len(f.requests)
	f.requests, f.bodies = append(f.requests, req), append(f.bodies, string(body))
	f.mu.Unlock()
	status, header, text := f.answer(n, req)
	resp := &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Request: req,
		Body: io.NopCloser(bytes.NewReader([]byte(text))),
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		resp.Header.Set(name, value)
	}
	return resp, nil
}

// always gives every request the same answer.
func always(status int, header, body string) func(int, *http.Request) (int, string, string) {
	return func(int, *http.Request) (int, string, string) { return status, header, body }
}

// inTurn gives request n the n-th answer, and the last one to all after it.
func inTurn(answers ...[3]any) func(int, *http.Request) (int, string, string) {
	return func(n int, _ *http.Request) (int, string, string) {
		a := answers[min(n, len(answers)-1)]
		return a[0].(int), a[1].(string), a[2].(string)
	}
}

const (
	catAnswer = `{"request_id":"r","model":"cats","version":"2","predictions":[{"label":"cat","index":3,"probability":0.75}],"batch_size":4,` +
		`"timing_ms":{"decode":1.5,"queue":0.25,"inference":7,"total":9.001}}`
	busyAnswer = `{"error":"The server is busy: its queue is full. Try again shortly.","code":"queue_full"}`
	textAnswer = `{"error":"This is no image.","code":"not_an_image"}`
)

func open(t *testing.T, f *fakeServer, options ...Option) *Client {
	t.Helper()
	c, err := New("http://server:8080", append([]Option{WithTransport(f)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func classify(c *Client, options ...CallOption) (*Result, error) {
	return c.Classify(context.Background(), []byte("jpeg"), options...)
}
