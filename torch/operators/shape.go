//go:build ignore

package operators

// Flatten joins the dimensions start to end, both included, into one.
//
//torch:op aten::flatten.using_ints(a, start, end)
//torch:method
func Flatten(a Tensor, start, end int64) Tensor

// View returns a's elements under another shape, in the same memory; one size may
// be -1. It panics when strides forbid it: see Reshape.
//
//torch:op aten::view(a, shape)
//torch:method
func View(a Tensor, shape ...int64) Tensor

// Reshape returns a's elements under another shape, copied when they must be; one
// size may be -1.
//
//torch:op aten::reshape(a, shape)
//torch:method
func Reshape(a Tensor, shape ...int64) Tensor

// Permute reorders the dimensions: dimension i of the result is dimension dims[i]
// of a.
//
//torch:op aten::permute(a, dims)
//torch:method
func Permute(a Tensor, dims []int64) Tensor

// Transpose swaps two dimensions.
//
//torch:op aten::transpose.int(a, dim0, dim1)
//torch:method inplace
func Transpose(a Tensor, dim0, dim1 int64) Tensor

// Movedim moves dimension source to the place destination.
//
//torch:op aten::movedim.int(a, source, destination)
//torch:method
func Movedim(a Tensor, source, destination int64) Tensor

// Unsqueeze inserts a dimension of size 1 at dim.
//
//torch:op aten::unsqueeze(a, dim)
//torch:method inplace
func Unsqueeze(a Tensor, dim int64) Tensor

// Unflatten splits dimension dim into several of the given sizes.
//
//torch:op aten::unflatten.int(a, dim, sizes)
//torch:method
func Unflatten(a Tensor, dim int64, sizes []int64) Tensor

// Expand repeats dimensions of size 1 to the given sizes without copying; -1 keeps
// a size.
//
//torch:op aten::expand(a, sizes, false)
//torch:method
func Expand(a Tensor, sizes ...int64) Tensor

// ExpandAs expands a to the shape of other.
//
//torch:op aten::expand_as(a, other)
//torch:method
func ExpandAs(a, other Tensor) Tensor

// BroadcastTo expands a to the given shape.
//
//torch:op aten::broadcast_to(a, shape)
//torch:method
func BroadcastTo(a Tensor, shape ...int64) Tensor

// Repeat copies a so many times along each dimension.
//
//torch:op aten::repeat(a, times)
//torch:method
func Repeat(a Tensor, times ...int64) Tensor

// RepeatInterleave repeats each element so many times along dim.
//
//torch:op aten::repeat_interleave.self_int(a, times, dim, none)
//torch:method
func RepeatInterleave(a Tensor, times, dim int64) Tensor

// Tile repeats a as numpy's tile does.
//
//torch:op aten::tile(a, times)
//torch:method
func Tile(a Tensor, times ...int64) Tensor

// Flip reverses the order along the given dimensions.
//
//torch:op aten::flip(a, dims)
//torch:method
func Flip(a Tensor, dims ...int64) Tensor

// Roll shifts elements along the given dimensions; those that fall out come in at
// the other end.
//
//torch:op aten::roll(a, shifts, dims)
//torch:method
func Roll(a Tensor, shifts, dims []int64) Tensor

// Cat joins tensors along an existing dimension.
//
//torch:op aten::cat(tensors, dim)
func Cat(tensors []Tensor, dim int64) Tensor

// Stack joins tensors of one shape along an additional dimension at dim.
//
//torch:op aten::stack(tensors, dim)
func Stack(tensors []Tensor, dim int64) Tensor

// Hstack joins tensors along the second dimension, vectors along the first.
//
//torch:op aten::hstack(tensors)
func Hstack(tensors ...Tensor) Tensor

// Vstack joins tensors along the first dimension, vectors as rows.
//
//torch:op aten::vstack(tensors)
func Vstack(tensors ...Tensor) Tensor

// Split cuts a along dim into parts of the given size; the last may be smaller.
//
//torch:op aten::split.Tensor(a, size, dim)
//torch:method
func Split(a Tensor, size, dim int64) []Tensor

// SplitSizes cuts a along dim into parts of the given sizes.
//
//torch:op aten::split_with_sizes(a, sizes, dim)
//torch:method
func SplitSizes(a Tensor, sizes []int64, dim int64) []Tensor

