package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var drifted = Event{
	Kind: Alarm, Model: "cifar10-resnet18", Version: "2", Since: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Windows: 3, Answers: 500,
	Detector: "bbsd", P: 0.00001,
	Moved:     []Moved{{"class cat", 0.1, 0.312, true}, {"brightness", 0.4734, 0.21, false}},
	Estimate:  &Estimate{Estimated: 0.81, Low: 0.78, High: 0.84, Reference: 0.953, Unsure: true},
	Dashboard: "https://torchlit.example/dashboard",
}

// receiver is a transport that answers from a list, and the last of it for ever. A status of 0 is a broken connection.
type receiver struct {
	mu      sync.Mutex
	answers []int
	header  http.Header
	at      []time.Duration
	ids     []string
	bodies  [][]byte
	start   time.Time
	hang    bool
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Since(r.start))
	r.ids = append(r.ids, req.Header.Get("X-Torchlit-Delivery"))
	r.bodies = append(r.bodies, body)
	if r.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	status := r.answers[0]
	if len(r.answers) > 1 {
		r.answers = r.answers[1:]
	}
	if status == 0 {
		return nil, errors.New("connection reset")
	}
	w := httptest.NewRecorder()
	for name, v := range r.header {
		w.Header()[name] = v
	}
	w.WriteHeader(status)
	return w.Result(), nil
}

// reports are what a Hook told its operator.
type reports struct {
	mu    sync.Mutex
	lines []string
}

func (r *reports) add(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf("%s: %v", what, err))
}

const secretURL = "https://chat.example/services/T0/B0/verysecret"

func hook(t *testing.T, r *receiver, cfg Config) (*Hook, *reports) {
	t.Helper()
	told := &reports{}
	cfg.Report = told.add
	h, err := New(secretURL, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.start, h.client.Transport = time.Now(), r
	return h, told
}

// TestTries: what may pass is tried again at growing intervals, with the same id; what will not is not.
func TestTries(t *testing.T) {
	for _, c := range []struct {
		name       string
		answers    []int
		header     http.Header
		tries      int
		sent, lost uint64
		within     time.Duration
	}{
		{"taken", []int{204}, nil, 1, 1, 0, time.Second},
		{"busy", []int{503, 429, 0, 500, 200}, nil, 5, 1, 0, 25 * time.Second},
		{"retry-after", []int{429, 200}, http.Header{"Retry-After": {"90"}}, 2, 1, 0, 91 * time.Second},
		{"retry-after in no time", []int{429, 200}, http.Header{"Retry-After": {"0"}}, 2, 1, 0, 2 * time.Second},
		{"retry-after too late", []int{503}, http.Header{"Retry-After": {"100000"}}, 1, 0, 1, time.Second},
		{"gone", []int{404}, nil, 1, 0, 1, time.Second},
		{"moved", []int{308}, http.Header{"Location": {"https://evil.example/"}}, 1, 0, 1, time.Second},
		{"down", []int{0}, nil, 0, 0, 1, 16 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answers: c.answers, header: c.header}
				h, told := hook(t, r, Config{})
				h.Send(drifted)
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				if sent, lost := h.Counts(); sent != c.sent || lost != c.lost {
					t.Errorf("sent %d, lost %d; want %d, %d", sent, lost, c.sent, c.lost)
				}
				if c.tries > 0 && len(r.at) != c.tries || c.tries == 0 && (len(r.at) < 15 || len(r.at) > 40) {
					t.Errorf("tried at %v; want %d times", r.at, c.tries)
				}
				if last := r.at[len(r.at)-1]; last > c.within || c.name == "retry-after" && last < 90*time.Second || c.name == "retry-after in no time" && last < time.Second {
					t.Errorf("tried at %v; the last within %s", r.at, c.within)
				}
				if r.ids[0] == "" || len(slices.Compact(r.ids)) != 1 {
					t.Errorf("one event has the ids %q", r.ids)
				}
				if text := strings.Join(told.lines, "\n"); strings.Contains(text, "secret") || (c.lost > 0) != strings.Contains(text, "chat.example") {
					t.Errorf("reported was %q", text)
				}
				h.Close(t.Context())
			})
		})
	}
}

