package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestNew(t *testing.T) {
	f := func(url string, ok bool, options ...Option) {
		t.Helper()
		if _, err := New(url, options...); (err == nil) != ok {
			t.Errorf("%q: got %v", url, err)
		}
	}
	f("http://localhost:8080", true)
	f("https://photos.example.com/torchlit/", true)
	f("localhost:8080", false)
	f("127.0.0.1:8080", false)
	f("", false)
	f("http://", false)
	f("ftp://host", false)
	f("http://host?x=1", false)
	f("http://host", false, WithMaxReply(0))
	f("http://host", false, WithRequestLimits(0, 1))
	f("http://host", false, WithRetry(Retry{Attempts: -1}))
}

func TestClassify(t *testing.T) {
	f := &fakeServer{answer: always(200, "", catAnswer)}
	c := open(t, f, WithHeader("X-Team", "pets"), WithUserAgent("album/1"))
	got, err := classify(c, TopK(3), Timeout(1500*time.Millisecond), Model("cats"), Version("2"), LowPriority(), RequestID("r"), Header("X-User-Id", "7"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Result{
		RequestID: "r", Model: "cats", Version: "2", Predictions: []Prediction{{"cat", 3, 0.75}}, BatchSize: 4,
		Timing: Timing{1500 * time.Microsecond, 250 * time.Microsecond, 7 * time.Millisecond, 9001 * time.Microsecond},
	}
	if !reflect.DeepEqual(got, want) || got.Top().Label != "cat" || (&Result{}).Top() != (Prediction{}) {
		t.Errorf("got %+v", got)
	}
	r := f.requests[0]
	if url := r.URL.String(); url != "http://server:8080/v1/models/cats/versions/2/classify?priority=low&timeout_ms=1500&top_k=3" {
		t.Errorf("asked %s", url)
	}
	for name, value := range map[string]string{"X-Team": "pets", "User-Agent": "album/1", "X-Request-Id": "r", "X-User-Id": "7", "Content-Type": "application/octet-stream"} {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s is %q", name, got)
		}
	}
	if f.bodies[0] != "jpeg" || r.ContentLength != 4 {
		t.Errorf("sent %q", f.bodies[0])
	}
	if _, err := c.ClassifyReader(context.Background(), iotest.OneByteReader(strings.NewReader("photo"))); err != nil || f.bodies[1] != "photo" {
		t.Errorf("sent %q: %v", f.bodies[1], err)
	}
	if url := f.requests[1].URL.String(); url != "http://server:8080/v1/classify" {
		t.Errorf("asked %s", url)
	}
}

func TestNothingIsSent(t *testing.T) {
	f := &fakeServer{answer: always(200, "", catAnswer)}
	c := open(t, f, WithRequestLimits(1, 8))
	over, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	_, err := c.Classify(over, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for _, option := range []CallOption{Version("1"), Model(".."), Model(".")} {
		if _, err := classify(c, option); err == nil {
			t.Error("got an answer")
		}
	}
	if _, err := classify(c, Model("m"), Version("..")); err == nil {
		t.Error("got an answer")
	}
	if _, err := c.ClassifyReader(context.Background(), strings.NewReader("123456789")); err == nil {
		t.Error("got an answer")
	}
	if _, err := c.ClassifyReader(context.Background(), iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if err := c.Unload(context.Background(), ""); err == nil {
		t.Error("got an answer")
	}
	if len(f.requests) > 0 {
		t.Errorf("asked %v", f.requests[0].URL)
	}
}

// The server hears of the nearer of the two deadlines.
func TestDeadlineIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &fakeServer{answer: always(200, "", catAnswer)}
		c := open(t, fs)
		f := func(left, timeout time.Duration, want string) {
			t.Helper()
			ctx := context.Background()
			if left > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, left)
				defer cancel()
			}
			if _, err := c.Classify(ctx, []byte("jpeg"), Timeout(timeout)); err != nil {
				t.Fatal(err)
			}
			if got := fs.requests[len(fs.requests)-1].URL.Query().Get("timeout_ms"); got != want {
				t.Errorf("with %s left and a timeout of %s: sent %q; want %q", left, timeout, got, want)
			}
		}
		f(0, 0, "")
		f(0, time.Second, "1000")
		f(2*time.Second, 0, "2000")
		f(2*time.Second, time.Second, "1000")
		f(time.Second, 2*time.Second, "1000")
		f(time.Microsecond, 0, "1")
		f(time.Hour, 0, "300000")
	})
}

