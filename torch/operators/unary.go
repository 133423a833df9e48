//go:build ignore

package operators

// Abs returns the absolute value, by element.
//
//torch:op aten::abs(a)
//torch:method inplace
func Abs(a Tensor) Tensor

// Neg returns the negative, by element.
//
//torch:op aten::neg(a)
//torch:method inplace
func Neg(a Tensor) Tensor

// Exp returns e to the power of each element, by element.
//
//torch:op aten::exp(a)
//torch:method inplace
func Exp(a Tensor) Tensor

// Expm1 returns e to the power of each element, less 1, exact near 0, by element.
//
//torch:op aten::expm1(a)
//torch:method inplace
func Expm1(a Tensor) Tensor

// Log returns the natural logarithm, by element.
//
//torch:op aten::log(a)
//torch:method inplace
func Log(a Tensor) Tensor

// Log2 returns the logarithm to base 2, by element.
//
//torch:op aten::log2(a)
//torch:method inplace
func Log2(a Tensor) Tensor

// Log10 returns the logarithm to base 10, by element.
//
//torch:op aten::log10(a)
//torch:method inplace
func Log10(a Tensor) Tensor

// Log1p returns the natural logarithm of 1 + a, exact near 0, by element.
//
//torch:op aten::log1p(a)
//torch:method inplace
func Log1p(a Tensor) Tensor

// Sqrt returns the square root, by element.
//
//torch:op aten::sqrt(a)
//torch:method inplace
func Sqrt(a Tensor) Tensor

// Rsqrt returns the reciprocal of the square root, by element.
//
//torch:op aten::rsqrt(a)
//torch:method inplace
func Rsqrt(a Tensor) Tensor

// Square returns the square, by element.
//
//torch:op aten::square(a)
//torch:method inplace
func Square(a Tensor) Tensor

// Reciprocal returns 1/a, by element.
//
//torch:op aten::reciprocal(a)
//torch:method inplace
func Reciprocal(a Tensor) Tensor

// Sin returns the sine, by element.
//
//torch:op aten::sin(a)
//torch:method inplace
func Sin(a Tensor) Tensor

// Cos returns the cosine, by element.
//
//torch:op aten::cos(a)
//torch:method inplace
func Cos(a Tensor) Tensor

// Tan returns the tangent, by element.
//
//torch:op aten::tan(a)
//torch:method inplace
func Tan(a Tensor) Tensor

// Asin returns the arc sine, by element.
//
//torch:op aten::asin(a)
//torch:method inplace
func Asin(a Tensor) Tensor

// Acos returns the arc cosine, by element.
//
//torch:op aten::acos(a)
//torch:method inplace
func Acos(a Tensor) Tensor

// Atan returns the arc tangent, by element.
//
//torch:op aten::atan(a)
//torch:method inplace
func Atan(a Tensor) Tensor

// Sinh returns the hyperbolic sine, by element.
//
//torch:op aten::sinh(a)
//torch:method inplace
func Sinh(a Tensor) Tensor

// Cosh returns the hyperbolic cosine, by element.
//
//torch:op aten::cosh(a)
//torch:method inplace
func Cosh(a Tensor) Tensor

// Tanh returns the hyperbolic tangent, by element.
//
//torch:op aten::tanh(a)
//torch:method inplace
func Tanh(a Tensor) Tensor

// Sign returns -1, 0 or 1 by the sign, by element.
//
//torch:op aten::sign(a)
//torch:method inplace
func Sign(a Tensor) Tensor

// Floor returns the largest integer that is not above, by element.
//
//torch:op aten::floor(a)
//torch:method inplace
func Floor(a Tensor) Tensor

// Ceil returns the smallest integer that is not below, by element.
//
//torch:op aten::ceil(a)
//torch:method inplace
func Ceil(a Tensor) Tensor

// Round returns the nearest integer, halves to the even one, by element.
//
//torch:op aten::round(a)
//torch:method inplace
func Round(a Tensor) Tensor

// Trunc returns the integer part, by element.
//
//torch:op aten::trunc(a)
//torch:method inplace
func Trunc(a Tensor) Tensor

// Frac returns the fraction, with the sign of a, by element.
//
//torch:op aten::frac(a)
//torch:method inplace
func Frac(a Tensor) Tensor

// Erf returns the error function, by element.
//
//torch:op aten::erf(a)
//torch:method inplace
func Erf(a Tensor) Tensor

// Erfc returns 1 less the error function, by element.
//
//torch:op aten::erfc(a)
//torch:method inplace
func Erfc(a Tensor) Tensor

// Erfinv returns the inverse of the error function, by element.
//
//torch:op aten::erfinv(a)
//torch:method inplace
func Erfinv(a Tensor) Tensor

// Lgamma returns the logarithm of the absolute value of the gamma function, by element.
//
//torch:op aten::lgamma(a)
//torch:method inplace
func Lgamma(a Tensor) Tensor

// Digamma returns the derivative of Lgamma, by element.
//
//torch:op aten::digamma(a)
//torch:method inplace
func Digamma(a Tensor) Tensor

// Relu returns max(a, 0) by element.
//
//torch:op aten::relu(a)
//torch:method inplace
func Relu(a Tensor) Tensor

// Relu6 returns min(max(a, 0), 6) by element.
//
//torch:op aten::relu6(a)
//torch:method inplace
func Relu6(a Tensor) Tensor

// LeakyRelu returns a where it is positive, and negativeSlope·a elsewhere.
//
//torch:op aten::leaky_relu(a, negativeSlope)
//torch:method inplace
func LeakyRelu(a Tensor, negativeSlope float64) Tensor

