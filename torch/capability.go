package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

var (
	opFusedConvolution = libtorch.NewOp("mkldnn::_convolution_pointwise")
	opFastBFloat16     = libtorch.NewOp("mkldnn::_is_mkldnn_bf16_supported")
)

// LibraryPath tells which file the native library was opened from; "" when it
// is not available.
func LibraryPath() string { return libtorch.Path() }

// HasFusedConvolution tells whether this libtorch has oneDNN's convolutions with
// bias, addition and activation fused in.
func HasFusedConvolution() bool { return opFusedConvolution.Known() }

// HasFastBFloat16 tells whether oneDNN computes in bfloat16 on this CPU rather
// than emulates it.
func HasFastBFloat16() bool {
	if !opFastBFloat16.Known() {
		return false
	}
	var c call
	r := c.number(opFastBFloat16)
	return r.Int() != 0
}