func TestErrors(t *testing.T) {
	f := func(status int, header, body, says string, is, isNot error, retryAfter time.Duration) {
		t.Helper()
		_, err := classify(open(t, &fakeServer{answer: always(status, header, body)}))
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Status != status || e.RetryAfter != retryAfter || err.Error() != says {
			t.Errorf("got %v, %+v; want %s", err, e, says)
		}
		if is != nil && !errors.Is(err, is) || errors.Is(err, isNot) {
			t.Errorf("%v is the wrong one", err)
		}
	}
	f(503, "Retry-After: 3", busyAnswer, "server: The server is busy: its queue is full. Try again shortly (503 queue_full)", ErrQueueFull, ErrDraining, 3*time.Second)
	f(415, "", textAnswer, "server: This is no image (415 not_an_image)", ErrNotAnImage, ErrQueueFull, 0)
	f(504, "", `{"error":"The deadline passed.","code":"deadline_exceeded"}`, "server: The deadline passed (504 deadline_exceeded)", context.DeadlineExceeded, ErrQueueFull, 0)
	f(504, "", `{"error":"The deadline passed.","code":"deadline_exceeded"}`, "server: The deadline passed (504 deadline_exceeded)", ErrDeadline, context.Canceled, 0)
	f(400, "", `{"error":"No.","code":"something_else"}`, "server: No (400 something_else)", Code("something_else"), context.DeadlineExceeded, 0)
	f(502, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", "<html>", "server: the reply is not Torchlit's: Bad Gateway (502)", nil, ErrInternal, 0)
	f(503, "Retry-After: 99999999999", "", "server: the reply is not Torchlit's: Service Unavailable (503)", nil, ErrQueueFull, maxRetryAfter)
}

// A reply that is no answer is an error, never an empty Result.
func TestReplyThatIsNone(t *testing.T) {
	f := func(says, body string, options ...Option) {
		t.Helper()
		if r, err := classify(open(t, &fakeServer{answer: always(200, "", body)}, options...)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %+v, %v", body, r, err)
		}
	}
	f("is it a Torchlit server", "<html>")
	f("is it a Torchlit server", `{}`)
	f("is it a Torchlit server", `{"predictions":[{"label":7}]}`)
	f("is it a Torchlit server", `{"predictions":[{"label":"cat"}],"timing_ms":7}`)
	f(ErrReplyTooLarge.Error(), catAnswer, WithMaxReply(int64(len(catAnswer))-1))
	if _, err := classify(open(t, &fakeServer{answer: always(200, "", catAnswer)}, WithMaxReply(int64(len(catAnswer))))); err != nil {
		t.Error(err)
	}
}

func TestModelsAndReadiness(t *testing.T) {
	f := &fakeServer{answer: inTurn(
		[3]any{200, "", `{"default":"cats","models":[{"name":"cats","version":"2","versions":["1","2"],"state":"ready","num_classes":2,"labels":["cat","dog"],
			"input":{"width":8,"height":8,"channels":3,"mean":[0.5,0.5,0.5]},"architecture":"resnet18","version_states":[{"version":"3","state":"unavailable","reason":"broken"}],
			"traffic":{"default":"2","pinned":false,"sticky":"request_id","canary":{"version":"1","percent":5,"ready":true}}}]}`},
		[3]any{404, "", `{"error":"There is no model.","code":"model_not_found"}`},
		[3]any{200, "", `{"status":"ok"}`},
		[3]any{503, "", `{"error":"No.","code":"draining"}`},
	)}
	c, ctx := open(t, f, WithAdminKey("sesame")), context.Background()
	list, err := c.Models(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m := list.Models[0]
	if list.Default != "cats" || m.Labels[1] != "dog" || m.Input.Mean[0] != 0.5 || m.VersionStates[0].Reason != "broken" || *m.Traffic.Canary != (ShareState{Share{"1", 5}, true}) {
		t.Errorf("got %+v", m)
	}
	if _, err := c.Model(ctx, "my cats/1"); !errors.Is(err, ErrModelNotFound) {
		t.Error(err)
	}
	if err := c.Health(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Ready(ctx); !errors.Is(err, ErrDraining) {
		t.Error(err)
	}
	for i, want := range []string{"/v1/models", "/v1/models/my%20cats%2F1", "/healthz", "/readyz"} {
		if r := f.requests[i]; r.Method != "GET" || r.URL.EscapedPath() != want || r.Header.Get("Authorization") != "" {
			t.Errorf("request %d: %s %s %v", i, r.Method, r.URL, r.Header)
		}
	}
}

func TestWaitReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loading := [3]any{503, "Retry-After: 1", `{"error":"Loading.","code":"loading"}`}
		f := &fakeServer{answer: inTurn(loading, loading, [3]any{200, "", `{"status":"ready"}`})}
		if err := open(t, f).WaitReady(context.Background()); err != nil || len(f.requests) != 3 {
			t.Errorf("%v after %d requests", err, len(f.requests))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := open(t, &fakeServer{answer: inTurn(loading)}).WaitReady(ctx); err == nil {
			t.Error("a server that loads for ever is ready")
		}
	})
}

func TestAdmin(t *testing.T) {
	f := &fakeServer{answer: always(200, "", `{"default":"2","pinned":true,"sticky":"header:X-User-Id","shadow":{"version":"3","percent":100,"ready":false},
		"shadow_results":{"since":"2026-11-26T15:00:00Z","images":7,"disagreements":1,"mean_ms":1.5}}`)}
	c, ctx := open(t, f, WithAdminKey("sesame")), context.Background()
	if err := errors.Join(c.Load(ctx, "cats"), c.LoadVersion(ctx, "cats", "2"), c.Unload(ctx, "cats")); err != nil {
		t.Fatal(err)
	}
	got, err := c.SetTraffic(ctx, "cats", Rules{Default: "2", Shadow: &Share{"3", 100}, Sticky: "header:X-User-Id"})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Pinned || got.Canary != nil || *got.Shadow != (ShareState{Share{"3", 100}, false}) || got.Shadows.Images != 7 || got.Shadows.Since.Hour() != 15 {
		t.Errorf("got %+v", got)
	}
	if _, err := c.ClearTraffic(ctx, "cats"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`POST /v2/repository/models/cats/load `,
		`POST /v2/repository/models/cats/load {"parameters":{"version":"2"}}`,
		`POST /v2/repository/models/cats/unload `,
		`PUT /v1/models/cats/traffic {"default":"2","shadow":{"version":"3","percent":100},"sticky":"header:X-User-Id"}`,
		`DELETE /v1/models/cats/traffic `,
	} {
		r := f.requests[i]
		if got := r.Method + " " + r.URL.Path + " " + f.bodies[i]; got != want || r.Header.Get("Authorization") != "Bearer sesame" {
			t.Errorf("request %d: %s, %v; want %s", i, got, r.Header, want)
		}
	}
	if _, err := c.Traffic(ctx, "cats"); err != nil || f.requests[5].Header.Get("Authorization") != "" {
		t.Errorf("%v, %v", err, f.requests[5].Header)
	}
}

// An image is the caller's again when the call is over, also if the reply came before the server had read it. The race detector
// would see who reads it then.
func TestImageIsTheCallersAgain(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = req.Body.Read(make([]byte, 1)) // lets the client begin
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, busyAnswer)
	}))
	defer srv.Close()
	c, err := New(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			image := make([]byte, 8<<20)
			for range 5 {
				// What the reader of a body meets when the server does not wait for its end is up to the network.
				_, err := c.Classify(context.Background(), image)
				if err == nil {
					t.Error("got an answer")
				}
				clear(image)
			}
		})
	}
	wg.Wait()
}

