package torch

import (
	"runtime"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// SetGradAsItIs makes grad itself the gradient of p, strides and all, where
// Backward would have laid it out like p.
func SetGradAsItIs(p, grad Tensor) {
	check(libtorch.SetGrad(p.pointer(), grad.pointer()))
	runtime.KeepAlive([...]Tensor{p, grad})
}
