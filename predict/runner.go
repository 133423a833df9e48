package predict

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Runner runs batches for one goroutine that is locked to its OS thread: the
// thread keeps libtorch's team of threads. It satisfies
// batching.Runner[[]byte, []float32].
type Runner struct {
	executor    executor // nil once closed
	maxBatch    int
	imageBytes  int
	classes     int
	temperature float64
	staging     []byte    // maxBatch images, in a row
	planes      []float32 // likewise, of images that came as floats; made when one comes
}

// Run fills out[i] with the probabilities of the classes of image in[i], which
// is 8-bit RGB, height·width·3 bytes; or, four times as long, 3·height·width
// float32, little-endian, plane by plane, normalised already. They sum to 1 and belong to the caller;
// they are softmax(logits / temperature). The images are copied first thing. It
// allocates nothing but the answers, all of one batch in one block, where the images
// are bytes.
func (r *Runner) Run(in [][]byte, out [][]float32) error {
	logits, err := r.run(in)
	if err != nil {
		return err
	}
	for i := range out {
		out[i] = logits[i*r.classes : (i+1)*r.classes : (i+1)*r.classes]
		softmax(out[i], r.temperature)
	}
	return nil
}

// Logits is Run without the softmax.
func (r *Runner) Logits(in [][]byte, out [][]float32) error {
	logits, err := r.run(in)
	if err != nil {
		return err
	}
	for i := range out {
		out[i] = logits[i*r.classes : (i+1)*r.classes : (i+1)*r.classes]
	}
	return nil
}

func (r *Runner) run(in [][]byte) ([]float32, error) {
	if len(in) < 1 || len(in) > r.maxBatch {
		return nil, fmt.Errorf("cannot run a batch of %d images: it takes 1 to %d", len(in), r.maxBatch)
	}
	bytes := 0
	for i, image := range in {
		switch len(image) {
		case r.imageBytes:
			copy(r.staging[bytes*r.imageBytes:], image)
			bytes++
		case floatBytes * r.imageBytes:
		default:
			return nil, fmt.Errorf("cannot run image %d of the batch: it has %d bytes, want %d, or %d of floats",
				i, len(image), r.imageBytes, floatBytes*r.imageBytes)
		}
	}
	logits := make([]float32, len(in)*r.classes)
	if bytes == len(in) {
		return logits, r.executor.Run(r.staging[:bytes*r.imageBytes], bytes, logits)
	}
	return logits, r.runMixed(in, bytes, logits)
}

// runMixed runs a batch with floats in it: first the images that are bytes, which are
// staged, then the others. Two runs take longer than one; but callers send the one
// or the other, and seldom meet.
func (r *Runner) runMixed(in [][]byte, bytes int, logits []float32) error {
	floats := len(in) - bytes
	r.planes = slices.Grow(r.planes[:0], floats*r.imageBytes)[:floats*r.imageBytes]
	f := 0
	for _, image := range in {
		if len(image) == floatBytes*r.imageBytes {
			readFloats(r.planes[f*r.imageBytes:(f+1)*r.imageBytes], image)
			f++
		}
	}
	answers := make([]float32, len(logits))
	if bytes > 0 {
		if err := r.executor.Run(r.staging[:bytes*r.imageBytes], bytes, answers[:bytes*r.classes]); err != nil {
			return err
		}
	}
	if err := r.executor.RunPlanes(r.planes, floats, answers[bytes*r.classes:]); err != nil {
		return err
	}
	ofBytes, ofFloats := answers[:bytes*r.classes], answers[bytes*r.classes:]
	for i, image := range in {
		from := &ofBytes
		if len(image) != r.imageBytes {
			from = &ofFloats
		}
		copy(logits[i*r.classes:(i+1)*r.classes], *from)
		*from = (*from)[r.classes:]
	}
	return nil
}

const floatBytes = 4

// readFloats reads little-endian floats. src may begin anywhere in memory.
func readFloats(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[floatBytes*i:]))
	}
}

// Close frees the runner. Closing twice does nothing.
func (r *Runner) Close() {
	if r.executor != nil {
		r.executor.Close()
		r.executor = nil
	}
}
