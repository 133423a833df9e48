package predict

import (
	"fmt"

	"github.com/torchlit/torchlit/torch/engine"
)

// Runner runs batches for one goroutine that is locked to its OS thread: the
// thread keeps libtorch's team of threads. It satisfies
// batching.Runner[[]byte, []float32].
type Runner struct {
	engine      *engine.Engine
	maxBatch    int
	imageBytes  int
	classes     int
	temperature float64
	staging     []byte // maxBatch images, in a row
}

// Run fills out[i] with the probabilities of the classes of image in[i], which
// is 8-bit RGB, height·width·3 bytes. They sum to 1 and belong to the caller;
// they are softmax(logits / temperature). The images are copied first thing. It
// allocates nothing but the answers, all of one batch in one block.
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
	for i, image := range in {
		if len(image) != r.imageBytes {
			return nil, fmt.Errorf("cannot run image %d of the batch: it has %d bytes, want %d", i, len(image), r.imageBytes)
		}
		copy(r.staging[i*r.imageBytes:], image)
	}
	logits := make([]float32, len(in)*r.classes)
	if err := r.engine.Run(r.staging[:len(in)*r.imageBytes], len(in), logits); err != nil {
		return nil, err
	}
	return logits, nil
}

// Close frees the runner. Closing twice does nothing.
func (r *Runner) Close() { r.engine.Close() }
