package models

import (
	"fmt"
	"reflect"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/nn/functional"
	"github.com/torchlit/torchlit/torch/nn/initializer"
)

// BasicBlockModule is a residual block of two convolutions: see BasicBlock.
type BasicBlockModule struct {
	nn.Module
	C1         *nn.Conv2dModule      `torch:"conv1"`
	C2         *nn.Conv2dModule      `torch:"conv2"`
	BN1, BN2   *nn.BatchNorm2dModule // bn1, bn2
	Downsample *nn.SequentialModule  // nil for the identity
}

// BasicBlock makes the block of ResNet18 and 34: two 3×3 convolutions to planes
// channels, the first of which strides. downsample brings the input to the shape of the
// output; nil hands it on. groups must be 1, baseWidth 64 and dilation 1.
func BasicBlock(inplanes, planes, stride int64, downsample *nn.SequentialModule,
	groups, baseWidth, dilation int64) *BasicBlockModule {
	if groups != 1 || baseWidth != 64 || dilation != 1 {
		panic(misuse("models.BasicBlock", "it knows groups of 1, a width of 64 and a dilation of 1 alone; use Bottleneck"))
	}
	b := &BasicBlockModule{
		C1:         conv(inplanes, planes, 3, stride, 1, 1),
		C2:         conv(planes, planes, 3, 1, 1, 1),
		BN1:        norm(planes),
		BN2:        norm(planes),
		Downsample: downsample,
	}
	b.Init(b)
	return b
}

// Forward runs the block.
func (b *BasicBlockModule) Forward(x torch.Tensor) torch.Tensor {
	out := functional.Relu(b.BN1.Forward(b.C1.Forward(x)), true)
	out = b.BN2.Forward(b.C2.Forward(out))
	return addShortcut(out, x, b.Downsample)
}

// BottleneckModule is a residual block of three convolutions: see Bottleneck.
type BottleneckModule struct {
	nn.Module
	C1            *nn.Conv2dModule      `torch:"conv1"`
	C2            *nn.Conv2dModule      `torch:"conv2"`
	C3            *nn.Conv2dModule      `torch:"conv3"`
	BN1, BN2, BN3 *nn.BatchNorm2dModule // bn1, bn2, bn3
	Downsample    *nn.SequentialModule  // nil for the identity
}

// Bottleneck makes the block of ResNet50: a 1×1 convolution to fewer channels, a 3×3
// one that strides, and a 1×1 one to 4·planes. groups and baseWidth are those of
// ResNeXt and Wide ResNet. downsample is as in BasicBlock.
func Bottleneck(inplanes, planes, stride int64, downsample *nn.SequentialModule,
	groups, baseWidth, dilation int64) *BottleneckModule {
	width := planes * baseWidth / 64 * groups
	b := &BottleneckModule{
		C1:         conv(inplanes, width, 1, 1, 1, 1),
		C2:         conv(width, width, 3, stride, groups, dilation),
		C3:         conv(width, 4*planes, 1, 1, 1, 1),
		BN1:        norm(width),
		BN2:        norm(width),
		BN3:        norm(4 * planes),
		Downsample: downsample,
	}
	b.Init(b)
	return b
}

// Forward runs the block.
func (b *BottleneckModule) Forward(x torch.Tensor) torch.Tensor {
	out := functional.Relu(b.BN1.Forward(b.C1.Forward(x)), true)
	out = functional.Relu(b.BN2.Forward(b.C2.Forward(out)), true)
	out = b.BN3.Forward(b.C3.Forward(out))
	return addShortcut(out, x, b.Downsample)
}

// addShortcut ends a block: it overwrites out.
func addShortcut(out, x torch.Tensor, downsample *nn.SequentialModule) torch.Tensor {
	if downsample != nil {
		x = downsample.Forward(x).(torch.Tensor)
	}
	return functional.Relu(out.AddI(x, 1), true)
}

// conv makes a convolution that keeps the size but for its stride.
func conv(in, out, kernel, stride, groups, dilation int64) *nn.Conv2dModule {
	return nn.Conv2d(in, out, kernel, stride, kernel/2*dilation, dilation, groups, false, "zeros")
}

func norm(channels int64) *nn.BatchNorm2dModule {
	return nn.BatchNorm2d(channels, 1e-5, 0.1, true, true)
}

// ResnetModule is a residual network for images: see Resnet.
type ResnetModule struct {
	nn.Module
	C1  *nn.Conv2dModule      `torch:"conv1"`
	BN1 *nn.BatchNorm2dModule // bn1
	L1  *nn.SequentialModule  `torch:"layer1"`
	L2  *nn.SequentialModule  `torch:"layer2"`
	L3  *nn.SequentialModule  `torch:"layer3"`
	L4  *nn.SequentialModule  `torch:"layer4"`
	FC  *nn.LinearModule

	Block                                 reflect.Type
	Inplanes, Groups, BaseWidth, Dilation int64
}

