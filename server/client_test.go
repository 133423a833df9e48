package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/client"
)

// goClient is the Go client of a server under test.
func (h *harness) goClient(options ...client.Option) *client.Client {
	h.t.Helper()
	c, err := client.New("http://torchlit", append([]client.Option{client.WithTransport(h.client.Transport)}, options...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// The client was written to the API's description, not to its code; here the two meet.
func TestGoClientClassifies(t *testing.T) {
	var asked []batching.Priority
	var left []time.Duration
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		deadline, _ := ctx.Deadline()
		asked, left = append(asked, p), append(left, time.Until(deadline))
		return byColour(ctx, pixels, p)
	}
	h := open(t, Config{Models: []Model{m, colourModel("colours", "2")}})
	c, photo := h.goClient(), pngOf(picture(20, 20, red))
	r, err := c.Classify(t.Context(), photo, client.TopK(2), client.Model("colours"), client.Version("1"), client.RequestID("r-1"), client.LowPriority(), client.Timeout(9*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if r.Model != "colours" || r.Version != "1" || r.RequestID != "r-1" || len(r.Predictions) != 2 || r.Top() != (client.Prediction{Label: "red", Index: 0, Probability: 1}) {
		t.Errorf("got %+v", r)
	}
	if r.BatchSize != 1 || r.Timing.Inference != time.Millisecond || r.Timing.Decode <= 0 || r.Timing.Total < r.Timing.Decode {
		t.Errorf("got %+v", r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Classify(ctx, photo, client.Model("colours"), client.Version("1")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []batching.Priority{batching.Low, batching.Normal}) {
		t.Errorf("asked with %v", asked)
	}
	if left[0] > 9*time.Second || left[0] < time.Second || left[1] > time.Minute || left[1] < 31*time.Second {
		t.Errorf("asked with %v left", left)
	}
}

func TestGoClientBatch(t *testing.T) {
	h := open(t, Config{})
	photos := [][]byte{pngOf(picture(20, 20, red)), []byte("hello"), jpegOf(picture(9, 9, blue)), nil}
	f := func(n int) {
		t.Helper()
		var images [][]byte
		for i := range n {
			images = append(images, photos[i%4])
		}
		got, err := h.goClient().ClassifyBatch(t.Context(), images, client.TopK(1))
		if err != nil || len(got) != n {
			t.Fatal(err)
		}
		for i, o := range got {
			switch i % 4 {
			case 0, 2:
				if want := []string{"red", "", "blue"}[i%4]; o.Err != nil || o.Top().Label != want {
					t.Errorf("%d of %d: %+v; want %s", i, n, o, want)
				}
			case 1:
				if !errors.Is(o.Err, client.ErrNotAnImage) {
					t.Errorf("%d of %d: %v", i, n, o.Err)
				}
			case 3:
				if !errors.Is(o.Err, client.ErrEmptyImage) && !errors.Is(o.Err, client.ErrEmptyBody) {
					t.Errorf("%d of %d: %v", i, n, o.Err)
				}
			}
		}
	}
	f(1)
	f(4)
	f(100)                                                                              // more than a request may carry
	got, err := h.goClient().ClassifyBatch(t.Context(), [][]byte{photos[1], photos[1]}) // 415, and a list
	if err != nil || !errors.Is(got[0].Err, client.ErrNotAnImage) || !errors.Is(got[1].Err, client.ErrNotAnImage) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := h.goClient().ClassifyBatch(t.Context(), [][]byte{photos[0], photos[2]}, client.Model("cars")); !errors.Is(err, client.ErrModelNotFound) || !errors.Is(got[1].Err, err) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestGoClientErrors(t *testing.T) {
	h := open(t, Config{MaxBodyBytes: 1 << 20})
	good := pngOf(picture(20, 20, red))
	f := func(want error, status int, image []byte, options ...client.CallOption) {
		t.Helper()
		_, err := h.goClient().Classify(t.Context(), image, options...)
		e, ok := errors.AsType[*client.Error](err)
		if !ok || !errors.Is(err, want) || e.Status != status || e.RequestID == "" || e.Message == "" {
			t.Errorf("got %v, %+v; want %v", err, e, want)
		}
	}
	f(client.ErrNotAnImage, 415, []byte("hello"))
	f(client.ErrEmptyBody, 400, nil)
	f(client.ErrCannotDecode, 422, good[:len(good)/2])
	f(client.ErrBodyTooLarge, 413, make([]byte, 1<<20+1))
	f(client.ErrModelNotFound, 404, good, client.Model("cars"))
	f(client.ErrVersionNotFound, 404, good, client.Model("colours"), client.Version("7"))
	f(client.Code("bad_timeout"), 400, good, client.Timeout(time.Hour))
	f(client.Code("bad_top_k"), 400, good, client.TopK(-1))
}

// A large image that would be refused is not sent.
func TestGoClientAsksFirst(t *testing.T) {
	m := colourModel("colours", "1")
	m.Refusal = func(context.Context, batching.Priority, int, time.Duration) error {
		return &batching.RetryError{Reason: batching.ErrQueueFull, RetryAfter: time.Second}
	}
	asks := make(chan string, 1)
	h := open(t, Config{Models: []Model{m}})
	c := h.goClient(client.WithTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
		asks <- req.Header.Get("Expect")
		return h.client.Transport.RoundTrip(req)
	})))
	for size, expect := range map[int]string{1 << 10: "", 2 << 20: "100-continue"} {
		if _, err := c.Classify(t.Context(), make([]byte, size)); !errors.Is(err, client.ErrQueueFull) {
			t.Errorf("got %v", err)
		}
		if got := <-asks; got != expect {
			t.Errorf("%d bytes were sent with Expect %q", size, got)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestGoClientDeadlineAndLoad(t *testing.T) {
	g := newGate()
	m := colourModel("colours", "1")
	m.Infer = g.classify
	h := open(t, Config{Models: []Model{m}})
	c, photo := h.goClient(), pngOf(picture(20, 20, red))
	_, err := c.Classify(t.Context(), photo, client.Timeout(20*time.Millisecond))
	if !errors.Is(err, client.ErrDeadline) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(g.pass)

	// A full queue is waited out.
	full := true
	m.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		if full {
			full = false
			return batching.Result[[]float32]{}, &batching.RetryError{Reason: batching.ErrQueueFull, RetryAfter: time.Millisecond}
		}
		return byColour(ctx, pixels, p)
	}
	h = open(t, Config{Models: []Model{m}})
	_, err = h.goClient().Classify(t.Context(), photo)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != client.ErrQueueFull || e.RetryAfter != time.Second {
		t.Errorf("got %v", err)
	}
	full = true
	if _, err := h.goClient(client.WithRetry(client.Retry{Attempts: 2})).Classify(t.Context(), photo); err != nil {
		t.Error(err)
	}
}

func TestGoClientModels(t *testing.T) {
	h := open(t, Config{Models: versionsOf("1", "2"), Traffic: map[string]Traffic{"colours": {Canary: &Share{"1", 5}}}})
	c := h.goClient()
	list, err := c.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, err := c.Model(t.Context(), list.Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []client.ModelInfo{list.Models[0], *one} {
		if m.Name != "colours" || m.Version != "2" || fmt.Sprint(m.Versions) != "[1 2]" || m.State != "ready" || m.NumClasses != 3 || !slices.Equal(m.Labels, colours) ||
			m.Input.Width != 8 || m.Input.Channels != 3 || m.Architecture != "mean" || m.Accuracy != 1 || m.VersionStates[1] != (client.VersionState{Version: "2", State: "ready"}) ||
			*m.Traffic.Canary != (client.ShareState{Share: client.Share{Version: "1", Percent: 5}, Ready: true}) {
			t.Errorf("got %+v", m)
		}
	}
	if err := errors.Join(c.Health(t.Context()), c.Ready(t.Context()), c.WaitReady(t.Context())); err != nil {
		t.Error(err)
	}
	if err := h.SetModels(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); !errors.Is(err, client.ErrNoModel) {
		t.Errorf("got %v", err)
	}
}

func TestGoClientAdmin(t *testing.T) {
	h := open(t, Config{Repository: fakeRepository{}, AdminKey: "sesame"})
	ctx := t.Context()
	f := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("got %v; want %v", err, want)
		}
	}
	c := h.goClient(client.WithAdminKey("sesame"))
	f(c.Load(ctx, "other"), nil)
	f(c.Load(ctx, "broken"), client.ErrModelLoadFailed)
	f(c.Load(ctx, "nowhere"), client.ErrModelNotFound)
	f(c.LoadVersion(ctx, "other", "1"), nil)
	f(c.Unload(ctx, "other"), nil)
	f(h.goClient().Load(ctx, "colours"), client.ErrAdminKeyNeeded)
	f(h.goClient(client.WithAdminKey("wrong")).Unload(ctx, "colours"), client.ErrAdminKeyWrong)

	rules := client.Rules{Default: "1", Shadow: &client.Share{Version: "2", Percent: 50}, Sticky: "header:X-User-Id"}
	for _, ask := range []func() (*client.Traffic, error){
		func() (*client.Traffic, error) { return c.SetTraffic(ctx, "colours", rules) },
		func() (*client.Traffic, error) { return h.goClient().Traffic(ctx, "colours") },
	} {
		got, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		if !got.Pinned || got.Default != "1" || got.Sticky != rules.Sticky || got.Canary != nil || *got.Shadow != (client.ShareState{Share: *rules.Shadow}) || got.Shadows.Since.IsZero() {
			t.Errorf("got %+v", got)
		}
	}
	got, err := c.ClearTraffic(ctx, "colours")
	if err != nil || got.Pinned || got.Shadow != nil || got.Sticky != "request_id" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = c.SetTraffic(ctx, "colours", client.Rules{Canary: &client.Share{Version: "2", Percent: 200}})
	f(err, client.Code("bad_traffic"))
}

// Many goroutines share a client.
func TestGoClientIsShared(t *testing.T) {
	h := open(t, Config{})
	c, photo := h.goClient(), pngOf(picture(20, 20, red))
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 10 {
				if r, err := c.Classify(t.Context(), photo); err != nil || r.Top().Label != "red" {
					t.Errorf("got %+v, %v", r, err)
				}
			}
		})
	}
	wg.Wait()
}

// The client presents an API key, and knows what a server says to who has none.
func TestClientKeys(t *testing.T) {
	api, keys := keyFile(t, "rate=0.001 burst=1")
	h := open(t, Config{APIKeys: api})
	image := pngOf(picture(8, 8, red))
	f := func(want error, options ...client.Option) {
		t.Helper()
		_, err := h.goClient(options...).Classify(context.Background(), image)
		if !errors.Is(err, want) {
			t.Errorf("got %v; want %v", err, want)
		}
	}
	f(client.ErrKeyNeeded)
	f(client.ErrKeyUnknown, client.WithAPIKey("tl_x_y"))
	f(nil, client.WithAPIKey(keys[0]))
	f(client.ErrRateLimited, client.WithAPIKey(keys[0]))
}
