//go:build ignore

package operators

// Eq returns a Bool tensor: a == other by element, broadcast.
//
//torch:op aten::eq.Tensor(a, other)
//torch:method
func Eq(a, other Tensor) Tensor

// EqScalar returns a Bool tensor: a == x by element.
//
//torch:op aten::eq.Scalar(a, number:x)
//torch:method
func EqScalar(a Tensor, x float64) Tensor

// Ne returns a Bool tensor: a != other by element, broadcast.
//
//torch:op aten::ne.Tensor(a, other)
//torch:method
func Ne(a, other Tensor) Tensor

// NeScalar returns a Bool tensor: a != x by element.
//
//torch:op aten::ne.Scalar(a, number:x)
//torch:method
func NeScalar(a Tensor, x float64) Tensor

// Lt returns a Bool tensor: a < other by element, broadcast.
//
//torch:op aten::lt.Tensor(a, other)
//torch:method
func Lt(a, other Tensor) Tensor

// LtScalar returns a Bool tensor: a < x by element.
//
//torch:op aten::lt.Scalar(a, number:x)
//torch:method
func LtScalar(a Tensor, x float64) Tensor

// Le returns a Bool tensor: a <= other by element, broadcast.
//
//torch:op aten::le.Tensor(a, other)
//torch:method
func Le(a, other Tensor) Tensor

// LeScalar returns a Bool tensor: a <= x by element.
//
//torch:op aten::le.Scalar(a, number:x)
//torch:method
func LeScalar(a Tensor, x float64) Tensor

// Gt returns a Bool tensor: a > other by element, broadcast.
//
//torch:op aten::gt.Tensor(a, other)
//torch:method
func Gt(a, other Tensor) Tensor

// GtScalar returns a Bool tensor: a > x by element.
//
//torch:op aten::gt.Scalar(a, number:x)
//torch:method
func GtScalar(a Tensor, x float64) Tensor

// Ge returns a Bool tensor: a >= other by element, broadcast.
//
//torch:op aten::ge.Tensor(a, other)
//torch:method
func Ge(a, other Tensor) Tensor

// GeScalar returns a Bool tensor: a >= x by element.
//
//torch:op aten::ge.Scalar(a, number:x)
//torch:method
func GeScalar(a Tensor, x float64) Tensor

// LogicalAnd returns a Bool tensor: whether both are not zero, by element, broadcast.
//
//torch:op aten::logical_and(a, other)
//torch:method
func LogicalAnd(a, other Tensor) Tensor

// LogicalOr returns a Bool tensor: whether one or both are not zero, by element, broadcast.
//
//torch:op aten::logical_or(a, other)
//torch:method
func LogicalOr(a, other Tensor) Tensor

// LogicalXor returns a Bool tensor: whether exactly one is not zero, by element, broadcast.
//
//torch:op aten::logical_xor(a, other)
//torch:method
func LogicalXor(a, other Tensor) Tensor

// LogicalNot returns a Bool tensor: whether an element is zero.
//
//torch:op aten::logical_not(a)
//torch:method
func LogicalNot(a Tensor) Tensor

// BitwiseAnd returns the bitwise and of integer or Bool tensors, broadcast.
//
//torch:op aten::bitwise_and.Tensor(a, other)
//torch:method inplace
func BitwiseAnd(a, other Tensor) Tensor

// BitwiseOr returns the bitwise or of integer or Bool tensors, broadcast.
//
//torch:op aten::bitwise_or.Tensor(a, other)
//torch:method inplace
func BitwiseOr(a, other Tensor) Tensor

// BitwiseXor returns the bitwise exclusive or of integer or Bool tensors, broadcast.
//
//torch:op aten::bitwise_xor.Tensor(a, other)
//torch:method inplace
func BitwiseXor(a, other Tensor) Tensor

// BitwiseNot returns the bitwise complement of an integer or Bool tensor.
//
//torch:op aten::bitwise_not(a)
//torch:method inplace
func BitwiseNot(a Tensor) Tensor

// IsNaN returns a Bool tensor: whether an element is not a number.
//
//torch:op aten::isnan(a)
//torch:method
func IsNaN(a Tensor) Tensor

// IsInf returns a Bool tensor: whether an element is infinite.
//
//torch:op aten::isinf(a)
//torch:method
func IsInf(a Tensor) Tensor

// IsFinite returns a Bool tensor: whether an element is neither infinite nor NaN.
//
//torch:op aten::isfinite(a)
//torch:method
func IsFinite(a Tensor) Tensor

// IsClose returns a Bool tensor: |a - other| <= atol + rtol·|other| by element.
//
//torch:op aten::isclose(a, other, rtol, atol, equalNaN)
//torch:method
func IsClose(a, other Tensor, rtol, atol float64, equalNaN bool) Tensor

// Equal tells whether a and b have the same shape and elements.
//
//torch:op aten::equal(a, b)
func Equal(a, b Tensor) bool

// AllClose tells whether |a - b| <= 1e-8 + 1e-5·|b| holds for all elements; NaN is
// close to nothing.
//
//torch:op aten::allclose(a, b, 1e-5, 1e-8, false)
func AllClose(a, b Tensor) bool

// Where returns x where condition (Bool) holds and y elsewhere, all broadcast.
//
//torch:op aten::where.self(condition, x, y)
func Where(condition, x, y Tensor) Tensor

// IsPosInf returns a Bool tensor: whether an element is +Inf.
//
//torch:op aten::isposinf(a)
//torch:method
func IsPosInf(a Tensor) Tensor

// IsNegInf returns a Bool tensor: whether an element is -Inf.
//
//torch:op aten::isneginf(a)
//torch:method
func IsNegInf(a Tensor) Tensor

// IsIn returns a Bool tensor: whether an element of a is among those of set.
//
//torch:op aten::isin.Tensor_Tensor(a, set, false, false)
//torch:method
func IsIn(a, set Tensor) Tensor
