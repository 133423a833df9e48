//go:build ignore

package operators

// SumDims returns the sums over the given dimensions, all when dims is empty;
// keepDim leaves them in place with size 1.
//
//torch:op aten::sum.dim_IntList(a, dims, keepDim, none)
//torch:method
func SumDims(a Tensor, dims []int64, keepDim bool) Tensor

// Mean returns the mean of all elements, of a floating-point tensor.
//
//torch:op aten::mean(a, none)
//torch:method
func Mean(a Tensor) Tensor

// MeanDims returns the means over the given dimensions.
//
//torch:op aten::mean.dim(a, dims, keepDim, none)
//torch:method
func MeanDims(a Tensor, dims []int64, keepDim bool) Tensor

// Prod returns the product of all elements.
//
//torch:op aten::prod(a, none)
//torch:method
func Prod(a Tensor) Tensor

// ProdDim returns the products along dim.
//
//torch:op aten::prod.dim_int(a, dim, keepDim, none)
//torch:method
func ProdDim(a Tensor, dim int64, keepDim bool) Tensor

// Var returns the variances over the given dimensions, all when dims is nil. The
// sum of squares is divided by the number of elements less correction: 1 for the
// unbiased estimate, 0 for the population's.
//
//torch:op aten::var.correction(a, dims?, correction, keepDim)
//torch:method
func Var(a Tensor, dims []int64, correction int64, keepDim bool) Tensor

// Std returns the square root of Var.
//
//torch:op aten::std.correction(a, dims?, correction, keepDim)
//torch:method
func Std(a Tensor, dims []int64, correction int64, keepDim bool) Tensor

// VarMean returns Var and the means over the same dimensions.
//
//torch:op aten::var_mean.correction(a, dims?, correction, keepDim)
func VarMean(a Tensor, dims []int64, correction int64, keepDim bool) (variance, mean Tensor)

// Max returns the largest element.
//
//torch:op aten::max(a)
//torch:method
func Max(a Tensor) Tensor

// MaxDim returns the largest elements along dim and their indices (Long).
//
//torch:op aten::max.dim(a, dim, keepDim)
//torch:method
func MaxDim(a Tensor, dim int64, keepDim bool) (values, indices Tensor)

// Min returns the smallest element.
//
//torch:op aten::min(a)
//torch:method
func Min(a Tensor) Tensor

// MinDim returns the smallest elements along dim and their indices (Long).
//
//torch:op aten::min.dim(a, dim, keepDim)
//torch:method
func MinDim(a Tensor, dim int64, keepDim bool) (values, indices Tensor)

// Amax returns the largest elements over the given dimensions, all when dims is
// empty. Equal largest elements share the gradient.
//
//torch:op aten::amax(a, dims, keepDim)
//torch:method
func Amax(a Tensor, dims []int64, keepDim bool) Tensor

// Amin returns the smallest elements over the given dimensions, all when dims is
// empty. Equal smallest elements share the gradient.
//
//torch:op aten::amin(a, dims, keepDim)
//torch:method
func Amin(a Tensor, dims []int64, keepDim bool) Tensor

// ArgmaxDim returns the indices (Long) of the largest elements along dim.
//
//torch:op aten::argmax(a, dim, false)
func ArgmaxDim(a Tensor, dim int64) Tensor

// ArgminDim returns the indices (Long) of the smallest elements along dim.
//
//torch:op aten::argmin(a, dim, false)
func ArgminDim(a Tensor, dim int64) Tensor

// Any returns a Bool: whether an element is not zero.
//
//torch:op aten::any(a)
//torch:method
func Any(a Tensor) Tensor

// AnyDim is Any along dim.
//
//torch:op aten::any.dim(a, dim, keepDim)
//torch:method
func AnyDim(a Tensor, dim int64, keepDim bool) Tensor

// All returns a Bool: whether no element is zero.
//
//torch:op aten::all(a)
//torch:method
func All(a Tensor) Tensor

// AllDim is All along dim.
//
//torch:op aten::all.dim(a, dim, keepDim)
//torch:method
func AllDim(a Tensor, dim int64, keepDim bool) Tensor

// CountNonzero returns the number (Long) of elements that are not zero over the
// given dimensions, all when dims is empty.
//
//torch:op aten::count_nonzero.dim_IntList(a, dims)
//torch:method
func CountNonzero(a Tensor, dims []int64) Tensor

