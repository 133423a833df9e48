package server

import (
	"context"
	"fmt"
	"testing"

	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/isolate"
)

// failing is a Decoder whose every image fails in one way.
type failing struct{ err error }

func (d failing) Read(context.Context, *vision.Preprocess, []byte, vision.Limits, vision.Resizer, []byte) error {
	return d.err
}

// What becomes of decoders elsewhere is told in statuses of its own, for a lone image and in a list, and not as a mistake of ours.
func TestDecoderFails(t *testing.T) {
	f := func(err error, status int, code string) {
		t.Helper()
		s := open(t, Config{Decoder: failing{fmt.Errorf("worker 17: %w", err)}})
		r := s.do("POST", "/v1/classify", "image/png", redPNG)
		wantCode(t, r, status, code)
		if retry := r.header.Get("Retry-After"); (retry != "") != (status == 503) {
			t.Errorf("%s: Retry-After is %q", code, retry)
		}
		if s.do("GET", "/readyz", "", nil).status != 200 {
			t.Errorf("%s: the server is not ready", code)
		}
	}
	f(isolate.ErrCrashed, 422, "decoder_crashed")
	f(isolate.ErrStuck, 504, "decode_timeout")
	f(isolate.ErrUnavailable, 503, "decoder_unavailable")
	f(isolate.ErrClosed, 503, "draining")
	f(vision.ErrCorrupt, 422, "cannot_decode")
	f(context.DeadlineExceeded, 504, "deadline_exceeded")
}
