package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/vision"
)

func TestClassifyBodyForms(t *testing.T) {
	h := open(t, Config{})
	redPNG, blueJPEG := pngOf(picture(40, 30, red)), jpegOf(picture(16, 16, blue))
	b64 := base64.StdEncoding.EncodeToString

	f := func(contentType string, body []byte, want string) {
		t.Helper()
		r := h.do("POST", "/v1/classify", contentType, body)
		if r.status != 200 {
			t.Fatalf("status %d: %s", r.status, r.body)
		}
		a := r.answer(t)
		if len(a.Predictions) != 3 || a.Predictions[0].Label != want {
			t.Fatalf("got %s; want %s first", r.body, want)
		}
		sum := 0.0
		for _, p := range a.Predictions {
			sum += p.Probability
		}
		if sum < 0.999 || sum > 1.001 {
			t.Fatalf("probabilities sum to %v", sum)
		}
		if a.RequestID == "" || a.RequestID != r.header.Get("X-Request-Id") || a.Model != "colours" || a.Version != "1" || a.BatchSize != 1 {
			t.Fatalf("got %s", r.body)
		}
		if a.Timing.Decode == nil || a.Timing.Queue == nil || a.Timing.Inference == nil || a.Timing.Total == nil {
			t.Fatalf("timing is not complete: %s", r.body)
		}
		if st := r.header.Get("Server-Timing"); !strings.Contains(st, "inference;dur=1,") {
			t.Fatalf("Server-Timing is %q", st)
		}
	}

	// Raw bytes, whatever their type is said to be.
	f("image/png", redPNG, "red")
	f("", redPNG, "red")
	f("application/x-www-form-urlencoded", blueJPEG, "blue") // curl --data-binary
	f("image/png", blueJPEG, "blue")

	// Forms.
	ct, body := form(nil, blueJPEG)
	f(ct, body, "blue")
	f("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n"+string(redPNG)+"\r\n--x--\r\n"), "red")

	// JSON, in every spelling of base64 that programs produce.
	f("application/json", []byte(`{"image":"`+b64(redPNG)+`"}`), "red")
	f("application/json; charset=utf-8", []byte(`{"image":"`+base64.RawURLEncoding.EncodeToString(blueJPEG)+`"}`), "blue")
	f("application/json", []byte(`{"image":"data:image/png;base64,`+b64(redPNG)+`"}`), "red")
	f("", []byte(` {"image":"`+b64(redPNG)+`","note":"other keys are passed over"}`), "red")
	f("application/x-www-form-urlencoded", []byte(`{"image":"`+strings.ReplaceAll(b64(redPNG), "A", "A\\n")+`"}`), "red")
}

func TestClassifyRoutes(t *testing.T) {
	h := open(t, Config{Models: []Model{colourModel("colours", "1"), colourModel("colours", "2"), colourModel("other", "7")}})
	img := pngOf(picture(8, 8, red))
	f := func(path string, status int, want string) {
		t.Helper()
		r := h.do("POST", path, "", img)
		a := r.answer(t)
		got := a.Model + "/" + a.Version
		if status != 200 {
			got = a.Code
		}
		if r.status != status || got != want {
			t.Fatalf("%s: got %d %s; want %d %s", path, r.status, r.body, status, want)
		}
	}
	f("/v1/classify", 200, "colours/2")
	f("/v1/models/colours/classify", 200, "colours/2")
	f("/v1/models/colours/versions/1/classify", 200, "colours/1")
	f("/v1/models/other/versions/7/classify", 200, "other/7")
	f("/v1/models/colours/versions/3/classify", 404, "version_not_found")
	f("/v1/models/dogs/classify", 404, "model_not_found")
	f("/v1/nothing", 404, "not_found")
	f("/v1/models", 405, "method_not_allowed")
}

