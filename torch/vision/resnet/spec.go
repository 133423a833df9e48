// Package resnet describes the networks of the ResNet family once, for those
// who train them, those who serve them and those who store them.
//
// A [Spec] is the description. [New] builds the trainable network from it; a
// serving engine folds [Spec.StemConvs] and [Spec.Blocks] into its steps. Tensors
// have the names that timm and torchvision give them. Architectures:
//
//   - ResNet: He et al., Deep Residual Learning, https://arxiv.org/abs/1512.03385, in
//     torchvision's variant, which strides in the 3×3 convolution of a bottleneck;
//   - C and D: He et al., Bag of Tricks, https://arxiv.org/abs/1812.01187;
//   - wide: Zagoruyko and Komodakis, https://arxiv.org/abs/1605.07146;
//   - ResNeXt: Xie et al., Aggregated Transformations, https://arxiv.org/abs/1611.05431.
package resnet

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// Stem is what comes before the first stage.
type Stem string

const (
	// ImageNetStem is a 7×7 convolution of stride 2 (in a C or D network three of
	// 3×3, the first of stride 2) and a 3×3 max-pool of stride 2.
	ImageNetStem Stem = ""
	// CIFARStem is for small images: a 3×3 convolution of stride 1 without a pool. A C
	// or D network keeps its three convolutions and does not stride in the first.
	CIFARStem Stem = "cifar"
)

// Spec describes a network.
type Spec struct {
	Architecture string // such as "resnet18"
	Bottleneck   bool   // blocks of three convolutions, else of two
	Layers       [4]int // blocks in each stage
	DeepStem     bool   // three 3×3 convolutions in the stem: C and D
	PoolShortcut bool   // shortcuts average before they convolve, instead of striding: D
	Groups       int64  // of the 3×3 convolution of a bottleneck; 0 means 1
	BaseWidth    int64  // channels of a group in the first stage; 0 means 64
	Stem         Stem
	NumClasses   int64
}

// Architectures lists the names that Describe knows, in alphabetical order.
func Architectures() []string { return slices.Sorted(maps.Keys(families())) }

// Describe returns the Spec of an architecture.
func Describe(architecture string, stem Stem, numClasses int64) (Spec, error) {
	s, ok := families()[architecture]
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
	Groups                           int64
}

// Block describes a residual block: relu(convs(x) + shortcut(x)), with a relu
// between the convolutions.
type Block struct {
	Stage    int // 1 to 4
	Convs    []Conv
	Shortcut *Conv // nil for the identity
	// Pool puts a 2×2 average pool of stride 2 before the shortcut's convolution. At
	// an odd edge it averages the pixels that are there.
	Pool bool
}

// StemConvs describes the convolutions before the first stage. A relu follows each.
func (s Spec) StemConvs() []Conv {
	stride := int64(2)
	if s.Stem == CIFARStem {
		stride = 1
	}
	switch {
	case s.DeepStem:
		return []Conv{
			{"conv1.0", "conv1.1", 3, 32, 3, stride, 1, 1},
			{"conv1.3", "conv1.4", 32, 32, 3, 1, 1, 1},
			{"conv1.6", "bn1", 32, 64, 3, 1, 1, 1},
		}
	case s.Stem == CIFARStem:
		return []Conv{{"conv1", "bn1", 3, 64, 3, 1, 1, 1}}
	}
	return []Conv{{"conv1", "bn1", 3, 64, 7, 2, 3, 1}}
}

// StemPool tells whether a 3×3 max-pool of stride 2 and padding 1 follows the
// stem's convolutions.
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
			b := s.block(prefix, in, width, stride)
			b.Stage = stage + 1
			blocks = append(blocks, b)
			in = width * s.expansion()
		}
	}
	return blocks
}

func (s Spec) block(prefix string, in, width, stride int64) Block {
	conv := func(i, in, out, kernel, stride, groups int64) Conv {
		n := strconv.FormatInt(i, 10)
		return Conv{prefix + ".conv" + n, prefix + ".bn" + n, in, out, kernel, stride, kernel / 2, groups}
	}
	out := width * s.expansion()
	var b Block
	if s.Bottleneck {
		groups, base := max(1, s.Groups), s.BaseWidth
		if base == 0 {
			base = 64
		}
		inner := width * base / 64 * groups
		b.Convs = []Conv{conv(1, in, inner, 1, 1, 1), conv(2, inner, inner, 3, stride, groups), conv(3, inner, out, 1, 1, 1)}
	} else {
		b.Convs = []Conv{conv(1, in, width, 3, stride, 1), conv(2, width, out, 3, 1, 1)}
	}
	switch {
	case stride == 1 && in == out:
	case s.PoolShortcut: // timm's first place is the pool's, even where there is none
		b.Pool = stride == 2
		b.Shortcut = &Conv{prefix + ".downsample.1", prefix + ".downsample.2", in, out, 1, 1, 0, 1}
	default:
		b.Shortcut = &Conv{prefix + ".downsample.0", prefix + ".downsample.1", in, out, 1, stride, 0, 1}
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
		list = append(list, Tensor{c.Conv + ".weight", []int64{c.Out, c.In / c.Groups, c.Kernel, c.Kernel}})
		for _, part := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
			list = append(list, Tensor{c.BN + part, []int64{c.Out}})
		}
	}
	for _, c := range s.StemConvs() {
		conv(c)
	}
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

// ownName is the pattern of all names that a network of the family has.
var ownName = regexp.MustCompile(`^(conv1|bn1|fc|layer[1-4]\.\d+\.(conv\d|bn\d|downsample))\.`)

// Owns is whether a name is one that a network of the family may have, so that weights
// with such a tensor are of a network that has it.
func Owns(name string) bool { return ownName.MatchString(name) }
