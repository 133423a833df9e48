// Package initializer sets the first values of parameters, with gotorch's names and a
// few more of PyTorch's torch.nn.init.
//
// All functions overwrite the tensor that they are handed, without recording that for
// Backward, and panic with a [*torch.Error] when it is nil, closed or of a wrong
// shape; beside each one that draws by shape stands a Try form that returns an error.
// With the same seed the numbers are those of PyTorch.
package initializer

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/torch"
)

// ManualSeed seeds the random numbers of all devices.
func ManualSeed(seed int64) { torch.ManualSeed(uint64(seed)) }

// Zeros sets all elements to 0.
func Zeros(a *torch.Tensor) {
	overwrite("Zeros", a, func(t torch.Tensor) { t.FillI(0) })
}

// Ones sets all elements to 1.
func Ones(a *torch.Tensor) {
	overwrite("Ones", a, func(t torch.Tensor) { t.FillI(1) })
}

// Uniform draws from the uniform distribution in [low, high).
func Uniform(a *torch.Tensor, low, high float64) {
	overwrite("Uniform", a, func(t torch.Tensor) { t.UniformI(low, high) })
}

// Normal draws from the normal distribution.
func Normal(a *torch.Tensor, mean, std float64) {
	overwrite("Normal", a, func(t torch.Tensor) { t.NormalI(mean, std) })
}

// TruncNormal draws from the normal distribution, and only values in [low, high].
func TruncNormal(a *torch.Tensor, mean, std, low, high float64) {
	// The distribution function maps [low, high] to a range of probabilities. Uniform
	// numbers in that range, mapped back, are normal and inside.
	probability := func(x float64) float64 { return (1 + math.Erf((x-mean)/std/math.Sqrt2)) / 2 }
	overwrite("TruncNormal", a, func(t torch.Tensor) {
		t.UniformI(2*probability(low)-1, 2*probability(high)-1)
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x := torch.Erfinv(t).MulScalar(std * math.Sqrt2).AddScalar(mean)
			t.CopyI(torch.Clamp(x, low, high))
		})
	})
}

// KaimingUniform draws from the uniform distribution whose spread keeps the variance of
// the signal through layers with that non-linearity: He et al.,
// https://arxiv.org/abs/1502.01852. fanMode is "fan_in", which keeps that of the
// forward pass, or "fan_out", of the backward pass. nonLinearity is one of [Gain]'s,
// and a the slope of "leaky_relu".
func KaimingUniform(input *torch.Tensor, a float64, fanMode string, nonLinearity string) {
	overwrite("KaimingUniform", input, func(t torch.Tensor) {
		bound := math.Sqrt(3) * kaimingStd(t, a, fanMode, nonLinearity)
		drawUniform(t, bound)
	})
}

// TryKaimingUniform is KaimingUniform with an error for its panic.
func TryKaimingUniform(input *torch.Tensor, a float64, fanMode string, nonLinearity string) error {
	return torch.Try(func() { KaimingUniform(input, a, fanMode, nonLinearity) })
}

// KaimingNormal is KaimingUniform with a normal distribution.
func KaimingNormal(input *torch.Tensor, a float64, fanMode string, nonLinearity string) {
	overwrite("KaimingNormal", input, func(t torch.Tensor) {
		t.NormalI(0, kaimingStd(t, a, fanMode, nonLinearity))
	})
}

// TryKaimingNormal is KaimingNormal with an error for its panic.
func TryKaimingNormal(input *torch.Tensor, a float64, fanMode string, nonLinearity string) error {
	return torch.Try(func() { KaimingNormal(input, a, fanMode, nonLinearity) })
}

// XavierUniform draws from the uniform distribution whose spread balances the variance
// of the forward and the backward pass: Glorot and Bengio, Understanding the difficulty
// of training deep feedforward neural networks. gain is that of the non-linearity.
func XavierUniform(input *torch.Tensor, gain float64) {
	overwrite("XavierUniform", input, func(t torch.Tensor) { drawUniform(t, math.Sqrt(3)*xavierStd(t, gain)) })
}

// TryXavierUniform is XavierUniform with an error for its panic.
func TryXavierUniform(input *torch.Tensor, gain float64) error {
	return torch.Try(func() { XavierUniform(input, gain) })
}

// XavierNormal is XavierUniform with a normal distribution.
func XavierNormal(input *torch.Tensor, gain float64) {
	overwrite("XavierNormal", input, func(t torch.Tensor) { t.NormalI(0, xavierStd(t, gain)) })
}

