package client

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

const verdictReply = `{"request_id":"a","model":"m","version":"1","label":"cat","index":3,"predicted":{"label":"dog","index":5},"correct":false}`

func TestFeedback(t *testing.T) {
	f := &fakeServer{answer: always(200, "", verdictReply)}
	c, err := New("http://server", WithTransport(f))
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Feedback(t.Context(), "m", Label{RequestID: "a", Name: "cat"})
	if err != nil || v.Label != "cat" || v.Index != 3 || v.Predicted.Label != "dog" || v.Correct {
		t.Errorf("got %+v, %v", v, err)
	}
	if _, err := c.Feedback(t.Context(), "m", Label{RequestID: "a", Index: 3}); err != nil {
		t.Error(err)
	}
	if f.requests[0].URL.Path != "/v1/models/m/feedback" || f.bodies[0] != `{"request_id":"a","label":"cat"}` || f.bodies[1] != `{"request_id":"a","label":3}` {
		t.Errorf("sent %s %q", f.requests[0].URL, f.bodies)
	}
	if _, err := c.Feedback(t.Context(), "", Label{}); err == nil {
		t.Error("there is no model without a name")
	}
}

func inTurn200(bodies ...string) func(int, *http.Request) (int, string, string) {
	return func(n int, _ *http.Request) (int, string, string) { return 200, "", bodies[min(n, len(bodies)-1)] }
}

func TestFeedbackBatch(t *testing.T) {
	unknown := `{"error":"The log has no such answer.","code":"unknown_request"}`
	many := func(n int) string {
		return `{"results":[` + strings.TrimSuffix(strings.Repeat(verdictReply+",", n), ",") + `]}`
	}
	f := &fakeServer{answer: inTurn200(many(MaxLabels), `{"results":[`+unknown+`,`+verdictReply+`]}`)}
	c, err := New("http://server", WithTransport(f))
	if err != nil {
		t.Fatal(err)
	}
	results, err := c.FeedbackBatch(t.Context(), "m", make([]Label, MaxLabels+2))
	if err != nil || len(results) != MaxLabels+2 || len(f.bodies) != 2 {
		t.Fatalf("%d results of %d requests, %v", len(results), len(f.bodies), err)
	}
	if r := results[MaxLabels]; !errors.Is(r.Err, ErrUnknownRequest) || r.Verdict != nil {
		t.Errorf("got %+v", r)
	}
	if r := results[MaxLabels+1]; r.Err != nil || r.Label != "cat" {
		t.Errorf("got %+v", r)
	}

	f = &fakeServer{answer: always(404, "", `{"results":[`+unknown+`]}`)}
	c, _ = New("http://server", WithTransport(f))
	if results, err := c.FeedbackBatch(t.Context(), "m", make([]Label, 1)); err != nil || !errors.Is(results[0].Err, ErrUnknownRequest) {
		t.Errorf("all failed: %v, %v", results, err)
	}
	f.answer = always(503, "Retry-After: 1", `{"error":"Later.","code":"log_unavailable"}`)
	if _, err := c.FeedbackBatch(t.Context(), "m", make([]Label, 1)); !errors.Is(err, ErrLogUnavailable) {
		t.Errorf("got %v", err)
	}
	f.answer = always(200, "", `{}`)
	if _, err := c.FeedbackBatch(t.Context(), "m", make([]Label, 1)); err == nil {
		t.Error("no results are no answer")
	}
}

func TestDeletePrediction(t *testing.T) {
	f := &fakeServer{answer: always(200, "", `{"deleted":2}`)}
	c, err := New("http://server", WithTransport(f), WithAdminKey("key"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.DeletePrediction(t.Context(), "m", "a/b&c"); n != 2 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	req := f.requests[0]
	if req.Method != http.MethodDelete || req.URL.RequestURI() != "/v1/models/m/predictions?request_id=a%2Fb%26c" || req.Header.Get("Authorization") != "Bearer key" {
		t.Errorf("sent %s %s %v", req.Method, req.URL.RequestURI(), req.Header)
	}
}