// Sigmoid returns 1/(1 + e^-a) by element.
//
//torch:op aten::sigmoid(a)
//torch:method inplace
func Sigmoid(a Tensor) Tensor

// LogSigmoid returns the logarithm of Sigmoid, by element.
//
//torch:op aten::log_sigmoid(a)
//torch:method
func LogSigmoid(a Tensor) Tensor

// Logit returns the inverse of Sigmoid of a limited to [eps, 1-eps], by element.
//
//torch:op aten::logit(a, eps)
//torch:method inplace
func Logit(a Tensor, eps float64) Tensor

// Elu returns a where it is positive, and alpha·(e^a - 1) elsewhere.
//
//torch:op aten::elu(a, alpha, 1, 1)
//torch:method inplace
func Elu(a Tensor, alpha float64) Tensor

// Selu returns the self-normalising Elu, by element.
//
//torch:op aten::selu(a)
//torch:method inplace
func Selu(a Tensor) Tensor

// Celu returns max(a, 0) + min(alpha·(e^(a/alpha) - 1), 0) by element.
//
//torch:op aten::celu(a, alpha)
//torch:method inplace
func Celu(a Tensor, alpha float64) Tensor

// Gelu returns a times the normal distribution function of a, by element; approximate is "none" or "tanh".
//
//torch:op aten::gelu(a, approximate)
//torch:method inplace
func Gelu(a Tensor, approximate string) Tensor

// Silu returns a·Sigmoid(a) by element, also called swish.
//
//torch:op aten::silu(a)
//torch:method inplace
func Silu(a Tensor) Tensor

// Mish returns a·Tanh(Softplus(a)) by element.
//
//torch:op aten::mish(a)
//torch:method inplace
func Mish(a Tensor) Tensor

// Softplus returns log(1 + e^(beta·a))/beta by element, and a itself where beta·a is above threshold.
//
//torch:op aten::softplus(a, beta, threshold)
//torch:method
func Softplus(a Tensor, beta, threshold float64) Tensor

// Hardtanh returns a limited to [min, max], by element.
//
//torch:op aten::hardtanh(a, min, max)
//torch:method inplace
func Hardtanh(a Tensor, min, max float64) Tensor

// Hardsigmoid returns Relu6(a + 3)/6 by element.
//
//torch:op aten::hardsigmoid(a)
//torch:method inplace
func Hardsigmoid(a Tensor) Tensor

// Hardswish returns a·Hardsigmoid(a) by element.
//
//torch:op aten::hardswish(a)
//torch:method inplace
func Hardswish(a Tensor) Tensor

// Threshold returns a where it is above threshold, and value elsewhere.
//
//torch:op aten::threshold(a, number:threshold, number:value)
//torch:method inplace
func Threshold(a Tensor, threshold, value float64) Tensor

// Prelu returns a where it is positive, and weight·a elsewhere; weight is [1] or one number a channel.
//
//torch:op aten::prelu(a, weight)
//torch:method
func Prelu(a, weight Tensor) Tensor

// Glu returns the first half of a along dim times the Sigmoid of the second.
//
//torch:op aten::glu(a, dim)
//torch:method
func Glu(a Tensor, dim int64) Tensor

// Softmax returns e^a, scaled so that the sums along dim are 1.
//
//torch:op aten::softmax.int(a, dim, none)
//torch:method
func Softmax(a Tensor, dim int64) Tensor

// LogSoftmax returns the logarithm of Softmax along dim.
//
//torch:op aten::log_softmax.int(a, dim, none)
//torch:method
func LogSoftmax(a Tensor, dim int64) Tensor

// Exp2 returns 2 to the power of each element.
//
//torch:op aten::exp2(a)
//torch:method inplace
func Exp2(a Tensor) Tensor

// Asinh returns the inverse hyperbolic sine, by element.
//
//torch:op aten::asinh(a)
//torch:method inplace
func Asinh(a Tensor) Tensor

// Acosh returns the inverse hyperbolic cosine, by element.
//
//torch:op aten::acosh(a)
//torch:method inplace
func Acosh(a Tensor) Tensor

// Atanh returns the inverse hyperbolic tangent, by element.
//
//torch:op aten::atanh(a)
//torch:method inplace
func Atanh(a Tensor) Tensor

// Sinc returns sin(π·a)/(π·a) by element, and 1 for 0.
//
//torch:op aten::sinc(a)
//torch:method inplace
func Sinc(a Tensor) Tensor

// Deg2Rad turns degrees into radians, by element.
//
//torch:op aten::deg2rad(a)
//torch:method inplace
func Deg2Rad(a Tensor) Tensor

// Rad2Deg turns radians into degrees, by element.
//
//torch:op aten::rad2deg(a)
//torch:method inplace
func Rad2Deg(a Tensor) Tensor

// Signbit returns a Bool tensor: whether the sign is minus, that of -0 included.
//
//torch:op aten::signbit(a)
//torch:method
func Signbit(a Tensor) Tensor

// Softshrink returns a moved by lambda towards 0, and 0 where |a| <= lambda.
//
//torch:op aten::softshrink(a, lambda)
//torch:method
func Softshrink(a Tensor, lambda float64) Tensor

// Hardshrink returns a, and 0 where |a| <= lambda.
//
//torch:op aten::hardshrink(a, lambda)
//torch:method
func Hardshrink(a Tensor, lambda float64) Tensor

// Rrelu returns a where it is positive, and elsewhere a times a slope: a random one
// from [lower, upper) for each element in training, their mean otherwise.
//
//torch:op aten::rrelu(a, lower, upper, training, generator)
//torch:method inplace
func Rrelu(a Tensor, lower, upper float64, training bool, generator ...*Generator) Tensor