// Resnet makes a network of He et al., https://arxiv.org/abs/1512.03385, with the stem
// for ImageNet: 7×7 convolution, stride 2, max-pool. block is the type
// [BasicBlockModule] or [BottleneckModule], and layers are the blocks in each of the
// four stages. zeroInitResidual makes the last normalisation of each block begin at
// zero, so that training starts from the shortcuts alone. Convolutions are initialised
// as [nn.Conv2d] does.
func Resnet(block reflect.Type, layers []int64, numClasses int64, zeroInitResidual bool,
	groups, widthPerGroup int64) *ResnetModule {
	if len(layers) != 4 || min(layers[0], layers[1], layers[2], layers[3]) < 1 {
		panic(misuse("models.Resnet", "the layers are %v; give the number of blocks, one or more, of each of four stages", layers))
	}
	r := &ResnetModule{
		C1:    nn.Conv2d(3, 64, 7, 2, 3, 1, 1, false, "zeros"),
		BN1:   norm(64),
		FC:    nn.Linear(512*expansion(block), numClasses, true),
		Block: block, Inplanes: 64, Groups: groups, BaseWidth: widthPerGroup, Dilation: 1,
	}
	r.L1 = r.stage(64, layers[0], 1)
	r.L2 = r.stage(128, layers[1], 2)
	r.L3 = r.stage(256, layers[2], 2)
	r.L4 = r.stage(512, layers[3], 2)
	r.Init(r)
	if zeroInitResidual {
		for m := range nn.Modules(r) {
			switch m := m.(type) {
			case *BasicBlockModule:
				initializer.Zeros(&m.BN2.Weight)
			case *BottleneckModule:
				initializer.Zeros(&m.BN3.Weight)
			}
		}
	}
	return r
}

// Resnet18 makes a ResNet18 for the thousand classes of ImageNet.
func Resnet18() *ResnetModule {
	return Resnet(reflect.TypeFor[BasicBlockModule](), []int64{2, 2, 2, 2}, 1000, false, 1, 64)
}

// Resnet50 makes a ResNet50 for the thousand classes of ImageNet.
func Resnet50() *ResnetModule {
	return Resnet(reflect.TypeFor[BottleneckModule](), []int64{3, 4, 6, 3}, 1000, false, 1, 64)
}

// stage makes one of the four stages; its first block strides.
func (r *ResnetModule) stage(planes, blocks, stride int64) *nn.SequentialModule {
	out := planes * expansion(r.Block)
	var downsample *nn.SequentialModule
	if stride != 1 || r.Inplanes != out {
		downsample = nn.Sequential(conv(r.Inplanes, out, 1, stride, 1, 1), norm(out))
	}
	list := []nn.IModule{r.block(r.Inplanes, planes, stride, downsample)}
	for range blocks - 1 {
		list = append(list, r.block(out, planes, 1, nil))
	}
	r.Inplanes = out
	return nn.Sequential(list...)
}

func (r *ResnetModule) block(inplanes, planes, stride int64, downsample *nn.SequentialModule) nn.IModule {
	if r.Block == reflect.TypeFor[BasicBlockModule]() {
		return BasicBlock(inplanes, planes, stride, downsample, r.Groups, r.BaseWidth, r.Dilation)
	}
	return Bottleneck(inplanes, planes, stride, downsample, r.Groups, r.BaseWidth, r.Dilation)
}

// expansion is how many times its planes a block puts out.
func expansion(block reflect.Type) int64 {
	switch block {
	case reflect.TypeFor[BasicBlockModule]():
		return 1
	case reflect.TypeFor[BottleneckModule]():
		return 4
	}
	panic(misuse("models.Resnet", "no block is of type %v; use BasicBlockModule or BottleneckModule", block))
}

// Forward maps images [N, 3, H, W], normalised, to logits [N, classes].
func (r *ResnetModule) Forward(x torch.Tensor) (logits torch.Tensor) {
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		x := functional.Relu(r.BN1.Forward(r.C1.Forward(x)), true)
		x = functional.MaxPool2d(x, []int64{3, 3}, []int64{2, 2}, []int64{1, 1}, []int64{1, 1}, false)
		for _, stage := range []*nn.SequentialModule{r.L1, r.L2, r.L3, r.L4} {
			x = stage.Forward(x).(torch.Tensor)
		}
		x = functional.AdaptiveAvgPool2d(x, []int64{1, 1})
		logits = keep(r.FC.Forward(torch.Flatten(x, 1, -1)))
	})
	return logits
}

func misuse(op, format string, args ...any) *torch.Error {
	return &torch.Error{Op: op, Text: fmt.Sprintf(format, args...)}
}
