package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const (
	requestTimeout = 30 * time.Second
	longestReply   = 1 << 20
)

// witness carries the requests about one host to the authority, until its context ends, and remembers what last went wrong: autocert says
// nothing of why a renewal failed, and of an order only that no challenge is left to try.
type witness struct {
	ctx  context.Context
	base http.RoundTripper
	last atomic.Pointer[string]
}

// RoundTrip is http.RoundTripper's.
func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	resp, err := w.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		w.note(err.Error())
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	_ = resp.Body.Close()
	if err != nil {
		w.note(err.Error())
		return nil, err
	}
	w.note(complaint(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (w *witness) note(what string) {
	if what != "" {
		w.last.Store(&what)
	}
}

// trouble is what last went wrong, "" if nothing did.
func (w *witness) trouble() string {
	if s := w.last.Load(); s != nil {
		return *s
	}
	return ""
}

// problem is an error document of RFC 7807.
type problem struct{ Type, Detail string }

// complaint finds a problem in a reply: it is one itself, or an order or an authorization that has failed by one.
func complaint(body []byte) string {
	var reply struct {
		problem
		Error      problem
		Challenges []struct{ Error problem }
	}
	if json.Unmarshal(body, &reply) != nil {
		return "" // certificates are no JSON
	}
	all := []problem{reply.problem, reply.Error}
	for _, c := range reply.Challenges {
		all = append(all, c.Error)
	}
	for _, p := range all {
		if p.Detail != "" && !strings.HasSuffix(p.Type, ":badNonce") { // which the client puts right by itself
			return p.Detail
		}
	}
	return ""
}
