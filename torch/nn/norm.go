package nn

import (
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn/functional"
)

// BatchNorm2dModule normalises by channel: see BatchNorm2d.
type BatchNorm2dModule struct {
	Module
	NumFeatures       int64
	Eps               float64
	Momentum          float64
	Affine            bool
	TrackRunningStats bool
	Weight            torch.Tensor // [C]; the zero Tensor when not affine
	Bias              torch.Tensor // [C]; the zero Tensor when not affine
	RunningMean       torch.Tensor `gotorch:"buffer"` // [C]; the zero Tensor when not tracking
	RunningVar        torch.Tensor `gotorch:"buffer"` // [C]; the zero Tensor when not tracking

	sync *batchSync // nil: by this process's batches; see ConvertSyncBatchNorm
}

// BatchNorm1dModule is what BatchNorm1d makes: the arithmetic is that of BatchNorm2d.
type BatchNorm1dModule = BatchNorm2dModule

// BatchNorm2d makes a batch normalisation over numFeatures channels. affine adds a
// learned scale and shift. trackRunningStats keeps running statistics, which move
// towards each batch's by momentum, for evaluation. PyTorch's defaults are eps 1e-5,
// momentum 0.1, true and true.
func BatchNorm2d(numFeatures int64, eps, momentum float64, affine, trackRunningStats bool) *BatchNorm2dModule {
	b := &BatchNorm2dModule{
		NumFeatures: numFeatures, Eps: eps, Momentum: momentum,
		Affine: affine, TrackRunningStats: trackRunningStats,
	}
	if affine {
		b.Weight, b.Bias = scaleAndShift([]int64{numFeatures})
	}
	if trackRunningStats {
		b.RunningMean = torch.Zeros([]int64{numFeatures}, false)
		b.RunningVar = torch.Ones([]int64{numFeatures}, false)
	}
	b.Init(b)
	return b
}

// BatchNorm1d is BatchNorm2d for vectors [N, C] and sequences [N, C, L].
func BatchNorm1d(numFeatures int64, eps, momentum float64, affine, trackRunningStats bool) *BatchNorm1dModule {
	return BatchNorm2d(numFeatures, eps, momentum, affine, trackRunningStats)
}

// Forward normalises x [N, C, ...], by the batch's own statistics in training or when
// there are no others.
func (b *BatchNorm2dModule) Forward(x torch.Tensor) torch.Tensor {
	if b.sync != nil && b.IsTraining() {
		return b.sync.forward(b, x)
	}
	byBatch := b.IsTraining() || b.RunningMean.T == nil
	return functional.BatchNorm(x, b.RunningMean, b.RunningVar, b.Weight, b.Bias, byBatch, b.Momentum, b.Eps)
}

// scaleAndShift makes the parameters of an affine normalisation: ones and zeros.
func scaleAndShift(shape []int64) (weight, bias torch.Tensor) {
	return torch.Ones(shape, true), torch.Zeros(shape, true)
}

// NormOptions are the optional settings of a normalisation. The zero value is
// PyTorch's defaults.
type NormOptions struct {
	Eps      float64 // 0 for 1e-5
	NoAffine bool    // without learned scale and shift
	NoBias   bool    // without learned shift; of LayerNorm alone
}

func (o NormOptions) eps() float64 {
	if o.Eps == 0 {
		return 1e-5
	}
	return o.Eps
}

// GroupNormModule normalises groups of channels: see GroupNorm.
type GroupNormModule struct {
	Module
	NumGroups int64
	Eps       float64
	Weight    torch.Tensor // [C]; the zero Tensor when not affine
	Bias      torch.Tensor // [C]; the zero Tensor when not affine
}

// GroupNorm makes a layer that normalises each sample by groups of its channels.
func GroupNorm(groups, channels int64, o NormOptions) *GroupNormModule {
	if groups < 1 || channels%groups != 0 {
		panic(misuse("nn.GroupNorm", "%d channels do not fall into %d groups; give a divisor", channels, groups))
	}
	g := &GroupNormModule{NumGroups: groups, Eps: o.eps()}
	if !o.NoAffine {
		g.Weight, g.Bias = scaleAndShift([]int64{channels})
	}
	g.Init(g)
	return g
}

