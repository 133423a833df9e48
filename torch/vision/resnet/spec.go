// Package resnet describes the networks of the ResNet family once, for those
// who train them, those who serve them and those who store them.
//
// A [Spec] is the description. [New] builds the trainable network from it; a
// serving engine folds [Spec.StemConv] and [Spec.Blocks] into its steps. Tensors
// have the names that timm and torchvision give them. Architecture: He et al.,
// Deep Residual Learning, https://arxiv.org/abs/1512.03385, in torchvision's
// variant, which strides in the 3×3 convolution of a bottleneck.
package resnet

import (
	"fmt"
	"slices"
	"strconv"
)

// Stem is what comes before the first stage.
type Stem string

const (
	// ImageNetStem is a 7×7 convolution of stride 2 and a 3×3 max-pool of stride 2.
	ImageNetStem Stem = ""
	// CIFARStem is a 3×3 convolution of stride 1 without a pool, for small images.
	CIFARStem Stem = "cifar"
)

// Spec describes a network.
type Spec struct {
	Architecture string // such as "resnet18"
	Bottleneck   bool   // blocks of three convolutions, else of two
	Layers       [4]int // blocks in each stage
	Stem         Stem
	NumClasses   int64
}

var families = map[string]Spec{
	"resnet18": {Layers: [4]int{2, 2, 2, 2}},
	"resnet34": {Layers: [4]int{3, 4, 6, 3}},
	"resnet50": {Layers: [4]int{3, 4, 6, 3}, Bottleneck: true},
}

// Architectures lists the names that Describe knows.
func Architectures() []string {
	var names []string
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Describe returns the Spec of an architecture.
func Describe(architecture string, stem Stem, numClasses int64) (Spec, error) {
	s, ok := families[architecture]
	if !ok {
		return Spec{}, fmt.Errorf("cannot build architecture %q: known are %q", architecture, Architectures())
	}
	if stem != ImageNetStem && stem != CIFARStem {
		return Spec{}, fmt.Errorf("cannot build a stem %q: use %q, or nothing for the ImageNet stem", stem, CIFARStem)
	}
	if numClasses < 1 {
		return Spec{}, fmt.Errorf("cannot build a network of %d classes: give at least 1", numClasses)
	}
	s.Architecture, s.Stem, s.NumClasses = architecture, stem, numClasses
	return s, nil
}

// Conv describes a convolution without bias and the batch normalisation behind
// it, by the names of their tensors: Conv+".weight", BN+".weight", ".bias",
// ".running_mean", ".running_var".
type Conv struct {
	Conv, BN                         string
	In, Out, Kernel, Stride, Padding int64
}

// Block describes a residual block: relu(convs(x) + shortcut(x)), with a relu
// between the convolutions.
type Block struct {
	Convs    []Conv
	Shortcut *Conv // nil for the identity
}

// StemConv describes the first convolution.
func (s Spec) StemConv() Conv {
	c := Conv{Conv: "conv1", BN: "bn1", In: 3, Out: 64, Kernel: 7, Stride: 2, Padding: 3}
	if s.Stem == CIFARStem {
		c.Kernel, c.Stride, c.Padding = 3, 1, 1
	}
	return c
}

// StemPool tells whether a 3×3 max-pool of stride 2 and padding 1 follows the
// first convolution.
func (s Spec) StemPool() bool { return s.Stem == ImageNetStem }

// Features is the length of the vector that the classifier "fc" sees: the
// channels of the last stage, averaged over the image.
func (s Spec) Features() int64 { return 512 * s.expansion() }

func (s Spec) expansion() int64 {
	if s.Bottleneck {
		return 4
	}
	return 1
}

// Blocks describes all residual blocks in order.
func (s Spec) Blocks() []Block {
	var blocks []Block
	in := int64(64)
	for stage, n := range s.Layers {
		width := int64(64) << stage
		for i := range n {
			stride := int64(1)
			if stage > 0 && i == 0 {
				stride = 2
			}
			prefix := "layer" + strconv.Itoa(stage+1) + "." + strconv.Itoa(i)
			blocks = append(blocks, s.block(prefix, in, width, stride))
			in = width * s.expansion()
		}
	}
	return blocks
}

func (s Spec) block(prefix string, in, width, stride int64) Block {
	conv := func(i, in, out, kernel, stride int64) Conv {
		n := strconv.FormatInt(i, 10)
		return Conv{prefix + ".conv" + n, prefix + ".bn" + n, in, out, kernel, stride, kernel / 2}
	}
	out := width * s.expansion()
	var b Block
	if s.Bottleneck {
		b.Convs = []Conv{conv(1, in, width, 1, 1), conv(2, width, width, 3, stride), conv(3, width, out, 1, 1)}
	} else {
		b.Convs = []Conv{conv(1, in, width, 3, stride), conv(2, width, out, 3, 1)}
	}
	if stride != 1 || in != out {
		b.Shortcut = &Conv{prefix + ".downsample.0", prefix + ".downsample.1", in, out, 1, stride, 0}
	}
	return b
}

// Tensor is the name and shape of a tensor in a state dict.
type Tensor struct {
	Name  string
	Shape []int64
}

// Tensors lists every tensor that the network needs, in the order of the
// network, without the step counters ("num_batches_tracked") that PyTorch adds.
func (s Spec) Tensors() []Tensor {
	var list []Tensor
	conv := func(c Conv) {
		list = append(list, Tensor{c.Conv + ".weight", []int64{c.Out, c.In, c.Kernel, c.Kernel}})
		for _, part := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
			list = append(list, Tensor{c.BN + part, []int64{c.Out}})
		}
	}
	conv(s.StemConv())
	for _, b := range s.Blocks() {
		for _, c := range b.Convs {
			conv(c)
		}
		if b.Shortcut != nil {
			conv(*b.Shortcut)
		}
	}
	return append(list,
		Tensor{"fc.weight", []int64{s.NumClasses, s.Features()}},
		Tensor{"fc.bias", []int64{s.NumClasses}})
}
