package train

import (
	"math"
	"time"

	"github.com/torchlit/torchlit/torch"
)

// sums are the figures of some steps, added up.
type sums struct {
	Loss    float64       `json:"loss"` // of each batch's mean
	Correct int64         `json:"correct"`
	Images  int           `json:"images"`
	Batches int           `json:"batches"`
	Waited  time.Duration `json:"waited"` // for data
	Took    time.Duration `json:"took"`
}

func (s sums) loss() float64     { return s.Loss / float64(max(1, s.Batches)) }
func (s sums) accuracy() float64 { return float64(s.Correct) / float64(max(1, s.Images)) }
func (s sums) rate() float64     { return float64(s.Images) / max(s.Took.Seconds(), 1e-9) }

func (s *sums) add(o sums) {
	s.Loss += o.Loss
	s.Correct += o.Correct
	s.Images += o.Images
	s.Batches += o.Batches
	s.Waited += o.Waited
	s.Took += o.Took
}

// meter adds up the losses and the right answers of batches where they are computed.
// Reading a number from a GPU waits for all that was given to it to do; so the sums
// stay on the device until somebody reads them.
type meter struct {
	loss, correct torch.Tensor // scalars, Double and Long
	images        int
	batches       int
}

func newMeter(device torch.Device) *meter {
	zero := func(dtype int8) torch.Tensor {
		return torch.ZerosWith(nil, torch.Options{DType: torch.DType(dtype), Device: device})
	}
	return &meter{loss: zero(torch.Double), correct: zero(torch.Long)}
}

// add counts a batch of images: its mean loss, and how many answers were right.
func (m *meter) add(loss, correct torch.Tensor, images int) {
	torch.NoGrad(func() {
		m.loss.AddI(loss.Detach(), 1)
		m.correct.AddI(correct, 1)
	})
	m.images += images
	m.batches++
}

// read returns what was added since the last read.
func (m *meter) read() sums {
	s := sums{Loss: m.loss.Float64(), Correct: int64(m.correct.Float64()), Images: m.images, Batches: m.batches}
	torch.NoGrad(func() {
		m.loss.FillI(0)
		m.correct.FillI(0)
	})
	m.images, m.batches = 0, 0
	return s
}

func (m *meter) close() {
	m.loss.Close()
	m.correct.Close()
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
