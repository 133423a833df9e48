package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

// What the packages of this module that bind more of libtorch need of a Tensor.
// The types are internal, so nobody else can use these functions.

// Adopt makes a Tensor of a result of the native library, which it takes over. The
// scope is the number that came with the result.
func Adopt(r *libtorch.Result, scope int64) Tensor { return adopt(r, scope) }

// Borrow returns the native library's reference to t, or the error that t is nil or
// closed. The caller keeps t alive while it uses the reference.
func Borrow(t Tensor) (libtorch.Tensor, error) { return t.borrow() }

// DeviceNumbers returns libtorch's numbers of a device: its type, and its index or
// -1 for the current one.
func DeviceNumbers(d Device) (kind, index int64) { return d.kind, d.index }
