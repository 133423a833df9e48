package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
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

// maxAnswerBytes bounds the answer to one request. A body of 32 MB may hold millions of images that are none.
const maxAnswerBytes = 32 << 20

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
	a := &ex.answer
	images, enc, err := m.imagesOf(req.Inputs, a.image[:0])
	if err != nil {
		return nil, err
	}
	classes := len(m.Labels)
	if most := maxAnswerBytes / (4 * classes); len(images) > most {
		return nil, tooManyImages(len(images), most)
	}
	size := len(images) * classes * 4
	ex.raw = slices.Grow(ex.raw, size)[:size]
	if err := b.runAll(ctx, ex, images, enc, priority, rows{ex.raw, classes}); err != nil {
		return nil, err
	}
	ex.answered = time.Since(ex.start)
	a.shape = [2]int64{int64(len(images)), int64(classes)}
	out := oip.Tensor{Name: v2Output, Datatype: oip.FP32, Shape: a.shape[:], Raw: ex.raw}
	for _, o := range req.Outputs {
		if o.Classification > 0 {
			out = oip.Classify(out, o.Classification, m.Labels)
		}
	}
	a.outputs[0] = out
	a.InferResponse = oip.InferResponse{Model: m.Name, Version: m.Version, ID: req.ID, Outputs: a.outputs[:]}
	return &a.InferResponse, nil
}

// v2answer is a response in one piece of memory with what it points to, and with the request's image if there is only one.
type v2answer struct {
	oip.InferResponse
	outputs [1]oip.Tensor
	shape   [2]int64
	image   [1][]byte
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

// wavesAhead is how many batches of one request are under way at once: while one runs, the next gathers.
const wavesAhead = 2

// runAll runs all images of a request and puts each one's probabilities into out. More images than a batch holds are no error:
// they go in waves, which keep the runners busy and leave room in the queue for others. The first failure ends all.
func (b v2) runAll(ctx context.Context, ex *exchange, images [][]byte, enc encoding, p batching.Priority, out rows) error {
	if len(images) == 1 {
		a := b.inferLogged(ctx, ex, -1, enc, images[0], p)
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
	w := waves{v2: b, ex: ex, enc: enc, p: p}
	var wg sync.WaitGroup
	for range min(len(images), wavesAhead*max(ex.model.MaxBatch, 1)) {
		wg.Go(func() {
			for i := int(w.next.Add(1)) - 1; i < len(images) && ctx.Err() == nil; i = int(w.next.Add(1)) - 1 {
				a := w.infer(ctx, i, images[i])
				if a.err != nil {
					cancel(elementError(i, a.err))
					return
				}
				out.put(i, a.probabilities)
				w.note(&a)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// waves are a request's images on their way.
type waves struct {
	v2
	ex  *exchange
	enc encoding
	p   batching.Priority

	next     atomic.Int64 // image
	accepted atomic.Int64 // images that were answered, or may be under way
	mu       sync.Mutex   // over ex.timing and ex.batch
}

func (w *waves) note(a *inference) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ex.timing.widen(a.timing)
	w.ex.batch = max(w.ex.batch, a.batchSize)
}

// longestPause bounds the time between two tries of waves.infer.
const longestPause = 100 * time.Millisecond

// infer is infer for one image of several: when there is no room for it, it comes again, because the images of this very
// request may be what takes the room. When none of them has been accepted, others have it, and the request is refused at once as
// one of a single image is.
func (w *waves) infer(ctx context.Context, i int, image []byte) inference {
	for {
		w.accepted.Add(1)
		a := w.inferLogged(ctx, w.ex, i, w.enc, image, w.p)
		if !isBusy(a.err) || w.accepted.Add(-1) == 0 {
			return a
		}
		select {
		case <-time.After(min(retryDelay(a.err), longestPause)):
		case <-ctx.Done():
			return a
		}
	}
}

// isBusy reports whether err is about want of room, which time heals.
func isBusy(err error) bool {
	return errors.Is(err, batching.ErrQueueFull) || errors.Is(err, batching.ErrBacklog) || errors.Is(err, errDecodeBusy) || errors.Is(err, errDecodeLate)
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
