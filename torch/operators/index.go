//go:build ignore

package operators

// Narrow returns length elements of a along dim, from start on, in the same memory.
//
//torch:op aten::narrow(a, dim, start, length)
//torch:method
func Narrow(a Tensor, dim, start, length int64) Tensor

// Select returns a's slice at index along dim, without that dimension, in the same
// memory; a negative index counts from the end.
//
//torch:op aten::select.int(a, dim, index)
//torch:method
func Select(a Tensor, dim, index int64) Tensor

// SliceDim returns a's elements start, start+step, ... before end along dim, in the
// same memory. Negative positions count from the end.
//
//torch:op aten::slice.Tensor(a, dim, start, end, step)
//torch:method
func SliceDim(a Tensor, dim, start, end, step int64) Tensor

// IndexTensors returns a at the positions that the index tensors (Long or Bool)
// give, one for each leading dimension, broadcast against each other; a zero Tensor
// stands for the whole dimension.
//
//torch:op aten::index.Tensor(a, indices?)
//torch:method
func IndexTensors(a Tensor, indices []Tensor) Tensor

// IndexPut returns a with values at the positions of IndexTensors; accumulate adds
// them up instead of overwriting.
//
//torch:op aten::index_put(a, indices?, values, accumulate)
//torch:method inplace
func IndexPut(a Tensor, indices []Tensor, values Tensor, accumulate bool) Tensor

// IndexSelect returns the slices of a along dim at the positions index, integers
// [N].
//
//torch:op aten::index_select(a, dim, index)
//torch:method
func IndexSelect(a Tensor, dim int64, index Tensor) Tensor

// IndexAdd returns a with alpha·source added to its slices along dim at the
// positions index.
//
//torch:op aten::index_add(a, dim, index, source, number:alpha)
//torch:method inplace
func IndexAdd(a Tensor, dim int64, index, source Tensor, alpha float64) Tensor

// IndexFill returns a with its slices along dim at the positions index set to value.
//
//torch:op aten::index_fill.int_Scalar(a, dim, index, number:value)
//torch:method inplace
func IndexFill(a Tensor, dim int64, index Tensor, value float64) Tensor

// Gather returns the elements of a whose positions along dim are index (Long); the
// result has index's shape.
//
//torch:op aten::gather(a, dim, index, false)
//torch:method
func Gather(a Tensor, dim int64, index Tensor) Tensor

// Scatter returns a with source's elements at the positions index (Long) along dim.
//
//torch:op aten::scatter.src(a, dim, index, source)
//torch:method inplace
func Scatter(a Tensor, dim int64, index, source Tensor) Tensor

// ScatterValue returns a with value at the positions index (Long) along dim.
//
//torch:op aten::scatter.value(a, dim, index, value)
//torch:method inplace
func ScatterValue(a Tensor, dim int64, index Tensor, value float64) Tensor

// ScatterAdd returns a with source's elements added at the positions index (Long)
// along dim.
//
//torch:op aten::scatter_add(a, dim, index, source)
//torch:method inplace
func ScatterAdd(a Tensor, dim int64, index, source Tensor) Tensor

// ScatterReduce returns a with source's elements joined to those at the positions
// index (Long) along dim: reduce is "sum", "prod", "mean", "amax" or "amin".
// includeSelf counts a's own elements in.
//
//torch:op aten::scatter_reduce.two(a, dim, index, source, reduce, includeSelf)
//torch:method inplace
func ScatterReduce(a Tensor, dim int64, index, source Tensor, reduce string, includeSelf bool) Tensor

// Take returns the elements of a, seen as a vector, at the positions index (Long).
//
//torch:op aten::take(a, index)
//torch:method
func Take(a, index Tensor) Tensor

// TakeAlongDim returns the elements of a at the positions index (Long) along dim,
// the other dimensions broadcast.
//
//torch:op aten::take_along_dim(a, index, dim)
//torch:method
func TakeAlongDim(a, index Tensor, dim int64) Tensor

// MaskedSelect returns, as a vector, the elements of a where mask (Bool) holds.
//
//torch:op aten::masked_select(a, mask)
//torch:method
func MaskedSelect(a, mask Tensor) Tensor

// MaskedFill returns a with value where mask (Bool) holds.
//
//torch:op aten::masked_fill.Scalar(a, mask, number:value)
//torch:method inplace
func MaskedFill(a, mask Tensor, value float64) Tensor

