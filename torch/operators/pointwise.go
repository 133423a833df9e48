//go:build ignore

// Package operators is the list of libtorch's operators that package torch wraps. It is
// read by opgen, which documents its form, and never compiled.
package operators

// Add returns a + alpha·other by element, broadcast. alpha must be integral when
// both are integer tensors.
//
//torch:op aten::add.Tensor(a, other, number:alpha)
//torch:method inplace
func Add(a, other Tensor, alpha float32) Tensor

// Sub returns a - alpha·other by element, broadcast. alpha must be integral when
// both are integer tensors.
//
//torch:op aten::sub.Tensor(a, other, number:alpha)
//torch:method inplace
func Sub(a, other Tensor, alpha float32) Tensor

// Mul returns a·other by element, broadcast.
//
//torch:op aten::mul.Tensor(a, other)
//torch:method inplace
func Mul(a, other Tensor) Tensor

// Div returns a/other by element, broadcast. Integers are divided as numbers with
// a fraction.
//
//torch:op aten::div.Tensor(a, other)
//torch:method inplace
func Div(a, other Tensor) Tensor

// DivRound returns a/other by element, broadcast and rounded: mode is "trunc",
// towards zero, or "floor".
//
//torch:op aten::div.Tensor_mode(a, other, mode)
func DivRound(a, other Tensor, mode string) Tensor

// AddScalar returns a + x by element. Integers become float32 when x has a fraction.
//
//torch:op aten::add.Scalar(a, number:x, 1)
//torch:method inplace
func AddScalar(a Tensor, x float64) Tensor

// SubScalar returns a - x by element. Integers become float32 when x has a fraction.
//
//torch:op aten::sub.Scalar(a, number:x, 1)
//torch:method inplace
func SubScalar(a Tensor, x float64) Tensor

// MulScalar returns a·x by element. Integers become float32 when x has a fraction.
//
//torch:op aten::mul.Scalar(a, number:x)
//torch:method inplace
func MulScalar(a Tensor, x float64) Tensor

// DivScalar returns a/x by element. Integers become float32.
//
//torch:op aten::div.Scalar(a, number:x)
//torch:method inplace
func DivScalar(a Tensor, x float64) Tensor

// Remainder returns a modulo other by element, with the sign of other.
//
//torch:op aten::remainder.Tensor(a, other)
//torch:method inplace
func Remainder(a, other Tensor) Tensor

// Fmod returns a modulo other by element, with the sign of a.
//
//torch:op aten::fmod.Tensor(a, other)
//torch:method inplace
func Fmod(a, other Tensor) Tensor

// Pow returns a to the power of exponent by element, broadcast.
//
//torch:op aten::pow.Tensor_Tensor(a, exponent)
//torch:inplace aten::pow_.Tensor(a, exponent)
//torch:method
func Pow(a, exponent Tensor) Tensor

// PowScalar returns a to the power of exponent by element. Integers become float32
// when exponent has a fraction.
//
//torch:op aten::pow.Tensor_Scalar(a, number:exponent)
//torch:inplace aten::pow_.Scalar(a, number:exponent)
//torch:method
func PowScalar(a Tensor, exponent float64) Tensor

// Maximum returns the larger of a and other by element, broadcast.
//
//torch:op aten::maximum(a, other)
//torch:method
func Maximum(a, other Tensor) Tensor

// Minimum returns the smaller of a and other by element, broadcast.
//
//torch:op aten::minimum(a, other)
//torch:method
func Minimum(a, other Tensor) Tensor

// Atan2 returns the angle of the point (other, a) by element, in radians.
//
//torch:op aten::atan2(a, other)
//torch:method inplace
func Atan2(a, other Tensor) Tensor

// Lerp returns a + weight·(end - a) by element, broadcast.
//
//torch:op aten::lerp.Tensor(a, end, weight)
//torch:method inplace
func Lerp(a, end, weight Tensor) Tensor

// LerpScalar returns a + weight·(end - a) by element, broadcast.
//
//torch:op aten::lerp.Scalar(a, end, weight)
//torch:method inplace
func LerpScalar(a, end Tensor, weight float64) Tensor

// Addcmul returns a + value·x·y by element, broadcast.
//
//torch:op aten::addcmul(a, x, y, number:value)
//torch:method inplace
func Addcmul(a, x, y Tensor, value float64) Tensor

// Addcdiv returns a + value·x/y by element, broadcast.
//
//torch:op aten::addcdiv(a, x, y, value)
//torch:method inplace
func Addcdiv(a, x, y Tensor, value float64) Tensor

// Clamp limits every element to [min, max]. Integers become float32 when a bound has
// a fraction.
//
//torch:op aten::clamp(a, number:min, number:max)
//torch:method inplace
func Clamp(a Tensor, min, max float64) Tensor

// ClampMin raises elements below min to it. Integers become float32 when min has a
// fraction.
//
//torch:op aten::clamp_min(a, number:min)
//torch:method inplace
func ClampMin(a Tensor, min float64) Tensor

// ClampMax lowers elements above max to it. Integers become float32 when max has a
// fraction.
//
//torch:op aten::clamp_max(a, number:max)
//torch:method inplace
func ClampMax(a Tensor, max float64) Tensor

// ClampTensor limits every element to [min, max], broadcast; either bound may be
// the zero Tensor.
//
//torch:op aten::clamp.Tensor(a, min?, max?)
//torch:method inplace
func ClampTensor(a, min, max Tensor) Tensor

// NanToNum replaces NaN, +Inf and -Inf by the three values.
//
//torch:op aten::nan_to_num(a, nan, posInf, negInf)
//torch:method inplace
func NanToNum(a Tensor, nan, posInf, negInf float64) Tensor

// RemainderScalar is Remainder by one number.
//
//torch:op aten::remainder.Scalar(a, number:x)
//torch:method inplace
func RemainderScalar(a Tensor, x float64) Tensor

// FmodScalar is Fmod by one number.
//
//torch:op aten::fmod.Scalar(a, number:x)
//torch:method inplace
func FmodScalar(a Tensor, x float64) Tensor

// Fmax is Maximum that prefers the other element to a NaN.
//
//torch:op aten::fmax(a, other)
//torch:method
func Fmax(a, other Tensor) Tensor

// Fmin is Minimum that prefers the other element to a NaN.
//
//torch:op aten::fmin(a, other)
//torch:method
func Fmin(a, other Tensor) Tensor

// Hypot returns √(a² + other²) by element, broadcast, without overflow between.
//
//torch:op aten::hypot(a, other)
//torch:method inplace
func Hypot(a, other Tensor) Tensor

// Copysign returns |a| with the sign of other, by element, broadcast.
//
//torch:op aten::copysign.Tensor(a, other)
//torch:method inplace
func Copysign(a, other Tensor) Tensor

// LogAddExp returns log(e^a + e^other) by element, broadcast, without overflow.
//
//torch:op aten::logaddexp(a, other)
//torch:method
func LogAddExp(a, other Tensor) Tensor

// Xlogy returns a·log(other) by element, broadcast, and 0 where a is 0.
//
//torch:op aten::xlogy.Tensor(a, other)
//torch:method inplace
func Xlogy(a, other Tensor) Tensor

// Heaviside returns 0 where a is negative, 1 where it is positive, and values where
// it is 0, broadcast.
//
//torch:op aten::heaviside(a, values)
//torch:method inplace
func Heaviside(a, values Tensor) Tensor
