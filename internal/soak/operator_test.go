package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// operator is who loads, unloads and touches models and moves traffic while the load goes on.
type operator struct {
	s    *server
	root string
	fail func(format string, args ...any)
	acts int
}

// act is one thing that an operator does.
type act struct {
	name string
	do   func(o *operator) error
}

var acts = []act{
	{"reload", func(o *operator) error { return o.call("POST", "/v2/repository/models/"+small+"/load", "{}", 200) }},
	{"canary", func(o *operator) error {
		return o.call("PUT", "/v1/models/"+small+"/traffic", `{"default": "2", "canary": {"version": "1", "percent": 30}}`, 200)
	}},
	{"touch", (*operator).touch},
	{"unload", func(o *operator) error { return o.call("POST", "/v2/repository/models/"+guest+"/unload", "{}", 200) }},
	{"shadow", func(o *operator) error {
		return o.call("PUT", "/v1/models/"+small+"/traffic", `{"default": "2", "shadow": {"version": "1", "percent": 50}}`, 200)
	}},
	{"load", func(o *operator) error { return o.call("POST", "/v2/repository/models/"+guest+"/load", "{}", 200) }},
	{"load nothing", func(o *operator) error { return o.call("POST", "/v2/repository/models/nobody/load", "{}", 404) }},
	{"no rules", func(o *operator) error { return o.call("DELETE", "/v1/models/"+small+"/traffic", "", 200) }},
	{"damage", (*operator).damage},
	{"reload the bundled model", func(o *operator) error { return o.call("POST", "/v2/repository/models/"+bundled+"/load", "{}", 200) }},
}

// between is how long the operator waits after each act.
const between = 2500 * time.Millisecond

// work does one act after the other until ctx ends.
func (o *operator) work(ctx context.Context) {
	for ctx.Err() == nil {
		o.act()
		select {
		case <-ctx.Done():
		case <-time.After(between):
		}
	}
}

func (o *operator) act() {
	a := acts[o.acts%len(acts)]
	o.acts++
	if err := a.do(o); err != nil {
		o.fail("operator, %s: %v", a.name, err)
	}
}

// round does every act once, so that whatever is made at its first time is there.
func (o *operator) round() {
	for range acts {
		o.act()
	}
}

// restore leaves all models loaded and no rules, as at the start.
func (o *operator) restore(t testing.TB) {
	t.Helper()
	for ; o.acts%len(acts) != 0; o.act() {
	}
}

func (o *operator) call(method, path, body string, want int) error {
	req, err := http.NewRequest(method, o.s.url()+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true
	client := http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		return fmt.Errorf("%s %s: status %d, %.300s, %v; want %d", method, path, resp.StatusCode, text, err, want)
	}
	return nil
}

// touch writes a file of a model anew, which the server notices by itself some seconds later.
func (o *operator) touch() error {
	path := filepath.Join(o.root, small, "1", "torchlit.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// damage cuts the guest's weights short, which no load survives, and mends them. The guest that serves goes on.
func (o *operator) damage() error {
	path := filepath.Join(o.root, guest, "1", "model.pt")
	whole, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o644); err != nil {
		return err
	}
	refused := o.call("POST", "/v2/repository/models/"+guest+"/load", "{}", 422)
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		return err
	}
	return refused
}