// TryXavierNormal is XavierNormal with an error for its panic.
func TryXavierNormal(input *torch.Tensor, gain float64) error {
	return torch.Try(func() { XavierNormal(input, gain) })
}

// Orthogonal makes the rows, or the columns when there are fewer, orthogonal to each
// other and gain long: Saxe et al., https://arxiv.org/abs/1312.6120. Dimensions after
// the first are seen as one.
func Orthogonal(input *torch.Tensor, gain float64) {
	overwrite("Orthogonal", input, func(t torch.Tensor) {
		shape := t.Shape()
		if len(shape) < 2 {
			panic(misuse("Orthogonal", "it takes a tensor of two dimensions or more, not %d", len(shape)))
		}
		if t.Numel() == 0 {
			return
		}
		rows := shape[0]
		cols := t.Numel() / rows
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			o := torch.Options{DType: torch.DType(t.Dtype()), Device: t.Device()}
			flat := torch.EmptyWith([]int64{rows, cols}, o).NormalI(0, 1)
			if rows < cols {
				flat = flat.Transpose(0, 1)
			}
			q, r := torch.QR(flat)
			// The signs of r's diagonal are the algorithm's choice; without them, q is
			// uniform among orthogonal matrices.
			q = q.Mul(torch.Sign(torch.Diag(r, 0)))
			if rows < cols {
				q = q.Transpose(0, 1)
			}
			t.CopyI(torch.Reshape(q, shape...).MulScalar(gain))
		})
	})
}

// TryOrthogonal is Orthogonal with an error for its panic.
func TryOrthogonal(input *torch.Tensor, gain float64) error {
	return torch.Try(func() { Orthogonal(input, gain) })
}

// CalculateFanInAndFanOut returns how many inputs an output of a layer depends on, and
// how many outputs an input, for a weight [out, in, kernel...]. It panics when the
// weight has fewer than two dimensions.
func CalculateFanInAndFanOut(input torch.Tensor) (fanIn, fanOut int64) {
	shape := input.Shape()
	if len(shape) < 2 {
		panic(misuse("CalculateFanInAndFanOut", "a weight of %d dimensions has no fans; give it two or more", len(shape)))
	}
	fanIn, fanOut = shape[1], shape[0]
	for _, kernel := range shape[2:] {
		fanIn *= kernel
		fanOut *= kernel
	}
	return fanIn, fanOut
}

// Gain is by how much a layer's weights must be larger to make up for what the
// non-linearity after it takes away: "linear", "sigmoid", "tanh", "relu", "leaky_relu"
// with its slope, "selu", and conv1d … conv_transpose3d, which count as linear. It
// panics at any other.
func Gain(nonLinearity string, slope float64) float64 {
	switch nonLinearity {
	case "linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d":
		return 1
	case "tanh":
		return 5.0 / 3
	case "relu":
		return math.Sqrt(2)
	case "leaky_relu":
		return math.Sqrt(2 / (1 + float64(slope*slope)))
	case "selu":
		return 3.0 / 4
	}
	panic(misuse("Gain", "no gain is known for the non-linearity %q; use relu, leaky_relu, tanh, sigmoid, selu or linear", nonLinearity))
}

func kaimingStd(t torch.Tensor, a float64, fanMode, nonLinearity string) float64 {
	gain := Gain(nonLinearity, a)
	fanIn, fanOut := CalculateFanInAndFanOut(t)
	switch fanMode {
	case "fan_in":
		return gain / math.Sqrt(float64(fanIn))
	case "fan_out":
		return gain / math.Sqrt(float64(fanOut))
	}
	panic(misuse("Kaiming", "the fan mode is %q; use fan_in or fan_out", fanMode))
}

func xavierStd(t torch.Tensor, gain float64) float64 {
	fanIn, fanOut := CalculateFanInAndFanOut(t)
	return gain * math.Sqrt(2/float64(fanIn+fanOut))
}

// drawUniform leaves a tensor without elements alone: its fans may be 0, and its bound
// infinite.
func drawUniform(t torch.Tensor, bound float64) {
	if t.Numel() > 0 {
		t.UniformI(-bound, bound)
	}
}

// overwrite runs set on the tensor with nothing recorded for Backward.
func overwrite(op string, a *torch.Tensor, set func(torch.Tensor)) {
	if a == nil || a.T == nil {
		panic(misuse(op, "the tensor is nil"))
	}
	torch.NoGrad(func() { set(*a) })
}

func misuse(op, format string, args ...any) *torch.Error {
	return &torch.Error{Op: "initializer." + op, Text: fmt.Sprintf(format, args...)}
}
