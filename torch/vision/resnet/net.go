package resnet

import (
	"fmt"
	"math"
	"slices"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

// bnEps and bnMomentum are PyTorch's defaults, which all pretrained weights of
// the family were trained with.
const (
	bnEps      = 1e-5
	bnMomentum = 0.1
)

// Net is a trainable network. It belongs to one goroutine.
type Net struct {
	nn.Module
	Stem   []*ConvBN
	Blocks []*BlockModule
	FC     *nn.LinearModule

	spec   Spec
	frozen int // stages that Freeze holds
}

// ConvBN is a convolution and its batch normalisation.
type ConvBN struct {
	nn.Module
	Conv *nn.Conv2dModule
	BN   *nn.BatchNorm2dModule

	desc Conv
}

// BlockModule is a residual block.
type BlockModule struct {
	nn.Module
	Convs    []*ConvBN
	Shortcut *ConvBN // nil for the identity

	pool bool // before the shortcut: see Block.Pool
}

// New builds a network with fresh weights: convolutions Kaiming-normal by
// fan-out, as torchvision does, the classifier PyTorch's default, and the last
// normalisation of each block zero, so that training starts from an identity.
func New(spec Spec) *Net {
	net := &Net{spec: spec, FC: nn.Linear(spec.Features(), spec.NumClasses, true)}
	for _, c := range spec.StemConvs() {
		net.Stem = append(net.Stem, newConvBN(c))
	}
	for _, b := range spec.Blocks() {
		net.Blocks = append(net.Blocks, newBlock(b))
	}
	net.Init(net)
	return net
}

func newBlock(b Block) *BlockModule {
	m := &BlockModule{pool: b.Pool}
	for _, c := range b.Convs {
		m.Convs = append(m.Convs, newConvBN(c))
	}
	if b.Shortcut != nil {
		m.Shortcut = newConvBN(*b.Shortcut)
	}
	torch.NoGrad(func() { m.Convs[len(m.Convs)-1].BN.Weight.FillI(0) })
	m.Init(m)
	return m
}

func newConvBN(c Conv) *ConvBN {
	m := &ConvBN{
		Conv: nn.Conv2d(c.In, c.Out, c.Kernel, c.Stride, c.Padding, 1, c.Groups, false, "zeros"),
		BN:   nn.BatchNorm2d(c.Out, bnEps, bnMomentum, true, true),
		desc: c,
	}
	std := math.Sqrt(2 / float64(c.Out*c.Kernel*c.Kernel))
	torch.NoGrad(func() { m.Conv.Weight.NormalI(0, std) })
	m.Init(m)
	return m
}

// Spec returns what the network was built from.
func (n *Net) Spec() Spec { return n.spec }

// Forward maps images [N, 3, H, W], normalised, to logits [N, classes].
func (n *Net) Forward(x torch.Tensor) torch.Tensor {
	return n.FC.Forward(n.ForwardFeatures(x))
}

// ForwardFeatures maps images [N, 3, H, W], normalised, to the vectors
// [N, features] that the classifier sees.
func (n *Net) ForwardFeatures(x torch.Tensor) torch.Tensor {
	for _, c := range n.Stem {
		x = c.Forward(x).ReluI()
	}
	if n.spec.StemPool() {
		x = torch.MaxPool2d(x, []int64{3, 3}, []int64{2, 2}, []int64{1, 1}, []int64{1, 1}, false)
	}
	for _, b := range n.Blocks {
		x = b.Forward(x)
	}
	return torch.Flatten(torch.AdaptiveAvgPool2d(x, []int64{1, 1}), 1, -1)
}

// Forward runs the block.
func (b *BlockModule) Forward(x torch.Tensor) torch.Tensor {
	identity := x
	if b.Shortcut != nil {
		if b.pool {
			identity = torch.AvgPool2d(x, []int64{2, 2}, []int64{2, 2}, []int64{0, 0}, true, false)
		}
		identity = b.Shortcut.Forward(identity)
	}
	last := len(b.Convs) - 1
	for _, c := range b.Convs[:last] {
		x = c.Forward(x).ReluI()
	}
	x = b.Convs[last].Forward(x)
	return x.AddI(identity, 1).ReluI()
}

// Forward convolves and normalises.
func (c *ConvBN) Forward(x torch.Tensor) torch.Tensor { return c.BN.Forward(c.Conv.Forward(x)) }

// named lists the network's own tensors in the order of Spec.Tensors.
func (n *Net) named() []namedTensor {
	var list []namedTensor
	for _, c := range n.Stem {
		list = append(list, c.named()...)
	}
	for _, b := range n.Blocks {
		for _, c := range b.Convs {
			list = append(list, c.named()...)
		}
		if b.Shortcut != nil {
			list = append(list, b.Shortcut.named()...)
		}
	}
	return append(list, namedTensor{"fc.weight", n.FC.Weight}, namedTensor{"fc.bias", n.FC.Bias})
}

type namedTensor struct {
	name   string
	tensor torch.Tensor
}

func (c *ConvBN) named() []namedTensor {
	d := c.desc
	return []namedTensor{
		{d.Conv + ".weight", c.Conv.Weight},
		{d.BN + ".weight", c.BN.Weight}, {d.BN + ".bias", c.BN.Bias},
		{d.BN + ".running_mean", c.BN.RunningMean}, {d.BN + ".running_var", c.BN.RunningVar},
	}
}

// StateDict returns the network's tensors by timm's names, borrowed.
func (n *Net) StateDict() map[string]torch.Tensor {
	state := map[string]torch.Tensor{}
	for _, e := range n.named() {
		state[e.name] = e.tensor
	}
	return state
}

// SetStateDict copies values in by timm's names. Names that the network does not
// have are passed over; one that is missing or has another shape is an error,
// and then nothing is copied.
func (n *Net) SetStateDict(state map[string]torch.Tensor) error {
	for _, e := range n.named() {
		value, ok := state[e.name]
		if !ok {
			return fmt.Errorf("cannot load %s: tensor %q is missing", n.spec.Architecture, e.name)
		}
		if want, got := e.tensor.Shape(), value.Shape(); !slices.Equal(want, got) {
			return fmt.Errorf("cannot load %s: tensor %q has shape %v, want %v", n.spec.Architecture, e.name, got, want)
		}
	}
	torch.NoGrad(func() {
		for _, e := range n.named() {
			e.tensor.CopyI(state[e.name])
		}
	})
	return nil
}

// ToChannelsLast lays the convolutions' weights out as convolutions on
// channels-last images want them. The values stay the same.
func (n *Net) ToChannelsLast() {
	torch.NoGrad(func() {
		for _, e := range n.named() {
			if e.tensor.Dim() == 4 {
				laid := e.tensor.Contiguous(torch.ChannelsLast)
				e.tensor.SetData(laid)
				laid.Close()
			}
		}
	})
}

// Close frees the network's tensors.
func (n *Net) Close() {
	for _, e := range n.named() {
		e.tensor.Close()
	}
}
