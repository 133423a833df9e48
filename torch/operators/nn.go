//go:build ignore

package operators

// Linear returns input [..., in] times the transpose of weight [out, in], plus
// bias [out], which may be the zero Tensor.
//
//torch:op aten::linear(input, weight, bias?)
func Linear(input, weight, bias Tensor) Tensor

// Bilinear returns, for each output k, x [..., n] times weight[k] [n, m] times y
// [..., m], plus bias [out], which may be the zero Tensor.
//
//torch:op aten::bilinear(x, y, weight, bias?)
func Bilinear(x, y, weight, bias Tensor) Tensor

// Conv1d convolves input [N, C, L] with weight [out, C/groups, k]. bias [out] may be
// the zero Tensor.
//
//torch:op aten::conv1d(input, weight, bias?, stride, padding, dilation, groups)
func Conv1d(input, weight, bias Tensor, stride, padding, dilation []int64, groups int64) Tensor

// Conv2d convolves input [N, C, H, W] with weight [out, C/groups, kH, kW]. bias
// [out] may be the zero Tensor.
//
//torch:op aten::conv2d(input, weight, bias?, stride, padding, dilation, groups)
func Conv2d(input, weight, bias Tensor, stride, padding, dilation []int64, groups int64) Tensor

// Conv3d convolves input [N, C, D, H, W] with weight [out, C/groups, kD, kH, kW].
// bias [out] may be the zero Tensor.
//
//torch:op aten::conv3d(input, weight, bias?, stride, padding, dilation, groups)
func Conv3d(input, weight, bias Tensor, stride, padding, dilation []int64, groups int64) Tensor

// ConvTranspose1d is the gradient of Conv1d with respect to its input, as a layer:
// input [N, C, L], weight [C, out/groups, k].
//
//torch:op aten::conv_transpose1d(input, weight, bias?, stride, padding, outputPadding, groups, dilation)
func ConvTranspose1d(input, weight, bias Tensor, stride, padding, outputPadding []int64, groups int64, dilation []int64) Tensor

// ConvTranspose2d is the gradient of Conv2d with respect to its input, as a layer:
// input [N, C, H, W], weight [C, out/groups, kH, kW].
//
//torch:op aten::conv_transpose2d.input(input, weight, bias?, stride, padding, outputPadding, groups, dilation)
func ConvTranspose2d(input, weight, bias Tensor, stride, padding, outputPadding []int64, groups int64, dilation []int64) Tensor

// BatchNorm normalises input [N, C, ...] by channel. In training it uses the
// batch's own mean and variance and updates runningMean and runningVar in place
// with the given momentum; otherwise it uses these. weight, bias, runningMean
// and runningVar are [C]; each may be the zero Tensor.
//
//torch:op aten::batch_norm(input, weight?, bias?, runningMean?, runningVar?, training, momentum, eps, true)
func BatchNorm(input, weight, bias, runningMean, runningVar Tensor, training bool, momentum, eps float64) Tensor

// GroupNorm normalises input [N, C, ...] by groups of channels. weight and bias [C]
// may be zero Tensors.
//
//torch:op aten::group_norm(input, groups, weight?, bias?, eps, true)
func GroupNorm(input Tensor, groups int64, weight, bias Tensor, eps float64) Tensor

// LayerNorm normalises over the last dimensions, whose sizes are shape. weight and
// bias of that shape may be zero Tensors.
//
//torch:op aten::layer_norm(input, shape, weight?, bias?, eps, true)
func LayerNorm(input Tensor, shape []int64, weight, bias Tensor, eps float64) Tensor

// RMSNorm divides by the root of the mean square over the last dimensions, whose
// sizes are shape. weight of that shape may be the zero Tensor.
//
//torch:op aten::rms_norm(input, shape, weight?, eps)
func RMSNorm(input Tensor, shape []int64, weight Tensor, eps float64) Tensor

