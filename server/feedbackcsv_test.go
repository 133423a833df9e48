package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/monitor/predlog"
)

// TestFeedbackCSV: a file of more labels than a list may have is stored, and what is not is counted and named.
func TestFeedbackCSV(t *testing.T) {
	h := openLogged(t, Config{MaxBodyBytes: 4 << 20}, predlog.Config{})
	const answers = 2 * maxLabels
	var file strings.Builder
	file.WriteString("note,request_id,label\r\n")
	for n := range answers {
		if n%500 == 0 { // few are answered: each takes its time
			h.classifyAs(fmt.Sprint("id", n), "image/png", redPNG)
		}
		class := "red"
		if n == 500 {
			class = "violet"
		}
		if n == 1000 {
			class = "blue"
		}
		fmt.Fprintf(&file, "\"of %d\",id%d,%s\r\n", n, n, class)
	}
	post := func(contentType, body string, status int) (c feedbackCounts) {
		t.Helper()
		r := h.do("POST", "/v1/models/colours/feedback", contentType, []byte(body))
		if r.status != status {
			t.Fatalf("%d %s; want %d", r.status, r.body, status)
		}
		if err := json.Unmarshal(r.body, &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := post("text/csv; charset=utf-8", file.String(), 200)
	if c.Labels != answers || c.Stored != 3 || c.Correct != 2 || !maps.Equal(c.Refused, map[string]int{"unknown_request": answers - 4, "unknown_label": 1}) {
		t.Errorf("got %+v", c)
	}
	if first := c.FirstRefused; len(first) != firstRefused || first[0].Line != 3 || first[0].RequestID != "id1" || first[0].Code != "unknown_request" || first[0].Error == "" {
		t.Errorf("the first refused are %+v", first)
	}
	if c := post("TEXT/CSV", "request_id,index\nid0,2\n", 200); c.Stored != 1 || c.Correct != 0 {
		t.Errorf("got %+v", c)
	}
	if c := post("text/csv", "request_id,label\nnone,red\nid0,violet\n", 404); c.Labels != 2 || c.Stored != 0 || len(c.FirstRefused) != 2 {
		t.Errorf("got %+v", c)
	}
	says := func(body string, status int, says string) {
		t.Helper()
		if r := h.do("POST", "/v1/models/colours/feedback", "text/csv", []byte(body)); r.status != status || !strings.Contains(string(r.body), says) {
			t.Errorf("%d %s; want %d %q", r.status, r.body, status, says)
		}
	}
	says("", 400, "name the columns")
	says("request_id,label\n", 400, "no labels")
	says("request_id,label\nid0,red\nid500\n", 400, "line 3 is no CSV")
	says("request_id,label\n"+strings.Repeat("id0,red\n", 1<<19), 413, "body_too_large")
	for _, s := range h.stored() {
		if want := map[string]int{"id0": 2, "id500": -1, "id1000": 2, "id1500": 0}[s.RequestID]; s.TrueClass != want {
			t.Errorf("%s has the label %d; want %d", s.RequestID, s.TrueClass, want)
		}
	}
}

// TestFeedbackCSVFails: a log that fails is the file's error, whatever was stored before.
func TestFeedbackCSVFails(t *testing.T) {
	h := openLogged(t, Config{}, predlog.Config{})
	if err := h.log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := h.do("POST", "/v1/models/colours/feedback", "text/csv", []byte("request_id,label\nx,red\n")); r.status != 503 || !strings.Contains(string(r.body), "log_unavailable") {
		t.Errorf("%d %s", r.status, r.body)
	}
}
