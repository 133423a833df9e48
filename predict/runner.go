package predict

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/torchlit/torchlit/internal/fault"
)

// Runner runs batches for one goroutine that is locked to its OS thread: the
// thread keeps libtorch's team of threads. It satisfies
// batching.Runner[[]byte, []float32].
type Runner struct {
	executor    executor // nil once closed
	member      *member  // of the model's crew, if it has one
	stager      stager   // the executor, if it is one
	maxBatch    int
	imageBytes  int
	classes     int
	width       int // of an answer: the probabilities, and the embedding if there is one
	temperature float64
	staging     []byte    // maxBatch images, in a row; nil where the stager has them
	planes      []float32 // likewise, of images that came as floats; made when one comes
}

// Run fills out[i] with the probabilities of the classes of image in[i], which
// is 8-bit RGB, height·width·3 bytes; or, four times as long, 3·height·width
// float32, little-endian, plane by plane, normalised already. They sum to 1 and belong to the caller;
// they are softmax(logits / temperature). With Options.Embed the embedding follows them. The images are copied first thing. It
// allocates nothing but the answers, all of one batch in one block, where the images
// are bytes.
func (r *Runner) Run(in [][]byte, out [][]float32) error {
	fault.BeforeBatch()
	return r.run(in, out, false)
}

// Logits is Run without the softmax.
func (r *Runner) Logits(in [][]byte, out [][]float32) error {
	return r.run(in, out, true)
}

// Enter waits until another runner that has more than its part of the CPUs is done, if
// there is one. Run does so too; who times it calls Enter before. See batching.Gate.
func (r *Runner) Enter() error { return r.member.join() }

func (r *Runner) run(in [][]byte, out [][]float32, logits bool) error {
	defer r.member.leave()
	if err := r.member.join(); err != nil {
		return err
	}
	if len(in) < 1 || len(in) > r.maxBatch {
		return fmt.Errorf("cannot run a batch of %d images: it takes 1 to %d", len(in), r.maxBatch)
	}
	bytes := 0
	for i, image := range in {
		switch len(image) {
		case r.imageBytes:
			bytes++
		case floatBytes * r.imageBytes:
		default:
			return fmt.Errorf("cannot run image %d of the batch: it has %d bytes, want %d, or %d of floats",
				i, len(image), r.imageBytes, floatBytes*r.imageBytes)
		}
	}
	answers := make([]float32, len(in)*r.width)
	embeds := r.width > r.classes // a device's softmax would take the embedding for logits
	done, err := r.answer(in, bytes, logits || embeds, answers)
	if err != nil {
		return err
	}
	for i := range out {
		out[i] = answers[i*r.width : (i+1)*r.width : (i+1)*r.width]
		if !logits && (embeds || !done) {
			softmax(out[i][:r.classes], r.temperature)
		}
	}
	return nil
}

// answer writes logits, or probabilities; done tells that they are what was asked for.
// bytes is how many of the images are bytes.
func (r *Runner) answer(in [][]byte, bytes int, logits bool, answers []float32) (done bool, err error) {
	if bytes == len(in) && r.stager != nil {
		if err := r.send(in); err != nil {
			return false, err
		}
		return true, r.stager.Finish(bytes, logits, answers)
	}
	staging := r.staging
	if r.stager != nil {
		staging = r.stager.Staging()
	}
	n := 0
	for _, image := range in {
		if len(image) == r.imageBytes {
			n += copy(staging[n:], image)
		}
	}
	if bytes == len(in) {
		return logits, r.executor.Run(staging[:n], bytes, answers)
	}
	return logits, r.runMixed(in, staging[:n], bytes, answers)
}

// sendAtOnce is how many bytes are sent to a device while the next are gathered: some
// tens of microseconds on either side.
const sendAtOnce = 1 << 20

// send gathers the images and sends each piece as soon as it is whole.
func (r *Runner) send(in [][]byte) error {
	staging := r.stager.Staging()
	from := 0
	for i, image := range in {
		copy(staging[i*r.imageBytes:], image)
		if n := i + 1 - from; n*r.imageBytes >= sendAtOnce || i == len(in)-1 {
			if err := r.stager.Send(from, n); err != nil {
				return err
			}
			from = i + 1
		}
	}
	return nil
}

// runMixed runs a batch with floats in it: first the images that are bytes, which are
// staged, then the others. Two runs take longer than one; but callers send the one
// or the other, and seldom meet.
func (r *Runner) runMixed(in [][]byte, staged []byte, bytes int, logits []float32) error {
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
		if err := r.executor.Run(staged, bytes, answers[:bytes*r.width]); err != nil {
			return err
		}
	}
	if err := r.executor.RunPlanes(r.planes, floats, answers[bytes*r.width:]); err != nil {
		return err
	}
	ofBytes, ofFloats := answers[:bytes*r.width], answers[bytes*r.width:]
	for i, image := range in {
		from := &ofBytes
		if len(image) != r.imageBytes {
			from = &ofFloats
		}
		copy(logits[i*r.width:(i+1)*r.width], *from)
		*from = (*from)[r.width:]
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
