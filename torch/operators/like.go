//go:build ignore

package operators

// EmptyLike makes a tensor of a's shape, dtype and device whose elements are not set.
//
//torch:op aten::empty_like(a, none, none, none, none, none)
func EmptyLike(a Tensor) Tensor

// ZerosLike makes a tensor of zeros of a's shape, dtype and device.
//
//torch:op aten::zeros_like(a, none, none, none, none, none)
func ZerosLike(a Tensor) Tensor

// OnesLike makes a tensor of ones of a's shape, dtype and device.
//
//torch:op aten::ones_like(a, none, none, none, none, none)
func OnesLike(a Tensor) Tensor

// FullLike makes a tensor of a's shape, dtype and device, all elements equal to value.
//
//torch:op aten::full_like(a, value, none, none, none, none, none)
func FullLike(a Tensor, value float64) Tensor

// RandLike makes a tensor of a's shape, dtype and device, of uniform random numbers
// in [0, 1).
//
//torch:op aten::rand_like(a, none, none, none, none, none)
func RandLike(a Tensor) Tensor

// RandNLike makes a tensor of a's shape, dtype and device, of standard normal random
// numbers.
//
//torch:op aten::randn_like(a, none, none, none, none, none)
func RandNLike(a Tensor) Tensor

// RandIntLike makes a tensor of a's shape, dtype and device, of uniform random
// integers in [low, high).
//
//torch:op aten::randint_like.low_dtype(a, low, high, none, none, none, none, none)
func RandIntLike(a Tensor, low, high int64) Tensor