// The priority is the batcher's to honour; here it gets there, from each place where it can stand.
func TestClassifyPriority(t *testing.T) {
	m := colourModel("colours", "1")
	asked := make(chan batching.Priority, 9)
	m.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		asked <- p
		return byColour(ctx, pixels, p)
	}
	h := open(t, Config{Models: []Model{m}})
	img := pngOf(picture(8, 8, red))
	f := func(query, contentType string, body []byte, want batching.Priority) {
		t.Helper()
		if r := h.do("POST", "/v1/classify"+query, contentType, body); r.status != 200 {
			t.Fatalf("got %d %s", r.status, r.body)
		}
		if got := <-asked; got != want {
			t.Errorf("asked with priority %v; want %v", got, want)
		}
	}
	f("", "", img, batching.Normal)
	f("?priority=low", "", img, batching.Low)
	f("?priority=normal", "", img, batching.Normal)
	b64 := base64.StdEncoding.EncodeToString(img)
	f("", "application/json", []byte(`{"image":"`+b64+`","priority":"low"}`), batching.Low)
	f("?priority=low", "application/json", []byte(`{"image":"`+b64+`","priority":"normal"}`), batching.Normal) // the body wins
	ct, body := form(map[string]string{"priority": "low"}, img)
	f("", ct, body, batching.Low)
}

func TestClassifyOptions(t *testing.T) {
	h := open(t, Config{})
	img := pngOf(picture(8, 8, red))
	b64 := base64.StdEncoding.EncodeToString(img)
	f := func(query, contentType string, body []byte, want int) {
		t.Helper()
		r := h.do("POST", "/v1/classify"+query, contentType, body)
		if a := r.answer(t); r.status != 200 || len(a.Predictions) != want {
			t.Fatalf("got %d %s; want %d predictions", r.status, r.body, want)
		}
	}
	f("?top_k=1", "", img, 1)
	f("?top_k=1000&timeout_ms=5000", "", img, 3)
	f("?top_k=1", "application/json", []byte(`{"image":"`+b64+`","top_k":2}`), 2) // the body wins
	ct, body := form(map[string]string{"top_k": "2", "comment": "hello"}, img)
	f("", ct, body, 2)
}

func TestClassifyList(t *testing.T) {
	h := open(t, Config{})
	redPNG, bluePNG := pngOf(picture(8, 8, red)), pngOf(picture(8, 8, blue))
	b64 := base64.StdEncoding.EncodeToString
	f := func(contentType string, body []byte, status int, want ...string) {
		t.Helper()
		r := h.do("POST", "/v1/classify", contentType, body)
		a := r.answer(t)
		if r.status != status || len(a.Results) != len(want) {
			t.Fatalf("got %d %s; want %d with %d results", r.status, r.body, status, len(want))
		}
		for i, res := range a.Results {
			got := res.Code
			if len(res.Predictions) > 0 {
				got = res.Predictions[0].Label
				if id := fmt.Sprintf("%s-%d", r.header.Get("X-Request-Id"), i); res.RequestID != id {
					t.Fatalf("result %d has id %q; want %q", i, res.RequestID, id)
				}
			}
			if got != want[i] {
				t.Fatalf("result %d is %q; want %q", i, got, want[i])
			}
		}
	}
	ct, body := form(nil, redPNG, []byte("hello"), bluePNG)
	f(ct, body, 200, "red", "not_an_image", "blue")
	f("application/json", []byte(`{"images":["`+b64(bluePNG)+`","`+b64(redPNG)+`"]}`), 200, "blue", "red")
	f("application/json", []byte(`{"images":["`+b64(bluePNG)+`"]}`), 200, "blue")
	f("application/json", []byte(`{"images":["aGVsbG8=","`+b64(redPNG[:60])+`"]}`), 415, "not_an_image", "cannot_decode")
}

