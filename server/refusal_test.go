package server

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/torchlit/torchlit/batching"
)

// An image for which there is no room is refused before it is decoded, whichever protocol it comes by, and what is said and counted
// is as if the batcher had said it.
func TestRefusedBeforeDecoding(t *testing.T) {
	var refuse error
	var asked []batching.Priority
	m := colourModel("colours", "1")
	m.Refusal = func(ctx context.Context, p batching.Priority, ahead int, _ time.Duration) error {
		if _, ok := ctx.Deadline(); !ok || ahead != 0 {
			t.Errorf("asked without a deadline, or behind %d", ahead)
		}
		asked = append(asked, p)
		return refuse
	}
	f := func(cfg Config) {
		t.Helper()
		cfg.Models = []Model{m}
		h := open(t, cfg)
		refuse, asked = &batching.RetryError{Reason: batching.ErrBacklog, RetryAfter: 2500 * time.Millisecond}, nil
		text := []byte("this is no image, which nobody notices")
		for _, r := range []reply{
			h.do("POST", "/v1/classify?priority=low", "", text),
			h.ask("POST", "/v2/models/colours/infer", text, "Inference-Header-Content-Length", "0"),
		} {
			if r.status != 503 || r.header.Get("Retry-After") != "3" || r.answer(t).Code != "queue_full" {
				t.Errorf("got %d %v %s", r.status, r.header, r.body)
			}
		}
		if len(asked) != 2 || asked[0] != batching.Low || asked[1] != batching.Normal {
			t.Errorf("asked %v", asked)
		}
		const count = `torchlit_rejected_total{model="colours",reason="backlog",version="1"} 2`
		if text := h.do("GET", "/metrics", "", nil).body; !bytes.Contains(text, []byte(count)) {
			t.Errorf("/metrics lacks %s", count)
		}
		refuse = nil
		if r := h.do("POST", "/v1/classify", "", text); r.status != 415 {
			t.Errorf("got %d %s", r.status, r.body)
		}
		if r := h.do("POST", "/v1/classify", "", pngOf(picture(9, 9, red))); r.status != 200 {
			t.Errorf("got %d %s", r.status, r.body)
		}
		if n := h.catalog.Load().models[0].making.Load(); n != 0 {
			t.Errorf("%d images are being decoded for ever", n)
		}
	}
	f(Config{})
	f(Config{Dedup: true})
	f(Config{CacheBytes: 1 << 20})
}

// A tensor has nothing to be decoded: the batcher alone is asked.
func TestTensorIsNotAskedForTwice(t *testing.T) {
	m := colourModel("colours", "1")
	m.Refusal = func(context.Context, batching.Priority, int, time.Duration) error { return errors.New("asked") }
	h := open(t, Config{Models: []Model{m}})
	if r := h.ask("POST", "/v2/models/colours/infer", make([]byte, 8*8*3), "Inference-Header-Content-Length", "0"); r.status != 200 {
		t.Errorf("got %d %s", r.status, r.body)
	}
}

// The images that are being decoded are told to the batcher, so that they do not all get the same place.
func TestRefusalHearsOfThoseAhead(t *testing.T) {
	const clients = 8
	var mu sync.Mutex
	seen := map[int]bool{}
	m := colourModel("colours", "1")
	m.Refusal = func(_ context.Context, _ batching.Priority, ahead int, _ time.Duration) error {
		mu.Lock()
		seen[ahead] = true
		mu.Unlock()
		return nil
	}
	h := open(t, Config{Models: []Model{m}, DecodeWorkers: 1})
	h.decode.places <- struct{}{} // nobody is decoded
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			if r, err := h.try("POST", "/v1/classify", "", pngOf(picture(9, 9, red))); err != nil || r.status != 200 {
				t.Errorf("got %d %s %v", r.status, r.body, err)
			}
		})
	}
	for h.decode.waiting.Load() < clients {
		time.Sleep(time.Millisecond)
	}
	h.decode.leave()
	wg.Wait()
	for i := range clients {
		if !seen[i] {
			t.Errorf("nobody was behind %d others", i)
		}
	}
	if n := h.catalog.Load().models[0].making.Load(); n != 0 {
		t.Errorf("%d images are being decoded for ever", n)
	}
}

// Who would not be decoded before his deadline is told so at once.
func TestDecodeQueueKnowsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newDecodePool(2, 5, func() float64 { return 0 })
		decode := func(within time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			if err := p.enter(ctx); err != nil {
				return err
			}
			time.Sleep(time.Second)
			p.took(time.Second)
			p.leave()
			return nil
		}
		var wg sync.WaitGroup
		begin := func(n int, within time.Duration) {
			for range n {
				wg.Go(func() {
					if err := decode(within); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
		}
		begin(2, time.Minute)
		begin(2, time.Millisecond+time.Second) // nothing is known yet
		wg.Wait()
		begin(4, time.Minute)
		var retry *batching.RetryError
		if err := decode(1400 * time.Millisecond); !errors.Is(err, errDecodeLate) || !errors.As(err, &retry) || retry.RetryAfter != 100*time.Millisecond {
			t.Errorf("got %v", err)
		}
		begin(1, 2500*time.Millisecond) // the third in the queue of two
		begin(2, time.Minute)
		if err := decode(time.Minute); !errors.Is(err, errDecodeBusy) || !errors.As(err, &retry) || retry.RetryAfter != 3*time.Second {
			t.Errorf("got %v", err)
		}
		wg.Wait()
	})
}