// MaskedScatter returns a with the elements of source, one after another, where mask
// (Bool) holds.
//
//torch:op aten::masked_scatter(a, mask, source)
//torch:method inplace
func MaskedScatter(a, mask, source Tensor) Tensor

// Nonzero returns the positions (Long) of the elements that are not zero, [n, Dim].
//
//torch:op aten::nonzero(a)
//torch:method
func Nonzero(a Tensor) Tensor

// Sort returns the elements along dim in order, and their former positions (Long).
// stable keeps the order of equal elements.
//
//torch:op aten::sort.stable(a, stable, dim, descending)
//torch:method
func Sort(a Tensor, dim int64, descending, stable bool) (values, indices Tensor)

// Argsort returns the positions (Long) that would sort a along dim.
//
//torch:op aten::argsort(a, dim, descending)
//torch:method
func Argsort(a Tensor, dim int64, descending bool) Tensor

// TopK returns the k largest (or smallest) elements along dim, and their positions
// (Long); sorted puts them in order.
//
//torch:op aten::topk(a, k, dim, largest, sorted)
//torch:method
func TopK(a Tensor, k, dim int64, largest, sorted bool) (Tensor, Tensor)

// KthValue returns the k-th smallest elements along dim, and their positions (Long).
//
//torch:op aten::kthvalue(a, k, dim, keepDim)
//torch:method
func KthValue(a Tensor, k, dim int64, keepDim bool) (values, indices Tensor)

// Unique returns the distinct elements in order, for each element of a its position
// among them, and how often each occurs (Long).
//
//torch:op aten::_unique2(a, true, true, true)
//torch:method
func Unique(a Tensor) (values, inverse, counts Tensor)

// SearchSorted returns where each of values would be inserted into the ordered last
// dimension of sorted (Long): before equal elements, or after them when right.
//
//torch:op aten::searchsorted.Tensor(sorted, values, false, right, none, none)
func SearchSorted(sorted, values Tensor, right bool) Tensor

// Bucketize returns the number (Long) of the bucket of each element: boundaries are
// in order; right puts an element that equals one into the bucket after it.
//
//torch:op aten::bucketize.Tensor(a, boundaries, false, right)
//torch:method
func Bucketize(a, boundaries Tensor, right bool) Tensor

// OneHot returns [..., classes] (Long) with a 1 at each class index of a (Long).
//
//torch:op aten::one_hot(a, classes)
//torch:method
func OneHot(a Tensor, classes int64) Tensor

// Tril returns a with zeros above the given diagonal of its last two dimensions.
//
//torch:op aten::tril(a, diagonal)
//torch:method inplace
func Tril(a Tensor, diagonal int64) Tensor

// Triu returns a with zeros below the given diagonal of its last two dimensions.
//
//torch:op aten::triu(a, diagonal)
//torch:method inplace
func Triu(a Tensor, diagonal int64) Tensor

// Diag returns the diagonal of a matrix, or the matrix with that diagonal.
//
//torch:op aten::diag(a, diagonal)
//torch:method
func Diag(a Tensor, diagonal int64) Tensor

// Diagonal returns the diagonal of two dimensions of a as its last dimension, in
// the same memory.
//
//torch:op aten::diagonal(a, offset, dim1, dim2)
//torch:method
func Diagonal(a Tensor, offset, dim1, dim2 int64) Tensor

// IndexCopy returns a with source as its slices along dim at the positions index.
//
//torch:op aten::index_copy(a, dim, index, source)
//torch:method inplace
func IndexCopy(a Tensor, dim int64, index, source Tensor) Tensor

// UniqueConsecutive is Unique that looks only at neighbours: it keeps the first of
// each run of equal elements, in a's order.
//
//torch:op aten::unique_consecutive(a, true, true, none)
//torch:method
func UniqueConsecutive(a Tensor) (values, inverse, counts Tensor)

// UniqueDim is Unique of a's slices along dim.
//
//torch:op aten::unique_dim(a, dim, true, true, true)
//torch:method
func UniqueDim(a Tensor, dim int64) (values, inverse, counts Tensor)

// TrilIndices returns the positions [2, n] (Long) of the elements of a matrix that
// [Tril] keeps.
//
//torch:op aten::tril_indices(rows, columns, diagonal, 4, none, none, none)
func TrilIndices(rows, columns, diagonal int64) Tensor

// TriuIndices returns the positions [2, n] (Long) of the elements of a matrix that
// [Triu] keeps.
//
//torch:op aten::triu_indices(rows, columns, diagonal, 4, none, none, none)
func TriuIndices(rows, columns, diagonal int64) Tensor