// Every kind of bad input has its own status and code, in JSON, and the server serves on.
func TestClassifyBadInput(t *testing.T) {
	bomb, err := os.ReadFile("testdata/bomb.png")
	if err != nil {
		t.Fatal(err)
	}
	h := open(t, Config{MaxBodyBytes: 1 << 20, MaxImagesPerRequest: 32})
	good := pngOf(picture(8, 8, red))
	sentences := map[string]string{}
	f := func(query, contentType string, body []byte, status int, code string) {
		t.Helper()
		r := h.do("POST", "/v1/classify"+query, contentType, body)
		a := r.answer(t)
		if r.status != status || a.Code != code {
			t.Fatalf("got %d %s; want %d %q", r.status, r.body, status, code)
		}
		if !strings.HasSuffix(a.Error, ".") || strings.ToUpper(a.Error[:1]) != a.Error[:1] && a.Error[0] != '"' {
			t.Errorf("%q is not a sentence", a.Error)
		}
		if r.header.Get("X-Request-Id") == "" || r.header.Get("Server-Timing") == "" || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: the reply lacks a header: %v", code, r.header)
		}
		if other, ok := sentences[a.Error]; ok && other != code {
			t.Errorf("%q is said for %s and for %s", a.Error, other, code)
		}
		sentences[a.Error] = code
		if r := h.do("POST", "/v1/classify", "", good); r.status != 200 {
			t.Fatalf("after %s a good request got %d %s", code, r.status, r.body)
		}
	}
	var photo bytes.Buffer
	photo.Write(jpegOf(noise(64, 64)))

	f("", "text/plain", []byte("Dear server, this is a letter."), 415, "not_an_image")
	f("", "", []byte("Dear server, this is a letter."), 415, "not_an_image")
	f("", "image/jpeg", nil, 400, "empty_body")
	f("", "image/jpeg", photo.Bytes()[:photo.Len()/2], 422, "cannot_decode")
	f("", "image/png", good[:len(good)-20], 422, "cannot_decode")
	f("", "image/png", bomb, 413, "too_many_pixels")
	f("", "image/png", make([]byte, 2<<20), 413, "body_too_large")
	f("", "application/json", []byte(`{"image":`), 400, "bad_json")
	f("", "", []byte(`{"image":`), 400, "bad_json")
	f("", "application/json", []byte(`["a"]`), 400, "bad_json")
	f("", "application/json", []byte(`{"image":7}`), 400, "bad_json")
	f("", "application/json", []byte(`{"images":"a"}`), 400, "bad_json")
	f("", "application/json", []byte(`{"image":"a","images":["a"]}`), 400, "bad_json")
	f("", "application/json", []byte(`{"picture":"aGVsbG8="}`), 400, "no_image")
	f("", "application/json", []byte(`{"images":[]}`), 400, "no_image")
	f("", "application/json", []byte(`{"image":""}`), 400, "empty_image")
	f("", "application/json", []byte(`{"image":"not base64!"}`), 400, "bad_base64")
	f("", "application/json", []byte(`{"image":"data:image/png,abc"}`), 400, "bad_base64")
	f("", "application/json", []byte(`{"image":"aGVsbG8=","top_k":"many"}`), 400, "bad_top_k")
	f("", "application/json", []byte(`{"image":"aGVsbG8=","timeout_ms":-1}`), 400, "bad_timeout")
	f("?top_k=0", "", good, 400, "bad_top_k")
	f("?top_k=five", "", good, 400, "bad_top_k")
	f("?timeout_ms=1e9", "", good, 400, "bad_timeout")
	f("?priority=high", "", good, 400, "bad_priority")
	f("", "application/json", []byte(`{"image":"aGVsbG8=","priority":2}`), 400, "bad_priority")

	many := make([][]byte, 50)
	for i := range many {
		many[i] = good
	}
	ct, body := form(nil, many...)
	f("", ct, body, 413, "too_many_images")
	ct, body = form(map[string]string{"comment": "no file"})
	f("", ct, body, 400, "no_image")
	ct, body = form(nil, good)
	f("", ct, body[:len(body)-40], 400, "bad_form")
	f("", "multipart/form-data", body, 400, "bad_form")
	ct, body = form(nil, nil)
	f("", ct, body, 400, "empty_image")
	ct, body = form(map[string]string{"top_k": "0"}, good)
	f("", ct, body, 400, "bad_top_k")

	req, _ := http.NewRequest("POST", "http://torchlit/v1/classify", bytes.NewReader(good))
	req.Header.Set("Content-Encoding", "gzip")
	r, err := h.send(req)
	if a := r.answer(t); err != nil || r.status != 415 || a.Code != "unsupported_encoding" {
		t.Fatalf("got %d %s %v", r.status, r.body, err)
	}
}

// noise is a picture that does not compress to nothing.
func noise(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	x := uint32(1)
	for i := range img.Pix {
		x = x*1664525 + 1013904223
		img.Pix[i] = byte(x >> 24)
	}
	return img
}

