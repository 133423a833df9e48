//go:build ignore

package operators

// MM returns the product of the matrices a [n, m] and b [m, p].
//
//torch:op aten::mm(a, b)
//torch:method
func MM(a, b Tensor) Tensor

// BMM returns the products of the matrices a [N, n, m] and b [N, m, p].
//
//torch:op aten::bmm(a, b)
//torch:method
func BMM(a, b Tensor) Tensor

// Matmul returns the product of vectors, matrices or batches of matrices, the
// leading dimensions broadcast.
//
//torch:op aten::matmul(a, b)
//torch:method
func Matmul(a, b Tensor) Tensor

// MV returns the product of a matrix [n, m] and a vector [m].
//
//torch:op aten::mv(a, v)
//torch:method
func MV(a, v Tensor) Tensor

// Dot returns the inner product of two vectors.
//
//torch:op aten::dot(a, b)
//torch:method
func Dot(a, b Tensor) Tensor

// Outer returns the product of each element of the vector a with each of b.
//
//torch:op aten::outer(a, b)
//torch:method
func Outer(a, b Tensor) Tensor

// Addmm returns beta·a + alpha·(x times y), for matrices.
//
//torch:op aten::addmm(a, x, y, number:beta, number:alpha)
//torch:method inplace
func Addmm(a, x, y Tensor, beta, alpha float64) Tensor

// Baddbmm returns beta·a + alpha·(x times y), for batches of matrices.
//
//torch:op aten::baddbmm(a, x, y, number:beta, number:alpha)
//torch:method inplace
func Baddbmm(a, x, y Tensor, beta, alpha float64) Tensor

// Einsum sums products of elements by Einstein's notation, such as "bij,bjk->bik".
//
//torch:op aten::einsum(equation, tensors, none)
func Einsum(equation string, tensors ...Tensor) Tensor

// Trace returns the sum of a matrix's diagonal.
//
//torch:op aten::trace(a)
//torch:method
func Trace(a Tensor) Tensor

// Inverse returns the inverse of square matrices [..., n, n].
//
//torch:op aten::linalg_inv(a)
//torch:method
func Inverse(a Tensor) Tensor

// Det returns the determinants of square matrices [..., n, n].
//
//torch:op aten::linalg_det(a)
//torch:method
func Det(a Tensor) Tensor

// Solve returns x of a times x = b, for square matrices a.
//
//torch:op aten::linalg_solve(a, b, true)
func Solve(a, b Tensor) Tensor

// Cholesky returns the lower triangular L with L times its transpose = a, for
// symmetric positive definite matrices.
//
//torch:op aten::linalg_cholesky(a, false)
//torch:method
func Cholesky(a Tensor) Tensor

// QR returns an orthogonal Q and an upper triangular R with Q times R = a.
//
//torch:op aten::linalg_qr(a, "reduced")
func QR(a Tensor) (q, r Tensor)

// SVD returns U, the singular values in descending order, and the transpose of V,
// with U times diag(S) times Vh = a.
//
//torch:op aten::linalg_svd(a, false, none)
func SVD(a Tensor) (u, s, vh Tensor)

// Eigh returns the eigenvalues in ascending order and the eigenvectors, as columns,
// of symmetric matrices.
//
//torch:op aten::linalg_eigh(a, "L")
func Eigh(a Tensor) (values, vectors Tensor)

// Cdist returns the p-norm distances between each row of a [..., n, m] and each of
// b [..., k, m].
//
//torch:op aten::cdist(a, b, p, none)
func Cdist(a, b Tensor, p float64) Tensor

// CosineSimilarity returns the cosine of the angle between a and b along dim.
//
//torch:op aten::cosine_similarity(a, b, dim, eps)
func CosineSimilarity(a, b Tensor, dim int64, eps float64) Tensor

// PairwiseDistance returns the p-norm of a - b + eps along the last dimension.
//
//torch:op aten::pairwise_distance(a, b, p, eps, keepDim)
func PairwiseDistance(a, b Tensor, p, eps float64, keepDim bool) Tensor

// Inner returns the sums of products over the last dimensions of a and b.
//
//torch:op aten::inner(a, b)
//torch:method
func Inner(a, b Tensor) Tensor

// Tensordot returns the sums of products over the dimensions dimsA of a and dimsB of
// b.
//
//torch:op aten::tensordot(a, b, dimsA, dimsB)
func Tensordot(a, b Tensor, dimsA, dimsB []int64) Tensor

// MultiDot returns the product of two or more matrices, in the order of
// multiplication that is cheapest.
//
//torch:op aten::linalg_multi_dot(tensors)
func MultiDot(tensors ...Tensor) Tensor

// Kron returns the Kronecker product: each element of a times b.
//
//torch:op aten::kron(a, b)
//torch:method
func Kron(a, b Tensor) Tensor

// Cross returns the vector products along dim, whose size is 3, broadcast.
//
//torch:op aten::linalg_cross(a, b, dim)
//torch:method
func Cross(a, b Tensor, dim int64) Tensor

// Slogdet returns the signs of the determinants of square matrices [..., n, n], and
// the logarithms of their absolute values.
//
//torch:op aten::linalg_slogdet(a)
//torch:method
func Slogdet(a Tensor) (sign, logAbsDet Tensor)

// PInverse returns the pseudoinverse of matrices [..., n, m].
//
//torch:op aten::linalg_pinv.atol_rtol_float(a, none, none, false)
//torch:method
func PInverse(a Tensor) Tensor

// MatrixPower returns the n-th power of square matrices; a negative n inverts them.
//
//torch:op aten::linalg_matrix_power(a, n)
//torch:method
func MatrixPower(a Tensor, n int64) Tensor

// SolveTriangular is Solve for triangular matrices a, upper or lower ones.
//
//torch:op aten::linalg_solve_triangular(a, b, upper, true, false)
func SolveTriangular(a, b Tensor, upper bool) Tensor

// CholeskySolve returns x of L times Lᵀ times x = b, for a lower triangular L as
// [Cholesky] returns it.
//
//torch:op aten::cholesky_solve(b, l, false)
func CholeskySolve(b, l Tensor) Tensor
