package train

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
)

// CIFAR-10's mean and standard deviation by channel, of pixels scaled to 0…1.
var (
	Mean = [3]float64{0.4914, 0.4822, 0.4465}
	Std  = [3]float64{0.2470, 0.2435, 0.2616}
)

func meanColour() [3]byte {
	var c [3]byte
	for i, m := range Mean {
		c[i] = byte(math.Round(m * 255))
	}
	return c
}

// input makes a batch's images normalised [N, 3, side, side] in channels-last
// order (which is the order of the bytes), and its labels [N].
func (r *run) input(b *dataset.Batch, side int) (x, y torch.Tensor) {
	n, s := int64(b.N), int64(side)
	raw := torch.FromSlice(b.Images, n, s, s, 3)
	x = raw.Permute([]int64{0, 3, 1, 2})
	x = x.CastTo(torch.Float)
	var scale, shift [3]float32 // (p/255 - mean)/std = p·scale + shift
	for i := range scale {
		scale[i] = float32(1 / (255 * Std[i]))
		shift[i] = float32(-Mean[i] / Std[i])
	}
	x = torch.Mul(x, torch.FromSlice(scale[:], 1, 3, 1, 1))
	x = torch.Add(x, torch.FromSlice(shift[:], 1, 3, 1, 1), 1)
	return x, torch.FromSlice(b.Labels, n)
}

// evaluate returns the mean loss and the accuracy on the test set, at the data's
// own size, in the precision of training.
func (r *run) evaluate() (loss, accuracy float64, err error) {
	loader, err := dataset.NewLoader(dataset.LoaderConfig{Source: r.test, BatchSize: 250})
	if err != nil {
		return 0, 0, err
	}
	defer loader.Close()
	r.net.Train(false)
	defer r.net.Train(true)
	var correct int64
	torch.NoGrad(func() {
		for {
			var b *dataset.Batch
			if b, err = loader.Next(context.Background()); err != nil {
				return
			}
			torch.Scope(func(func(torch.Tensor) torch.Tensor) {
				x, y := r.input(b, r.test.Height)
				r.autocast(func() {
					logits := r.net.Forward(x)
					l := torch.CrossEntropyLoss(logits, y, torch.Tensor{}, torch.ReduceSum, -100, 0)
					loss += l.Float64()
					correct += countCorrect(logits, y)
				})
			})
			b.Release()
		}
	})
	if !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	n := float64(r.test.Len())
	return loss / n, float64(correct) / n, nil
}

// meter adds up an epoch's figures.
type meter struct {
	start   time.Time
	lossSum float64
	correct int64
	images  int
	batches int
}

func newMeter() *meter { return &meter{start: time.Now()} }

func (m *meter) add(loss float64, correct int64, images int) {
	m.lossSum += loss
	m.correct += correct
	m.images += images
	m.batches++
}

func (m *meter) loss() float64     { return m.lossSum / float64(max(1, m.batches)) }
func (m *meter) accuracy() float64 { return float64(m.correct) / float64(max(1, m.images)) }
func (m *meter) rate() float64     { return float64(m.images) / time.Since(m.start).Seconds() }