func TestClassifyErrors(t *testing.T) {
	f := func(err error, status int, code, retry string) {
		t.Helper()
		m := colourModel("colours", "1")
		m.Infer = func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error) {
			return batching.Result[[]float32]{}, err
		}
		h := open(t, Config{Models: []Model{m}})
		r := h.do("POST", "/v1/classify", "", pngOf(picture(8, 8, red)))
		a := r.answer(t)
		if r.status != status || a.Code != code || r.header.Get("Retry-After") != retry {
			t.Fatalf("%v: got %d %s Retry-After %q", err, r.status, r.body, r.header.Get("Retry-After"))
		}
		if strings.Contains(a.Error, "secret") {
			t.Fatalf("%q tells too much", a.Error)
		}
	}
	f(&batching.RetryError{Reason: batching.ErrQueueFull, RetryAfter: 2200 * time.Millisecond}, 503, "queue_full", "3")
	f(&batching.RetryError{Reason: batching.ErrBacklog, RetryAfter: 300 * time.Millisecond}, 503, "queue_full", "1")
	f(&batching.RetryError{Reason: batching.ErrDraining}, 503, "draining", "1")
	f(batching.ErrNoRunner, 503, "model_failed", "1")
	f(batching.ErrDeadline, 504, "deadline_exceeded", "")
	f(errors.New("secret: the weights are in /root"), 500, "internal", "")
	f(fmt.Errorf("%w: secret: line 7 of the module", ErrModelFailed), 500, "model_failed_on_input", "")
}

func TestClassifyWrongNumberOfLogits(t *testing.T) {
	m := colourModel("colours", "1")
	m.Labels = append(m.Labels[:len(m.Labels):len(m.Labels)], "ultraviolet")
	h := open(t, Config{Models: []Model{m}})
	if r := h.do("POST", "/v1/classify", "", pngOf(picture(8, 8, red))); r.status != 500 {
		t.Fatalf("got %d %s; want 500", r.status, r.body)
	}
}

func TestClassifyDeadline(t *testing.T) {
	g := newGate()
	m := colourModel("colours", "1")
	m.Infer = g.classify
	h := open(t, Config{Models: []Model{m}})
	r := h.do("POST", "/v1/classify?timeout_ms=10", "", pngOf(picture(8, 8, red)))
	if a := r.answer(t); r.status != 504 || a.Code != "deadline_exceeded" {
		t.Fatalf("got %d %s; want 504", r.status, r.body)
	}
}

func TestClassifyPanic(t *testing.T) {
	m := colourModel("colours", "1")
	m.Infer = func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error) {
		panic("out of luck")
	}
	n := colourModel("resizer", "1")
	n.Resizer = func(*vision.Image, int, int, vision.Interpolation) (*vision.Image, error) { panic("out of luck") }
	h := open(t, Config{Models: []Model{m, n}, DecodeWorkers: 1})
	img := pngOf(picture(30, 20, red))
	for range 3 { // a panic that kept its decode worker would block the second
		for _, path := range []string{"/v1/classify", "/v1/models/resizer/classify"} {
			r := h.do("POST", path, "", img)
			if a := r.answer(t); r.status != 500 || a.Code != "internal" || strings.Contains(string(r.body), "luck") {
				t.Fatalf("got %d %s; want 500 without details", r.status, r.body)
			}
			ct, body := form(nil, img, img)
			if r := h.do("POST", path, ct, body); r.status != 500 || len(r.answer(t).Results) != 2 {
				t.Fatalf("got %d %s; want 500 for both", r.status, r.body)
			}
		}
	}
	if r := h.do("GET", "/healthz", "", nil); r.status != 200 {
		t.Fatalf("after a panic /healthz says %d", r.status)
	}
}

func TestDecodeQueueIsBounded(t *testing.T) {
	m := colourModel("colours", "1")
	hold, held := make(chan struct{}), make(chan struct{}, 8)
	m.Resizer = func(src *vision.Image, w, h int, ip vision.Interpolation) (*vision.Image, error) {
		held <- struct{}{}
		<-hold
		return vision.NfntResizer(src, w, h, ip)
	}
	h := open(t, Config{Models: []Model{m}, DecodeWorkers: 1, MaxDecodeQueue: 1})
	img := pngOf(picture(30, 20, red))
	replies := make(chan reply, 2)
	post := func() {
		r, err := h.try("POST", "/v1/classify", "", img)
		if err != nil {
			t.Error(err)
		}
		replies <- r
	}
	go post()
	<-held // one is being decoded
	go post()
	for h.decode.waiting.Load() == 0 { // and one waits
		time.Sleep(time.Millisecond)
	}
	r := h.do("POST", "/v1/classify", "", img)
	if a := r.answer(t); r.status != 503 || a.Code != "queue_full" || r.header.Get("Retry-After") != "1" {
		t.Fatalf("got %d %s; want 503", r.status, r.body)
	}
	close(hold)
	for range 2 {
		if r := <-replies; r.status != 200 {
			t.Fatalf("got %d %s; want 200", r.status, r.body)
		}
	}
}
