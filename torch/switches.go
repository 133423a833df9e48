package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

// The functions below change settings of libtorch for the whole process, as they do in
// PyTorch. Set them before the work, not while other goroutines are at it.

// UseDeterministicAlgorithms makes operators give the same bits each time they run on the
// same machine, where there is such a way; an operator that has none is an error then.
// Sums on the CPU have one order only with as many threads each time; see
// [SetNumThreads].
func UseDeterministicAlgorithms(on bool) { check(libtorch.SetSwitch(libtorch.SwitchDeterministic, on)) }

// SetCuDNNBenchmark lets cuDNN try its algorithms when a convolution meets a new shape,
// and keep the fastest: worth it where shapes repeat.
func SetCuDNNBenchmark(on bool) { check(libtorch.SetSwitch(libtorch.SwitchCuDNNBenchmark, on)) }

// AllowTF32 lets CUDA devices multiply float32 matrices and convolutions with 10 bits
// behind the point, which is several times faster.
func AllowTF32(on bool) { check(libtorch.SetSwitch(libtorch.SwitchTF32, on)) }

// SetDetectAnomaly makes every backward pass look for NaN in what each operator's gradient
// gives. The panic then names the operator. It slows the pass down.
func SetDetectAnomaly(on bool) { check(libtorch.SetSwitch(libtorch.SwitchAnomaly, on)) }