// Connections are kept for all who call at once. One that the server closes in the moment in which it is used again is no error:
// the request is sent over another.
func TestConnections(t *testing.T) {
	const callers = 16
	var opened, closed atomic.Int64
	type key struct{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if n := req.Context().Value(key{}).(*atomic.Int64); n.Add(1) == 3 && closed.Add(1) <= callers/2 {
			panic(http.ErrAbortHandler) // closes it without a word
		}
		_, _ = io.WriteString(w, catAnswer)
	}))
	srv.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		opened.Add(1)
		return context.WithValue(ctx, key{}, new(atomic.Int64))
	}
	srv.Start()
	defer srv.Close()
	c, err := New(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range 10 {
				if _, err := classify(c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// Without reuse there would be one for each of 160 requests. A few are dialled in vain: while one is, another is given back.
	if n := opened.Load(); n > 3*callers || closed.Load() < callers/4 {
		t.Errorf("%d connections for %d callers, %d of them closed", n, callers, closed.Load())
	}
}

// A RoundTripper sees the context of the caller, where the span is that it makes a traceparent of.
func TestTransportSeesTheContext(t *testing.T) {
	type key struct{}
	f := &fakeServer{answer: always(200, "", catAnswer)}
	c := open(t, f)
	if _, err := c.Classify(context.WithValue(context.Background(), key{}, "span"), []byte("jpeg")); err != nil {
		t.Fatal(err)
	}
	if got := f.requests[0].Context().Value(key{}); got != "span" {
		t.Errorf("got %v", got)
	}
}