// InstanceNorm normalises each channel of each sample of input [N, C, ...]: by its
// own statistics, or by runningMean and runningVar [C] when useInputStats is false.
// weight, bias, runningMean and runningVar may be zero Tensors.
//
//torch:op aten::instance_norm(input, weight?, bias?, runningMean?, runningVar?, useInputStats, momentum, eps, true)
func InstanceNorm(input, weight, bias, runningMean, runningVar Tensor, useInputStats bool, momentum, eps float64) Tensor

// Embedding returns the rows of weight [n, dim] at indices (Long): [..., dim]. The
// row paddingIdx gets no gradient; -1 for none.
//
//torch:op aten::embedding(weight, indices, paddingIdx, false, false)
func Embedding(weight, indices Tensor, paddingIdx int64) Tensor

// Dropout, when training, zeroes each element with probability p and scales the
// others by 1/(1-p).
//
//torch:op aten::dropout(a, p, training)
//torch:inplace
func Dropout(a Tensor, p float64, training bool) Tensor

// FeatureDropout is Dropout of whole channels of a [N, C, ...].
//
//torch:op aten::feature_dropout(a, p, training)
//torch:inplace
func FeatureDropout(a Tensor, p float64, training bool) Tensor

// AlphaDropout is Dropout that keeps the mean and variance of a Selu network.
//
//torch:op aten::alpha_dropout(a, p, training)
//torch:inplace
func AlphaDropout(a Tensor, p float64, training bool) Tensor

// MaxPool1d takes the maximum over windows of input [N, C, L].
//
//torch:op aten::max_pool1d(input, kernel, stride, padding, dilation, ceilMode)
func MaxPool1d(input Tensor, kernel, stride, padding, dilation []int64, ceilMode bool) Tensor

// MaxPool2d takes the maximum over windows of input [N, C, H, W].
//
//torch:op aten::max_pool2d(input, kernel, stride, padding, dilation, ceilMode)
func MaxPool2d(input Tensor, kernel, stride, padding, dilation []int64, ceilMode bool) Tensor

// MaxPool2dWithIndices is MaxPool2d with the positions (Long) of the maxima in the
// planes [H, W], each seen as a vector.
//
//torch:op aten::max_pool2d_with_indices(input, kernel, stride, padding, dilation, ceilMode)
func MaxPool2dWithIndices(input Tensor, kernel, stride, padding, dilation []int64, ceilMode bool) (values, indices Tensor)

// AvgPool1d averages over windows of input [N, C, L].
//
//torch:op aten::avg_pool1d(input, kernel, stride, padding, ceilMode, countIncludePad)
func AvgPool1d(input Tensor, kernel, stride, padding []int64, ceilMode, countIncludePad bool) Tensor

// AvgPool2d averages over windows of input [N, C, H, W]; countIncludePad counts the
// zeros of the padding in.
//
//torch:op aten::avg_pool2d(input, kernel, stride, padding, ceilMode, countIncludePad, none)
func AvgPool2d(input Tensor, kernel, stride, padding []int64, ceilMode, countIncludePad bool) Tensor

// AdaptiveAvgPool1d averages input [N, C, L] to [N, C, outputSize].
//
//torch:op aten::adaptive_avg_pool1d(input, outputSize)
func AdaptiveAvgPool1d(input Tensor, outputSize []int64) Tensor

// AdaptiveAvgPool2d averages input [N, C, H, W] to [N, C, outputSize...].
//
//torch:op aten::adaptive_avg_pool2d(input, outputSize)
func AdaptiveAvgPool2d(input Tensor, outputSize []int64) Tensor

// AdaptiveMaxPool2d takes the maxima of input [N, C, H, W] to [N, C, outputSize...],
// with their positions (Long).
//
//torch:op aten::adaptive_max_pool2d(input, outputSize)
func AdaptiveMaxPool2d(input Tensor, outputSize []int64) (values, indices Tensor)

// UpsampleNearest1d resizes input [N, C, L] to outputSize [L].
//
//torch:op aten::upsample_nearest1d(input, outputSize, none)
func UpsampleNearest1d(input Tensor, outputSize []int64) Tensor

