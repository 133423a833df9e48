package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var busyFor = func(seconds string) [3]any { return [3]any{503, "Retry-After: " + seconds, busyAnswer} }

// A refusal is waited out as the server says, and a little longer; the image is sent whole each time.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{answer: inTurn(busyFor("2"), [3]any{503, "", busyAnswer}, [3]any{200, "", catAnswer})}
		c := open(t, f, WithRetry(Retry{Attempts: 3}))
		start := time.Now()
		if _, err := classify(c); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 2200*time.Millisecond || took > 3300*time.Millisecond { // 2 to 3 s, 0.2 to 0.3 s
			t.Errorf("took %s", took)
		}
		if !slices.Equal(f.bodies, []string{"jpeg", "jpeg", "jpeg"}) {
			t.Errorf("sent %q", f.bodies)
		}
	})
}

func TestNoRetry(t *testing.T) {
	f := func(what string, retry Retry, left time.Duration, requests int, answers ...[3]any) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			fs := &fakeServer{answer: inTurn(answers...)}
			ctx, cancel := context.WithTimeout(context.Background(), left)
			defer cancel()
			start := time.Now()
			_, err := open(t, fs, WithRetry(retry)).Classify(ctx, []byte("jpeg"))
			if _, refused := errors.AsType[*Error](err); !refused || len(fs.requests) != requests {
				t.Errorf("%s: %v after %d requests; want %d", what, err, len(fs.requests), requests)
			}
			if requests == 1 && time.Since(start) > 0 {
				t.Errorf("%s: waited %s", what, time.Since(start))
			}
		})
	}
	f("not asked for", Retry{}, time.Hour, 1, busyFor("1"))
	f("bounded", Retry{Attempts: 4}, time.Hour, 4, busyFor("1"))
	f("no time", Retry{Attempts: 4}, 2*time.Second, 1, busyFor("2"))
	f("too long", Retry{Attempts: 4, MaxWait: time.Second}, time.Hour, 1, busyFor("2"))
	f("an image's own error", Retry{Attempts: 4}, time.Hour, 1, [3]any{415, "", textAnswer})
	f("nothing that heals", Retry{Attempts: 4}, time.Hour, 1, [3]any{503, "Retry-After: 1", `{"error":"No.","code":"model_failed"}`})
	f("a deadline", Retry{Attempts: 4}, time.Hour, 1, [3]any{504, "", `{"error":"Late.","code":"deadline_exceeded"}`})
	f("a proxy's limit", Retry{Attempts: 2}, time.Hour, 2, [3]any{429, "Retry-After: 1", "slow down"})
}

// A caller that gives up while it waits gets the refusal at once.
func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{answer: inTurn(busyFor("5"))}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := open(t, f, WithRetry(Retry{Attempts: 2})).Classify(ctx, []byte("jpeg"))
		if !errors.Is(err, ErrQueueFull) || time.Since(start) != time.Second || len(f.requests) != 1 {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// What changes something is not sent twice.
func TestChangesAreNotRetried(t *testing.T) {
	f := &fakeServer{answer: inTurn(busyFor("1"))}
	c := open(t, f, WithRetry(Retry{Attempts: 9}))
	if err := c.Load(context.Background(), "cats"); !errors.Is(err, ErrQueueFull) || len(f.requests) != 1 {
		t.Errorf("%v after %d requests", err, len(f.requests))
	}
}

// Of several images those are sent again that were refused, and no others.
func TestBatchRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := func(entries ...string) string { return `{"results":[` + strings.Join(entries, ",") + `]}` }
		f := &fakeServer{answer: inTurn(
			[3]any{503, "Retry-After: 1", list(busyAnswer, busyAnswer, busyAnswer, busyAnswer)}, // a 503 with a list
			[3]any{503, "Retry-After: 1", busyAnswer},                                           // and one without
			[3]any{200, "", list(busyAnswer, catAnswer, textAnswer, busyAnswer)},
			[3]any{200, "", list(catAnswer, busyAnswer)},
			[3]any{200, "", strings.Replace(catAnswer, "cat", "dog", 1)}, // one image has no list
		)}
		c := open(t, f, WithRetry(Retry{Attempts: 5}))
		got, err := c.ClassifyBatch(context.Background(), [][]byte{[]byte("one"), []byte("two"), []byte("three"), []byte("four")})
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Top().Label != "cat" || got[1].Top().Label != "cat" || !errors.Is(got[2].Err, ErrNotAnImage) || got[3].Result == nil || got[3].Err != nil {
			t.Errorf("got %+v", got)
		}
		sent := func(n int) (s string) {
			for _, image := range []string{"one", "two", "three", "four"} {
				if strings.Contains(f.bodies[n], image) {
					s += image + " "
				}
			}
			return s
		}
		if len(f.bodies) != 5 || sent(2) != "one two three four " || sent(3) != "one four " || f.bodies[4] != "four" {
			t.Errorf("sent %q", f.bodies)
		}
	})
}