// TestNeverBlocks: a receiver that hangs costs its sender no time, events beyond the queue are lost, and the end does not wait for ever.
func TestNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{hang: true}
		h, _ := hook(t, r, Config{Queue: 2})
		h.Send(drifted)
		synctest.Wait() // the first is under way
		for range 5 {
			h.Send(drifted)
		}
		if _, lost := h.Counts(); lost != 3 || time.Since(r.start) != 0 {
			t.Errorf("lost %d after %s", lost, time.Since(r.start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		h.Close(ctx)
		if took := time.Since(r.start); took != 3*time.Second {
			t.Errorf("closed after %s", took)
		}
		h.Send(drifted)
		if sent, lost := h.Counts(); sent != 0 || lost != 7 {
			t.Errorf("sent %d, lost %d", sent, lost)
		}
		h.Close(t.Context()) // again
	})
}

// TestCloseSendsWhatWaits, also when it has to be tried again, and says that a receiver is well again.
func TestCloseSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []int{400, 500, 200}}
		h, told := hook(t, r, Config{})
		for range 3 {
			h.Send(drifted)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		h.Close(ctx)
		if sent, lost := h.Counts(); sent != 2 || lost != 1 {
			t.Errorf("sent %d, lost %d", sent, lost)
		}
		if len(told.lines) != 2 || !strings.Contains(told.lines[0], "400 Bad Request") || !strings.Contains(told.lines[1], "again: <nil>") {
			t.Errorf("reported was %q", told.lines)
		}
	})
}

// TestPost sends over a real connection: the body, its signature, and a redirect that is not followed to another host.
func TestPost(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []byte
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was told") }))
	defer other.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/here":
			http.Redirect(w, req, "/there", http.StatusTemporaryRedirect)
		case "/away":
			http.Redirect(w, req, other.URL, http.StatusTemporaryRedirect)
		case "/as-get":
			http.Redirect(w, req, "/there", http.StatusFound)
		case "/there":
			got, _ = io.ReadAll(req.Body)
			if sum := "sha256=" + Sign([]byte("0123456789abcdef0123"), got); req.Method != "POST" || req.Header.Get("X-Hub-Signature-256") != sum || req.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s with %v", req.Method, req.Header)
			}
		}
	}))
	defer s.Close()
	for path, want := range map[string]uint64{"/here": 1, "/away": 0, "/as-get": 0} {
		told := &reports{}
		h, err := New(s.URL+path, Config{SecretFile: secret, Report: told.add})
		if err != nil {
			t.Fatal(err)
		}
		h.Send(drifted)
		h.Close(t.Context())
		if sent, _ := h.Counts(); sent != want || want == 0 && !strings.Contains(told.lines[0], "not followed") {
			t.Errorf("%s: sent %d, %q", path, sent, told.lines)
		}
	}
	var e struct {
		Event, Text, Content, Model, Version, Since, Detector, Dashboard string
		Accuracy                                                         Estimate
		Moved                                                            []Moved
	}
	if err := json.Unmarshal(got, &e); err != nil {
		t.Fatal(err)
	}
	if e.Event != "drift_alarm" || e.Model != "cifar10-resnet18" || e.Text != e.Content || e.Since != "2026-03-04T05:06:07Z" || e.Accuracy != *drifted.Estimate || len(e.Moved) != 2 || e.Moved[0] != drifted.Moved[0] {
		t.Errorf("posted was %s", got)
	}
}

func TestText(t *testing.T) {
	want := "Drift alarm: what cifar10-resnet18 version 2 sees no longer looks like its reference, in 3 windows in a row up to 2026-03-04 05:06 UTC (bbsd, p below 0.0001)" +
		"; most moved: class cat from 10.0 % to 31.2 %, brightness from 0.473 to 0.21; estimated accuracy 81.0 % (78.0 % to 84.0 %), 95.3 % on the reference, and unsure. https://torchlit.example/dashboard"
	if got := drifted.Text(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	e := Event{Kind: Cleared, Model: "<!channel> @all", Version: strings.Repeat("é", 5000), Windows: 1}
	got := e.Text()
	if n := len([]rune(got)); n != mostText || strings.ContainsAny(got, "<>@") || !strings.HasPrefix(got, "Drift has cleared: ") {
		t.Errorf("%d characters: %.100s", n, got)
	}
}

func TestNewRefuses(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url  string
		cfg  Config
		want string
	}{
		{"chat.example/verysecret", Config{}, "https://"},
		{"ftp://chat.example/verysecret", Config{}, "https://"},
		{"http://%zz/verysecret", Config{}, "https://"},
		{secretURL, Config{SecretFile: short}, "16"},
		{secretURL, Config{SecretFile: short + "none"}, "no such file"},
		{secretURL, Config{Queue: -1}, "negative"},
	} {
		_, err := New(c.url, c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "verysecret") {
			t.Errorf("%s: %v", c.url, err)
		}
	}
}
