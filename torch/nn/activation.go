package nn

import "github.com/torchlit/torchlit/torch"

// ReLU makes a layer of max(0, x). Functional(torch.Tensor.ReluI) is the one that
// overwrites its input.
func ReLU() *FunctionalModule { return Functional(torch.Relu) }

// LeakyReLU makes a layer of x where it is positive and slope·x elsewhere. PyTorch's
// default slope is 0.01.
func LeakyReLU(slope float64) *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.LeakyRelu(x, slope) })
}

// ELU makes a layer of x where it is positive and alpha·(eˣ - 1) elsewhere. PyTorch's
// default alpha is 1.
func ELU(alpha float64) *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.Elu(x, alpha) })
}

// GELU makes a layer of x·Φ(x), Φ being the normal distribution's function.
// approximate is "none" or "tanh".
func GELU(approximate string) *FunctionalModule {
	if approximate != "none" && approximate != "tanh" {
		panic(misuse("nn.GELU", "the approximation is %q; use none or tanh", approximate))
	}
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.Gelu(x, approximate) })
}

// SiLU makes a layer of x·σ(x).
func SiLU() *FunctionalModule { return Functional(torch.Silu) }

// Mish makes a layer of x·tanh(softplus(x)).
func Mish() *FunctionalModule { return Functional(torch.Mish) }

// Hardswish makes a layer of x·relu6(x + 3)/6.
func Hardswish() *FunctionalModule { return Functional(torch.Hardswish) }

// Sigmoid makes a layer of 1/(1 + e⁻ˣ).
func Sigmoid() *FunctionalModule { return Functional(torch.Sigmoid) }

// Tanh makes a layer of the hyperbolic tangent.
func Tanh() *FunctionalModule { return Functional(torch.Tanh) }

// Softplus makes a layer of log(1 + e^(beta·x))/beta, and of x itself where beta·x is
// above threshold. PyTorch's defaults are 1 and 20.
func Softplus(beta, threshold float64) *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.Softplus(x, beta, threshold) })
}

// Softmax makes a layer of probabilities along dim.
func Softmax(dim int64) *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.Softmax(x, dim) })
}

// LogSoftmax makes a layer of the logarithms of probabilities along dim. A negative dim
// counts from the end.
func LogSoftmax(dim int64) *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.LogSoftmax(x, dim) })
}

// PReLUModule is a LeakyReLU whose slope is learned: see PReLU.
type PReLUModule struct {
	Module
	Weight torch.Tensor // [n]
}

// PReLU makes a LeakyReLU with a learned slope for each of n channels, or, when n is 1,
// for all. They begin at init; PyTorch's defaults are 1 and 0.25.
func PReLU(n int64, init float64) *PReLUModule {
	p := &PReLUModule{Weight: torch.FullWith([]int64{n}, init, torch.Options{RequiresGrad: true})}
	p.Init(p)
	return p
}

// Forward maps x [N, C, ...].
func (p *PReLUModule) Forward(x torch.Tensor) torch.Tensor { return torch.Prelu(x, p.Weight) }
