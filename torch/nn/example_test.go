package nn_test

import (
	"fmt"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/nn/initializer"
)

// Perceptron is a module of one's own.
type Perceptron struct {
	nn.Module
	FC1, FC2 *nn.LinearModule
}

func NewPerceptron() *Perceptron {
	p := &Perceptron{FC1: nn.Linear(4, 8, true), FC2: nn.Linear(8, 3, true)}
	p.Init(p)
	return p
}

func (p *Perceptron) Forward(x torch.Tensor) torch.Tensor {
	return p.FC2.Forward(torch.Relu(p.FC1.Forward(x)))
}

func ExampleModule() {
	p := NewPerceptron()
	defer nn.Close(p)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		x := torch.RandN([]int64{2, 4}, false)
		fmt.Println(p.Forward(x).Shape())
	})
	fmt.Println(len(p.Parameters()), "parameters")
	fmt.Println(p.StateDict()["Perceptron.FC1.Weight"].Shape())
	fmt.Println(nn.TorchStateDict(p)["fc1.weight"].Shape())
	// Output:
	// [2 3]
	// 4 parameters
	// [8 4]
	// [8 4]
}

func ExampleSequential() {
	net := nn.Sequential(
		nn.Linear(4, 8, true),
		nn.Functional(torch.Tanh),
		nn.Linear(8, 3, true),
	)
	defer nn.Close(net)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		y := net.Forward(torch.RandN([]int64{2, 4}, false)).(torch.Tensor)
		fmt.Println(y.Shape())
	})
	// Output: [2 3]
}

func ExampleChain() {
	net := nn.Chain(
		nn.Conv2d(3, 8, 3, 1, 1, 1, 1, true, "reflect"),
		nn.GroupNorm(2, 8, nn.NormOptions{}),
		nn.SiLU(),
		nn.MaxPool2d(2, nn.PoolOptions{}),
		nn.Dropout(0.1),
		nn.Flatten(1, -1),
	)
	defer nn.Close(net)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		fmt.Println(net.Forward(torch.RandN([]int64{2, 3, 16, 16}, false)).Shape())
	})
	// Output: [2 512]
}

func ExampleMultiheadAttention() {
	attention := nn.MultiheadAttention(16, 4, nn.AttentionOptions{BatchFirst: true})
	defer nn.Close(attention)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		x := torch.RandN([]int64{2, 5, 16}, false)
		future := torch.Triu(torch.OnesWith([]int64{5, 5}, torch.Options{DType: torch.DType(torch.Bool)}), 1)
		y, weights := attention.Forward(x, x, x, nn.AttentionInput{Mask: future, Weights: true})
		fmt.Println(y.Shape(), weights.Shape())
		fmt.Println("the first looks at itself:", weights.Index(0, 0, 0).Float64())
	})
	// Output:
	// [2 5 16] [2 5 5]
	// the first looks at itself: 1
}

func ExampleCrossEntropyLoss() {
	initializer.ManualSeed(1)
	net := NewPerceptron()
	defer nn.Close(net)
	loss := nn.CrossEntropyLoss(nn.ClassLossOptions{LabelSmoothing: 0.1})
	opt := torch.SGD(0.1, 0.9, 0, 0, false)
	defer opt.Close()
	opt.AddParameters(net.Parameters())

	var first, last float64
	for step := range 20 {
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			l := loss.Forward(net.Forward(torch.Eye(3, 4, false)), torch.FromSlice([]int64{0, 1, 2}, 3))
			opt.ZeroGrad()
			l.Backward()
			opt.Step()
			last = l.Float64()
			if step == 0 {
				first = last
			}
		})
	}
	fmt.Println("the loss has fallen:", last < 0.8*first)
	// Output: the loss has fallen: true
}

func ExampleSetTorchStateDict() {
	// In Python: safetensors.torch.save_file(model.state_dict(), "net.safetensors")
	state := torch.LoadSafetensors("testdata/net.safetensors")
	fmt.Println(state["fc.weight"].Shape())
	net := newPyNet()
	defer nn.Close(net)
	fmt.Println(nn.SetTorchStateDict(net, state))
	for _, t := range state {
		t.Close()
	}
	// Output:
	// [2 6]
	// <nil>
}