// Forward normalises x [N, C, ...].
func (g *GroupNormModule) Forward(x torch.Tensor) torch.Tensor {
	return torch.GroupNorm(x, g.NumGroups, g.Weight, g.Bias, g.Eps)
}

// LayerNormModule normalises over the last dimensions: see LayerNorm.
type LayerNormModule struct {
	Module
	Shape  []int64
	Eps    float64
	Weight torch.Tensor // of Shape; the zero Tensor when not affine
	Bias   torch.Tensor // of Shape; the zero Tensor when not affine, or without bias
}

// LayerNorm makes a layer that normalises over the last dimensions of its input, whose
// sizes are shape.
func LayerNorm(shape []int64, o NormOptions) *LayerNormModule {
	l := &LayerNormModule{Shape: shape, Eps: o.eps()}
	if !o.NoAffine {
		l.Weight = torch.Ones(shape, true)
	}
	if !o.NoAffine && !o.NoBias {
		l.Bias = torch.Zeros(shape, true)
	}
	l.Init(l)
	return l
}

// Forward normalises x [..., shape...].
func (l *LayerNormModule) Forward(x torch.Tensor) torch.Tensor {
	return torch.LayerNorm(x, l.Shape, l.Weight, l.Bias, l.Eps)
}

// RMSNormModule divides by the root of the mean square: see RMSNorm.
type RMSNormModule struct {
	Module
	Shape  []int64
	Eps    float64      // 0 for the machine epsilon of float32
	Weight torch.Tensor // of Shape; the zero Tensor when not affine
}

// RMSNorm makes a layer that divides by the root of the mean square over the last
// dimensions of its input, whose sizes are shape. Here an Eps of 0 stands, as in
// PyTorch, for the machine epsilon of float32.
func RMSNorm(shape []int64, o NormOptions) *RMSNormModule {
	r := &RMSNormModule{Shape: shape, Eps: o.Eps}
	if !o.NoAffine {
		r.Weight = torch.Ones(shape, true)
	}
	r.Init(r)
	return r
}

// Forward normalises x [..., shape...].
func (r *RMSNormModule) Forward(x torch.Tensor) torch.Tensor {
	eps := r.Eps
	if eps == 0 {
		eps = 0x1p-23
	}
	return torch.RMSNorm(x, r.Shape, r.Weight, eps)
}

// InstanceNorm2dModule normalises each channel of each sample: see InstanceNorm2d.
type InstanceNorm2dModule struct {
	Module
	Eps         float64
	Momentum    float64
	Weight      torch.Tensor // [C]; the zero Tensor when not affine
	Bias        torch.Tensor // [C]; the zero Tensor when not affine
	RunningMean torch.Tensor `gotorch:"buffer"` // [C]; the zero Tensor when not tracking
	RunningVar  torch.Tensor `gotorch:"buffer"` // [C]; the zero Tensor when not tracking
}

// InstanceNormOptions are the optional settings of an InstanceNorm2d. The zero value is
// PyTorch's defaults.
type InstanceNormOptions struct {
	Eps               float64 // 0 for 1e-5
	Momentum          float64 // 0 for 0.1
	Affine            bool    // with learned scale and shift
	TrackRunningStats bool    // evaluate with running statistics
}

// InstanceNorm2d makes a layer that normalises each channel of each sample.
func InstanceNorm2d(channels int64, o InstanceNormOptions) *InstanceNorm2dModule {
	n := &InstanceNorm2dModule{Eps: NormOptions{Eps: o.Eps}.eps(), Momentum: o.Momentum}
	if n.Momentum == 0 {
		n.Momentum = 0.1
	}
	if o.Affine {
		n.Weight, n.Bias = scaleAndShift([]int64{channels})
	}
	if o.TrackRunningStats {
		n.RunningMean = torch.Zeros([]int64{channels}, false)
		n.RunningVar = torch.Ones([]int64{channels}, false)
	}
	n.Init(n)
	return n
}

// Forward normalises x [N, C, H, W].
func (n *InstanceNorm2dModule) Forward(x torch.Tensor) torch.Tensor {
	ownStats := n.IsTraining() || n.RunningMean.T == nil
	return torch.InstanceNorm(x, n.Weight, n.Bias, n.RunningMean, n.RunningVar, ownStats, n.Momentum, n.Eps)
}
