package predict

import (
	"fmt"

	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// slots is how many activations a residual network needs at once: the block's
// input, the shortcut's result, and two for the block's convolutions in turn.
const slots = 4

// program is the description of a ResNet as steps of an engine.
type program struct {
	weights Weights
	steps   []engine.Step
	err     error
}

// compile walks the description once, folding as it goes.
func compile(spec resnet.Spec, w Weights) ([]engine.Step, error) {
	p := program{weights: w}
	x := 0
	for _, c := range spec.StemConvs() {
		p.conv(c, x, engine.NoSlot, (x+1)%slots, true)
		x = (x + 1) % slots
	}
	if spec.StemPool() {
		p.steps = append(p.steps, engine.Step{
			Name: "maxpool", Kind: engine.MaxPool, Input: x, Residual: engine.NoSlot, Output: (x + 1) % slots,
			Kernel: 3, Stride: 2, Padding: 1,
		})
		x = (x + 1) % slots
	}
	for _, b := range spec.Blocks() {
		x = p.block(b, x)
	}
	p.linear(spec, x)
	if p.err != nil {
		return nil, fmt.Errorf("cannot build %s: %w", spec.Architecture, p.err)
	}
	return p.steps, nil
}

// block appends a residual block that reads slot x, and returns the slot of its
// result. The last convolution adds the identity and overwrites it, so the
// result lies where the identity was.
func (p *program) block(b resnet.Block, x int) int {
	identity := x
	if b.Shortcut != nil {
		identity = (x + 1) % slots
		in := x
		if b.Pool {
			p.steps = append(p.steps, engine.Step{
				Name: b.Shortcut.Conv + " (pool)", Kind: engine.AvgPool, Input: x, Residual: engine.NoSlot, Output: identity,
				Kernel: 2, Stride: 2,
			})
			in = identity
		}
		p.conv(*b.Shortcut, in, engine.NoSlot, identity, false)
	}
	last := len(b.Convs) - 1
	in := x
	for i, c := range b.Convs[:last] {
		out := (x + 2 + i%2) % slots
		p.conv(c, in, engine.NoSlot, out, true)
		in = out
	}
	p.conv(b.Convs[last], in, identity, identity, true)
	return identity
}

func (p *program) conv(c resnet.Conv, in, residual, out int, relu bool) {
	if p.err != nil {
		return
	}
	weight, bias, err := fold(p.weights, c)
	p.err = err
	p.steps = append(p.steps, engine.Step{
		Name: c.Conv, Kind: engine.Conv, Input: in, Residual: residual, Output: out,
		Kernel: c.Kernel, Stride: c.Stride, Padding: c.Padding, Groups: c.Groups, Relu: relu,
		Weight: weight, Bias: bias, Out: c.Out, In: c.In,
	})
}

// appendEmbedding has the linear layer, which is the last step, pass on what it reads: below
// its weights comes the identity, so that the input follows the logits. It returns the
// input's length.
//
// A second result of the engine would spare the products with zeros. But those are a
// thousandth of the network's, and this way the embedding comes by every path that logits come by,
// on every device.
func appendEmbedding(steps []engine.Step) int {
	s := &steps[len(steps)-1]
	identity := make([]float32, s.In*s.In)
	for i := int64(0); i < s.In; i++ {
		identity[i*s.In+i] = 1
	}
	s.Weight = append(s.Weight, identity...)
	s.Bias = append(s.Bias, make([]float32, s.In)...)
	s.Out += s.In
	return int(s.In)
}

func (p *program) linear(spec resnet.Spec, in int) {
	if p.err != nil {
		return
	}
	r := reader{w: p.weights}
	s := engine.Step{
		Name: "fc", Kind: engine.PoolLinear, Input: in, Residual: engine.NoSlot,
		Weight: r.read("fc.weight", spec.NumClasses, spec.Features()),
		Bias:   r.read("fc.bias", spec.NumClasses),
		Out:    spec.NumClasses, In: spec.Features(),
	}
	p.err = r.err
	p.steps = append(p.steps, s)
}