// UpsampleNearest2d resizes input [N, C, H, W] to outputSize [H, W] by repeating
// pixels.
//
//torch:op aten::upsample_nearest2d(input, outputSize, none, none)
func UpsampleNearest2d(input Tensor, outputSize []int64) Tensor

// UpsampleBilinear2d resizes input [N, C, H, W] to outputSize [H, W]; alignCorners
// makes the centres of the corner pixels meet.
//
//torch:op aten::upsample_bilinear2d(input, outputSize, alignCorners, none, none)
func UpsampleBilinear2d(input Tensor, outputSize []int64, alignCorners bool) Tensor

// UpsampleBicubic2d is UpsampleBilinear2d with a bicubic filter.
//
//torch:op aten::upsample_bicubic2d(input, outputSize, alignCorners, none, none)
func UpsampleBicubic2d(input Tensor, outputSize []int64, alignCorners bool) Tensor

// GridSample samples input [N, C, H, W] at the positions grid [N, h, w, 2], x and y
// in [-1, 1]. interpolation: 0 bilinear, 1 nearest, 2 bicubic; padding: 0 zeros, 1
// border, 2 reflection.
//
//torch:op aten::grid_sampler(input, grid, interpolation, padding, alignCorners)
func GridSample(input, grid Tensor, interpolation, padding int64, alignCorners bool) Tensor

// AffineGrid returns the grid of GridSample for affine maps theta [N, 2, 3] and an
// output of the given size [N, C, H, W].
//
//torch:op aten::affine_grid_generator(theta, size, alignCorners)
func AffineGrid(theta Tensor, size []int64, alignCorners bool) Tensor

// ScaledDotProductAttention returns softmax(q times kᵀ / √d + mask) times v, for q
// [..., L, d], k [..., S, d] and v [..., S, e]. mask, Bool (true: look at it) or
// added, broadcasts to [..., L, S] and may be the zero Tensor; dropout is a
// probability; causal hides later positions.
//
//torch:op aten::scaled_dot_product_attention(q, k, v, mask?, dropout, causal, none, false)
func ScaledDotProductAttention(q, k, v, mask Tensor, dropout float64, causal bool) Tensor

// ConvTranspose3d is the gradient of Conv3d with respect to its input, as a layer:
// input [N, C, D, H, W], weight [C, out/groups, kD, kH, kW].
//
//torch:op aten::conv_transpose3d.input(input, weight, bias?, stride, padding, outputPadding, groups, dilation)
func ConvTranspose3d(input, weight, bias Tensor, stride, padding, outputPadding []int64, groups int64, dilation []int64) Tensor

// MaxPool3d takes the maximum over windows of input [N, C, D, H, W].
//
//torch:op aten::max_pool3d(input, kernel, stride, padding, dilation, ceilMode)
func MaxPool3d(input Tensor, kernel, stride, padding, dilation []int64, ceilMode bool) Tensor

// AvgPool3d averages over windows of input [N, C, D, H, W]; countIncludePad counts
// the zeros of the padding in.
//
//torch:op aten::avg_pool3d(input, kernel, stride, padding, ceilMode, countIncludePad, none)
func AvgPool3d(input Tensor, kernel, stride, padding []int64, ceilMode, countIncludePad bool) Tensor

// AdaptiveAvgPool3d averages input [N, C, D, H, W] to [N, C, outputSize...].
//
//torch:op aten::adaptive_avg_pool3d(input, outputSize)
func AdaptiveAvgPool3d(input Tensor, outputSize []int64) Tensor

// AdaptiveMaxPool1d takes the maxima of input [N, C, L] to [N, C, outputSize], with
// their positions (Long).
//
//torch:op aten::adaptive_max_pool1d(input, outputSize)
func AdaptiveMaxPool1d(input Tensor, outputSize []int64) (values, indices Tensor)