// Chunk cuts a along dim into that many parts, fewer when it is too short.
//
//torch:op aten::chunk(a, chunks, dim)
//torch:method
func Chunk(a Tensor, chunks, dim int64) []Tensor

// Unbind returns the slices of a along dim, without that dimension.
//
//torch:op aten::unbind.int(a, dim)
//torch:method
func Unbind(a Tensor, dim int64) []Tensor

// Meshgrid expands vectors to a grid; indexing is "ij" or "xy".
//
//torch:op aten::meshgrid.indexing(tensors, indexing)
func Meshgrid(tensors []Tensor, indexing string) []Tensor

// Unfold returns all windows of the given size along dim, step apart, as an
// additional last dimension.
//
//torch:op aten::unfold(a, dim, size, step)
//torch:method
func Unfold(a Tensor, dim, size, step int64) Tensor

// Pad adds padding to the last dimensions: two numbers for each, the last
// dimension first. mode is "constant", "reflect", "replicate" or "circular"; value
// is for constant.
//
//torch:op aten::pad(a, padding, mode, value)
//torch:method
func Pad(a Tensor, padding []int64, mode string, value float64) Tensor

// ConstantPad adds padding of one value to the last dimensions: two numbers for
// each, the last dimension first.
//
//torch:op aten::constant_pad_nd(a, padding, value)
//torch:method
func ConstantPad(a Tensor, padding []int64, value float64) Tensor

// Contiguous returns t with its elements in that order; t itself when they are.
//
//torch:op aten::contiguous(t, format)
//torch:method
func Contiguous(t Tensor, format MemoryFormat) Tensor

// Clone returns a copy of a in memory of its own.
//
//torch:op aten::clone(a, none)
//torch:method
func Clone(a Tensor) Tensor

// Detach returns a's elements outside the recording for Backward. The memory is
// shared.
//
//torch:op aten::detach(a)
//torch:method
func Detach(a Tensor) Tensor

// PixelShuffle rearranges [N, C·r², H, W] to [N, C, H·r, W·r] for the factor r.
//
//torch:op aten::pixel_shuffle(a, factor)
//torch:method
func PixelShuffle(a Tensor, factor int64) Tensor

// PixelUnshuffle is the inverse of PixelShuffle: [N, C, H·r, W·r] to [N, C·r², H, W].
//
//torch:op aten::pixel_unshuffle(a, factor)
//torch:method
func PixelUnshuffle(a Tensor, factor int64) Tensor

// ChannelShuffle deals the channels of [N, C, ...] out to groups, like cards.
//
//torch:op aten::channel_shuffle(a, groups)
//torch:method
func ChannelShuffle(a Tensor, groups int64) Tensor

// Im2col returns the windows of [N, C, H, W] as columns, [N, C·kH·kW, windows]:
// PyTorch's functional.unfold.
//
//torch:op aten::im2col(a, kernel, dilation, padding, stride)
//torch:method
func Im2col(a Tensor, kernel, dilation, padding, stride []int64) Tensor

// Col2im adds the columns of Im2col up to images [N, C, outputSize...]: PyTorch's
// functional.fold.
//
//torch:op aten::col2im(a, outputSize, kernel, dilation, padding, stride)
//torch:method
func Col2im(a Tensor, outputSize, kernel, dilation, padding, stride []int64) Tensor

// Rot90 turns a by 90 degrees k times in the plane of two dimensions, from the first
// towards the second.
//
//torch:op aten::rot90(a, k, dims)
//torch:method
func Rot90(a Tensor, k int64, dims []int64) Tensor

// DiagEmbed returns tensors that have the vectors of a's last dimension as the
// diagonal of the dimensions dim1 and dim2, and zeros elsewhere.
//
//torch:op aten::diag_embed(a, offset, dim1, dim2)
//torch:method
func DiagEmbed(a Tensor, offset, dim1, dim2 int64) Tensor

// TensorSplit cuts a along dim before each of the given positions.
//
//torch:op aten::tensor_split.indices(a, positions, dim)
//torch:method
func TensorSplit(a Tensor, positions []int64, dim int64) []Tensor
