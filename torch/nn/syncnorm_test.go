package nn_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// twins is a group of two ranks that have the same batch. It runs no operators.
type twins struct{ fail error }

func (twins) Rank() int { return 1 }
func (twins) Size() int { return 2 }

func (g twins) AllReduce(tensors ...torch.Tensor) error {
	if g.fail != nil {
		return g.fail
	}
	for _, t := range tensors {
		data, err := distributed.Elements(t)
		if err != nil {
			return err
		}
		v := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(data))), len(data)/4)
		if t.Dim() == 2 { // the table: this rank's row is the second
			copy(v, v[len(v)/2:])
			continue
		}
		for i := range v {
			v[i] *= 2
		}
	}
	return nil
}

// A rank whose peer has the same batch computes what it would alone, but for the running
// variance, whose unbiased form depends on the number of images.
func TestSyncBatchNorm(t *testing.T) {
	torchtest.Need(t)
	f := func(name string, affine bool, dtype int8, channelsLast bool, shape []int64, delta float64) {
		t.Run(name, func(t *testing.T) {
			torchtest.NoLeak(t)
			run := func(sync bool) [][]float32 {
				torch.ManualSeed(7)
				norm := nn.BatchNorm2d(3, 1e-5, 0.1, affine, true)
				defer nn.Close(norm)
				if sync {
					stop, err := nn.ConvertSyncBatchNorm(norm, twins{})
					require.NoError(t, err)
					defer stop()
				}
				var got [][]float32
				torch.Scope(func(func(torch.Tensor) torch.Tensor) {
					if affine {
						torch.NoGrad(func() { norm.Weight.NormalI(1, 0.5); norm.Bias.NormalI(0, 0.5) })
					}
					x := torch.AddScalar(torch.MulScalar(torch.RandN(shape, false), 3), 100).To(torch.Device{}, dtype)
					if channelsLast {
						x = x.Contiguous(torch.ChannelsLast)
					}
					x.SetRequiresGrad(true)
					y := norm.Forward(x)
					weights := torch.RandN(shape, false).To(torch.Device{}, dtype)
					torch.Sum(torch.Mul(y, weights)).Backward()
					list := []torch.Tensor{y, x.Grad(), norm.RunningMean}
					if affine {
						list = append(list, norm.Weight.Grad(), norm.Bias.Grad())
					}
					for _, v := range list {
						got = append(got, floats(v))
					}
				})
				return got
			}
			want, got := run(false), run(true)
			for i := range want {
				require.Len(t, got[i], len(want[i]))
				largest := float64(slices.Max(want[i]))
				for j := range want[i] {
					require.InDelta(t, want[i][j], got[i][j], delta*math.Max(1, largest), "tensor %d, element %d", i, j)
				}
			}
		})
	}
	f("affine", true, torch.Float, false, []int64{4, 3, 5, 5}, 2e-4)
	f("plain", false, torch.Float, false, []int64{4, 3, 5, 5}, 2e-4)
	f("channels last", true, torch.Float, true, []int64{4, 3, 5, 5}, 2e-4)
	f("vectors", true, torch.Float, false, []int64{6, 3}, 2e-4)
	f("bfloat16", true, torch.BFloat16, true, []int64{4, 3, 5, 5}, 2e-2)
}

func floats(t torch.Tensor) []float32 {
	b := t.To(torch.Device{}, torch.Float).Contiguous(torch.ContiguousFormat).Bytes()
	return slices.Clone(unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4))
}

// The statistics are those of all ranks: with [0, 0] here and [4, 4] there, the mean is 2
// and the variance 4, unbiased 16/3.
type apart struct{ twins }

func (apart) AllReduce(tensors ...torch.Tensor) error {
	for _, t := range tensors {
		if t.Dim() == 2 {
			t.Write(asBytes([]float32{4, 0, 2, 0, 0, 2})) // mean, variance and count of each rank
		}
	}
	return nil
}

func asBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

func TestSyncBatchNormStatistics(t *testing.T) {
	torchtest.Need(t)
	norm := nn.BatchNorm1d(1, 0, 0.5, false, true)
	defer nn.Close(norm)
	stop, err := nn.ConvertSyncBatchNorm(norm, apart{})
	require.NoError(t, err)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		x := torch.Zeros([]int64{2, 1}, false)
		assert.Equal(t, []float32{-1, -1}, floats(norm.Forward(x)))
		assert.Equal(t, []float32{1}, floats(norm.RunningMean))
		assert.InDelta(t, 0.5+16./6, floats(norm.RunningVar)[0], 1e-6)
		norm.Train(false) // evaluation asks nobody
		assert.InDelta(t, -1/math.Sqrt(0.5+16./6), floats(norm.Forward(x))[0], 1e-6)
		norm.Train(true)
		stop()
		assert.Equal(t, []float32{1, -1}, floats(norm.Forward(torch.FromSlice([]float32{3, 1}, 2, 1))))
	})
}

func TestSyncBatchNormFails(t *testing.T) {
	torchtest.Need(t)
	norm := nn.BatchNorm2d(3, 1e-5, 0.1, true, true)
	defer nn.Close(norm)
	group := &failing{}
	stop, err := nn.ConvertSyncBatchNorm(norm, group)
	require.NoError(t, err)
	defer stop()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		x := torch.RandN([]int64{2, 3, 4, 4}, false)
		y := norm.Forward(x)
		group.fail = errors.New("lost rank 0")
		assert.ErrorContains(t, torch.Try(func() { torch.Sum(y).Backward() }), "lost rank 0")
		assert.ErrorContains(t, torch.Try(func() { norm.Forward(x) }), "cannot synchronise the statistics: lost rank 0")
		group.fail = nil
		assert.ErrorContains(t, torch.Try(func() { norm.Forward(torch.Empty([]int64{0, 3, 4, 4}, false)) }), "give every rank an image at least")
		again := torch.Sum(norm.Forward(x))
		err := torch.Try(func() { again.BackwardWith(torch.Tensor{}, true, true) })
		assert.ErrorContains(t, err, "gradient of a gradient")
	})
}

type failing struct{ twins }

func (g *failing) AllReduce(tensors ...torch.Tensor) error { return g.twins.AllReduce(tensors...) }
