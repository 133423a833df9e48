package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/server/oip"
)

// The tensors that a classifier has under the protocol.
const (
	v2Input  = "input"         // FP32 [N, 3, H, W], normalised; or UINT8 [N, H, W, 3]
	v2Image  = "image"         // BYTES [N]: encoded images
	v2Output = "probabilities" // FP32 [N, classes]
)

// run answers a request with the model that ex holds.
func (b v2) run(ctx context.Context, ex *exchange, req *oip.InferRequest) (*oip.InferResponse, error) {
	m := ex.model
	if err := checkOutputs(m, req.Outputs); err != nil {
		return nil, err
	}
	priority, err := priorityOf(req.Parameters)
	if err != nil {
		return nil, err
	}
	images, enc, err := imagesOf(m, req.Inputs)
	if err != nil {
		return nil, err
	}
	classes := len(m.Labels)
	raw := make([]byte, len(images)*classes*4)
	if err := b.runAll(ctx, ex, images, enc, priority, rows{raw, classes}); err != nil {
		return nil, err
	}
	resp := &struct { // in one piece
		oip.InferResponse
		outputs [1]oip.Tensor
		shape   [2]int64
	}{shape: [2]int64{int64(len(images)), int64(classes)}}
	out := oip.Tensor{Name: v2Output, Datatype: oip.FP32, Shape: resp.shape[:], Raw: raw}
	for _, o := range req.Outputs {
		if o.Classification > 0 {
			out = oip.Classify(out, o.Classification, m.Labels)
		}
	}
	resp.outputs[0] = out
	resp.InferResponse = oip.InferResponse{Model: m.Name, Version: m.Version, ID: req.ID, Outputs: resp.outputs[:]}
	return &resp.InferResponse, nil
}

// rows is a tensor FP32 [N, classes] as it goes over the wire. Several goroutines may put rows of their own.
type rows struct {
	raw     []byte
	classes int
}

func (r rows) put(i int, probabilities []float32) {
	row := r.raw[i*r.classes*4:]
	for c, p := range probabilities {
		binary.LittleEndian.PutUint32(row[4*c:], math.Float32bits(p))
	}
}

func checkOutputs(m *served, outputs []oip.RequestedOutput) error {
	if len(outputs) > 1 {
		return badRequest("bad_output", fmt.Sprintf("The request names %d outputs; model %q has one, %q.", len(outputs), m.Name, v2Output))
	}
	for _, o := range outputs {
		if o.Name != v2Output {
			return badRequest("unknown_output", fmt.Sprintf("Model %q has no output %q; its output is %q.", m.Name, clip(o.Name), v2Output))
		}
	}
	return nil
}

// priorityOf reads the parameter "priority" as Triton has it: 1 is the highest, 0 the model's own, which is 1 here.
func priorityOf(parameters map[string]any) (batching.Priority, error) {
	v, ok := parameters["priority"]
	if !ok {
		return batching.Normal, nil
	}
	n, ok := oip.Whole(v)
	if !ok || n < 0 {
		return 0, badRequest("bad_priority", "The parameter \"priority\" must be a whole number: 0 or 1 for normal, 2 or more for low.")
	}
	if n >= 2 {
		return batching.Low, nil
	}
	return batching.Normal, nil
}

// imagesOf finds the images in a request's one input. They point into the request.
func imagesOf(m *served, inputs []oip.Tensor) ([][]byte, encoding, error) {
	if len(inputs) != 1 {
		return nil, 0, badRequest("bad_inputs", fmt.Sprintf("The request has %d inputs; model %q takes one, %q or %q.", len(inputs), m.Name, v2Input, v2Image))
	}
	t := &inputs[0]
	if t.Name == "" { // a raw binary request: the bytes tell
		return [][]byte{t.Raw}, m.guess(t.Raw), nil
	}
	switch {
	case t.Name == v2Image && t.Datatype == oip.Bytes && fits(t.Shape, -1) || t.Name == v2Image && t.Datatype == oip.Bytes && fits(t.Shape, -1, 1):
		if len(t.Elements) == 0 {
			return nil, 0, errNoImages
		}
		return t.Elements, encoded, nil
	case t.Name == v2Input && t.Datatype == oip.FP32 && fits(t.Shape, -1, 3, int64(m.Preprocess.Height), int64(m.Preprocess.Width)):
		return cut(t, planes)
	case t.Name == v2Input && t.Datatype == oip.Uint8 && fits(t.Shape, -1, int64(m.Preprocess.Height), int64(m.Preprocess.Width), 3):
		return cut(t, pixels)
	}
	return nil, 0, badRequest("bad_inputs", fmt.Sprintf("Model %q has no input %q of %s %v; it takes %s.", m.Name, clip(t.Name), clip(string(t.Datatype)), t.Shape, m.inputsInWords()))
}