// MaxUnpool2d puts the values of MaxPool2dWithIndices back where they were, in
// planes of outputSize [H, W] that are 0 elsewhere.
//
//torch:op aten::max_unpool2d(input, indices, outputSize)
func MaxUnpool2d(input, indices Tensor, outputSize []int64) Tensor

// UpsampleLinear1d resizes input [N, C, L] to outputSize [L] linearly.
//
//torch:op aten::upsample_linear1d(input, outputSize, alignCorners, none)
func UpsampleLinear1d(input Tensor, outputSize []int64, alignCorners bool) Tensor

// UpsampleNearest3d resizes input [N, C, D, H, W] to outputSize [D, H, W] by
// repeating elements.
//
//torch:op aten::upsample_nearest3d(input, outputSize, none, none, none)
func UpsampleNearest3d(input Tensor, outputSize []int64) Tensor

// UpsampleTrilinear3d resizes input [N, C, D, H, W] to outputSize [D, H, W]
// linearly.
//
//torch:op aten::upsample_trilinear3d(input, outputSize, alignCorners, none, none, none)
func UpsampleTrilinear3d(input Tensor, outputSize []int64, alignCorners bool) Tensor

// FeatureAlphaDropout is AlphaDropout of whole channels of a [N, C, ...].
//
//torch:op aten::feature_alpha_dropout(a, p, training)
//torch:inplace
func FeatureAlphaDropout(a Tensor, p float64, training bool) Tensor

// LSTM runs layers of long short-term memory over input [L, N, in], or [N, L, in]
// when batchFirst. state holds the first hidden and cell states, each
// [layers·directions, N, hidden]. weights holds, for each layer and direction, the
// matrices [4·hidden, in] and [4·hidden, hidden], and with biases their two vectors
// [4·hidden]. dropout acts between layers in training. It returns the outputs
// [L, N, directions·hidden] and the last states.
//
//torch:op aten::lstm.input(input, state, weights, biases, layers, dropout, training, bidirectional, batchFirst)
func LSTM(input Tensor, state, weights []Tensor, biases bool, layers int64, dropout float64, training, bidirectional, batchFirst bool) (output, hidden, cell Tensor)

// GRU is LSTM of gated recurrent units: state is one tensor, and the matrices have
// 3·hidden rows.
//
//torch:op aten::gru.input(input, state, weights, biases, layers, dropout, training, bidirectional, batchFirst)
func GRU(input, state Tensor, weights []Tensor, biases bool, layers int64, dropout float64, training, bidirectional, batchFirst bool) (output, hidden Tensor)

// UpsampleNearest1dBy is UpsampleNearest1d by a factor [L], which need not be whole.
//
//torch:op aten::upsample_nearest1d.vec(input, none, factors)
func UpsampleNearest1dBy(input Tensor, factors []float64) Tensor

// UpsampleLinear1dBy is UpsampleLinear1d by a factor [L], which need not be whole.
//
//torch:op aten::upsample_linear1d.vec(input, none, alignCorners, factors)
func UpsampleLinear1dBy(input Tensor, alignCorners bool, factors []float64) Tensor

// UpsampleNearest2dBy is UpsampleNearest2d by factors [H, W], which need not be whole.
//
//torch:op aten::upsample_nearest2d.vec(input, none, factors)
func UpsampleNearest2dBy(input Tensor, factors []float64) Tensor

// UpsampleBilinear2dBy is UpsampleBilinear2d by factors [H, W], which need not be
// whole.
//
//torch:op aten::upsample_bilinear2d.vec(input, none, alignCorners, factors)
func UpsampleBilinear2dBy(input Tensor, alignCorners bool, factors []float64) Tensor

// UpsampleBicubic2dBy is UpsampleBicubic2d by factors [H, W], which need not be whole.
//
//torch:op aten::upsample_bicubic2d.vec(input, none, alignCorners, factors)
func UpsampleBicubic2dBy(input Tensor, alignCorners bool, factors []float64) Tensor