// LogSumExp returns the logarithm of the sum of e^a over the given dimensions.
//
//torch:op aten::logsumexp(a, dims, keepDim)
//torch:method
func LogSumExp(a Tensor, dims []int64, keepDim bool) Tensor

// Norm returns the ord-norm of the vectors along the given dimensions, of all
// elements when dims is nil.
//
//torch:op aten::linalg_vector_norm(a, ord, dims?, keepDim, none)
//torch:method
func Norm(a Tensor, ord float64, dims []int64, keepDim bool) Tensor

// Median returns the median of all elements, the lower one of two.
//
//torch:op aten::median(a)
//torch:method
func Median(a Tensor) Tensor

// MedianDim returns the medians along dim and their indices (Long).
//
//torch:op aten::median.dim(a, dim, keepDim)
//torch:method
func MedianDim(a Tensor, dim int64, keepDim bool) (values, indices Tensor)

// Mode returns the most frequent elements along dim, the smallest of several, and
// their indices (Long).
//
//torch:op aten::mode(a, dim, keepDim)
//torch:method
func Mode(a Tensor, dim int64, keepDim bool) (values, indices Tensor)

// Quantile returns the q-th quantile along dim, interpolated linearly.
//
//torch:op aten::quantile.scalar(a, q, dim, keepDim, "linear")
//torch:method
func Quantile(a Tensor, q float64, dim int64, keepDim bool) Tensor

// Cumsum returns the running sums along dim.
//
//torch:op aten::cumsum(a, dim, none)
//torch:method inplace
func Cumsum(a Tensor, dim int64) Tensor

// Cumprod returns the running products along dim.
//
//torch:op aten::cumprod(a, dim, none)
//torch:method inplace
func Cumprod(a Tensor, dim int64) Tensor

// Cummax returns the running maxima along dim and their indices (Long).
//
//torch:op aten::cummax(a, dim)
//torch:method
func Cummax(a Tensor, dim int64) (values, indices Tensor)

// Bincount counts (Long) how often each number occurs in a, integers [N] that are
// not negative; with weights [N] it sums these instead, which may be the zero
// Tensor. The result has at least minLength elements.
//
//torch:op aten::bincount(a, weights?, minLength)
//torch:method
func Bincount(a, weights Tensor, minLength int64) Tensor

// Histc counts the elements of a in bins of equal width between min and max.
//
//torch:op aten::histc(a, bins, min, max)
//torch:method
func Histc(a Tensor, bins int64, min, max float64) Tensor

// NanSum is SumDims that leaves NaN out.
//
//torch:op aten::nansum(a, dims, keepDim, none)
//torch:method
func NanSum(a Tensor, dims []int64, keepDim bool) Tensor

// NanMean is MeanDims that leaves NaN out; it takes all dimensions when dims is nil.
//
//torch:op aten::nanmean(a, dims?, keepDim, none)
//torch:method
func NanMean(a Tensor, dims []int64, keepDim bool) Tensor

// Aminmax returns the smallest and the largest element. It has no gradient: take Min
// and Max for one.
//
//torch:op aten::aminmax(a, none, false)
//torch:method
func Aminmax(a Tensor) (min, max Tensor)

// StdMean returns Std and the means over the same dimensions.
//
//torch:op aten::std_mean.correction(a, dims?, correction, keepDim)
func StdMean(a Tensor, dims []int64, correction int64, keepDim bool) (std, mean Tensor)

// Cummin returns the running minima along dim and their indices (Long).
//
//torch:op aten::cummin(a, dim)
//torch:method
func Cummin(a Tensor, dim int64) (values, indices Tensor)

// LogCumsumExp returns the logarithms of the running sums of e^a along dim.
//
//torch:op aten::logcumsumexp(a, dim)
//torch:method
func LogCumsumExp(a Tensor, dim int64) Tensor

// Dist returns the p-norm of a - other over all elements.
//
//torch:op aten::dist(a, other, p)
//torch:method
func Dist(a, other Tensor, p float64) Tensor

// Diff returns the differences between neighbours along dim, taken n times.
//
//torch:op aten::diff(a, n, dim, none, none)
//torch:method
func Diff(a Tensor, n, dim int64) Tensor

// Renorm scales down the slices of a along dim whose p-norm is above maxNorm, to it.
//
//torch:op aten::renorm(a, p, dim, maxNorm)
//torch:method inplace
func Renorm(a Tensor, p float64, dim int64, maxNorm float64) Tensor