var errNoImages = badRequest("no_images", "The input holds no image: its first size is 0.")

func (m *served) inputsInWords() string {
	p := m.Preprocess
	return fmt.Sprintf("%q FP32 [N,3,%d,%d] or UINT8 [N,%d,%d,3], or %q BYTES [N]", v2Input, p.Height, p.Width, p.Height, p.Width, v2Image)
}

// guess tells what a raw binary request holds: a tensor has exactly one of two lengths.
func (m *served) guess(raw []byte) encoding {
	switch size := m.Preprocess.Width * m.Preprocess.Height * 3; len(raw) {
	case size:
		return pixels
	case 4 * size:
		return planes
	}
	return encoded
}

// fits compares a shape; -1 is any size.
func fits(shape []int64, want ...int64) bool {
	if len(shape) != len(want) {
		return false
	}
	for i, w := range want {
		if w >= 0 && shape[i] != w {
			return false
		}
	}
	return true
}

// cut parts a tensor along its first dimension.
func cut(t *oip.Tensor, enc encoding) ([][]byte, encoding, error) {
	n := int(t.Shape[0])
	if n == 0 {
		return nil, 0, errNoImages
	}
	images, size := make([][]byte, n), len(t.Raw)/n
	for i := range images {
		images[i] = t.Raw[i*size : (i+1)*size]
	}
	return images, enc, nil
}

// wavesAhead is how many batches of one request are under way at once: while one runs, the next gathers.
const wavesAhead = 2

// runAll runs all images of a request and puts each one's probabilities into out. More images than a batch holds are no error:
// they go in waves, which keep the runners busy and leave room in the queue for others. The first failure ends all.
func (b v2) runAll(ctx context.Context, ex *exchange, images [][]byte, enc encoding, p batching.Priority, out rows) error {
	if len(images) == 1 {
		a := b.infer(ctx, ex.id, ex.lease, enc, images[0], p)
		ex.timing, ex.images, ex.batch = a.timing, 1, a.batchSize
		if a.err == nil {
			out.put(0, a.probabilities)
		}
		return a.err
	}
	return b.runWaves(ctx, ex, images, enc, p, out)
}

func (b v2) runWaves(ctx context.Context, ex *exchange, images [][]byte, enc encoding, p batching.Priority, out rows) error {
	ex.images = len(images)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var mu sync.Mutex // over ex.timing
	var wg sync.WaitGroup
	for range min(len(images), wavesAhead*max(ex.model.MaxBatch, 1)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(images)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				a := b.inferPatiently(ctx, ex, images[i], enc, p)
				if a.err != nil {
					cancel(elementError(int(i), a.err))
					return
				}
				out.put(int(i), a.probabilities)
				mu.Lock()
				ex.timing.widen(a.timing)
				ex.batch = max(ex.batch, a.batchSize)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// longestPause bounds the wait of inferPatiently.
const longestPause = 100 * time.Millisecond

// inferPatiently is infer for one image of several: when the queue is full it comes again, because the images of this very
// request may be what fills it.
func (b v2) inferPatiently(ctx context.Context, ex *exchange, image []byte, enc encoding, p batching.Priority) inference {
	for {
		a := b.infer(ctx, ex.id, ex.lease, enc, image, p)
		if !errors.Is(a.err, batching.ErrQueueFull) && !errors.Is(a.err, errDecodeBusy) {
			return a
		}
		select {
		case <-time.After(min(retryDelay(a.err), longestPause)):
		case <-ctx.Done():
			return a
		}
	}
}

// elementError says which image of a request an error is about. An error about the request as a whole, such as its deadline,
// stays as it is.
func elementError(i int, err error) error {
	e := *public(err)
	if e.status >= fasthttp.StatusInternalServerError || e.status == statusClientGone {
		return err
	}
	e.sentence = fmt.Sprintf("Image %d of the request: %s", i, e.sentence)
	return errors.Join(&e, err)
}
