package train

import (
	"errors"
	"time"

	"github.com/torchlit/torchlit/evaluate"
)

// Events is what a run tells about itself as it goes; any may be nil. They are
// called on the training goroutine, between steps.
type Events struct {
	Started   func(Started)
	Step      func(Step)
	Validated func(Validation)
	Epoch     func(Epoch)
	// Notice is something that the operator should read, one sentence: a frozen part
	// that is trained from now on, a tracker's trouble, where time went. It may be called
	// from any goroutine.
	Notice func(string)
}

// Started tells what is about to be trained.
type Started struct {
	Classes            []string
	TrainSize, ValSize int
	Summary            Summary
	Device             string
	Ranks              int
	FirstEpoch, Epochs int
	StepsPerEpoch      int
}

// Step tells about a training step. Loss and Accuracy are means over the epoch so far.
type Step struct {
	Epoch, Index, Steps int // Index counts batches from 1 to Steps within the epoch
	GlobalStep          int // steps of the optimizer since the run began
	Side                int // pixels
	Loss, Accuracy      float64
	LR                  float64
	ImagesPerSecond     float64
}

// Validation is what a pass over the validation set found.
type Validation struct {
	Epoch, GlobalStep int
	Loss, Accuracy    float64
	Of                string // whose weights: "", "ema" or "swa"
	Extra             *Extra // nil without data.extra_dir
}

// Extra is what the same pass found on the validation images of data.extra_dir.
type Extra struct{ Loss, Accuracy float64 }

// Epoch tells about an epoch that has ended. The figures of the validation set are
// those of the last pass over it.
type Epoch struct {
	Epoch                       int
	TrainLoss, TrainAccuracy    float64
	ValLoss, ValAccuracy        float64
	ImagesPerSecond, LoaderWait float64 // LoaderWait in seconds
	Duration                    time.Duration
}

// Result is what a run comes to.
type Result struct {
	Epoch
	Steps   int    // of the optimizer
	Stopped string // why it ended before its epochs were over; "" when it did not
	Model   string // the model folder; "" when the run leaves none
	Network Model  // what was trained

	// What the model comes to on the validation set, its temperature included, which
	// was fitted to the same images; nil without a validation.
	Report      *evaluate.Report
	Temperature float64 // divides the logits; 0 when none was fitted
	Facts       Facts
	Summary     Summary
}

// ErrInterrupted says that the context ended before the run did. A checkpoint has been
// written.
var ErrInterrupted = errors.New("training was interrupted")

func (r *run) notice(text string) {
	if r.events.Notice != nil {
		r.events.Notice(text)
	}
}
