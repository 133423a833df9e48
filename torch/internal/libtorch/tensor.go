package libtorch

import "unsafe"

// do loads the library, runs a raw call and turns its status into an error.
func do(name string, call func(e *errorText) int32) error {
	if err := Load(); err != nil {
		return err
	}
	e := acquire()
	defer release(e)
	if call(e) != 0 {
		return &Error{name, e.String()}
	}
	return nil
}

// SetNumThreads sets the intra-op threads of the calling thread, and of threads
// that have not run an operator yet.
func SetNumThreads(n int) error {
	return do("set_num_threads", func(e *errorText) int32 { return rawSetNumThreads(int64(n), e) })
}

// NumThreads tells the intra-op threads of the calling thread.
func NumThreads() (int, error) {
	var n int64
	err := do("num_threads", func(e *errorText) int32 { return rawNumThreads(&n, e) })
	return int(n), err
}

// ManualSeed seeds libtorch's default generators.
func ManualSeed(seed uint64) error {
	return do("manual_seed", func(e *errorText) int32 { return rawManualSeed(seed, e) })
}

// What SetSwitch turns on and off: the TL_* constants of torchlit.h.
const (
	SwitchDeterministic = iota
	SwitchCuDNNBenchmark
	SwitchTF32
	SwitchAnomaly
)

// SetSwitch turns one of libtorch's settings on or off for the whole process.
func SetSwitch(which int64, on bool) error {
	return do("set_switch", func(e *errorText) int32 { return rawSetSwitch(which, on, e) })
}

// NoValue is the absent tensor of a list.
var NoValue Value

// TensorValue is a handle as an element of a list for Free and ClearGrads.
func TensorValue(t Tensor) Value { return Value{kindTensor, int64(uintptr(t))} }

// Free drops one reference of each tensor. A failure would be a broken handle,
// which is our own mistake.
func Free(tensors ...Value) {
	e := acquire()
	defer release(e)
	if rawTensorFree(tensors, e) != 0 {
		panic("BUG: cannot free tensors: " + e.String())
	}
}

// Describe fills info.
func Describe(t Tensor, info *Info) error {
	e := acquire()
	defer release(e)
	if rawTensorInfo(t, info, e) != 0 {
		return &Error{"tensor_info", e.String()}
	}
	return nil
}

// FromData makes a CPU tensor with a copy of data, which holds the elements in
// row-major order and the machine's byte order.
func FromData(data []byte, dtype int64, sizes []int64) (r Result, scope int64, err error) {
	err = do("tensor_from_data", func(e *errorText) (status int32) {
		scope, status = rawTensorFromData(unsafe.Pointer(unsafe.SliceData(data)), int64(len(data)), dtype, sizes, &r, e)
		return status
	})
	return r, scope, err
}

// Read copies the tensor's elements to dst in row-major order, whatever its
// strides and device. dst must have exactly the tensor's size.
func Read(t Tensor, dst []byte) error {
	return do("tensor_read", func(e *errorText) int32 {
		return rawTensorRead(t, unsafe.Pointer(unsafe.SliceData(dst)), int64(len(dst)), e)
	})
}

// Write is the inverse of Read: it overwrites the tensor's elements in place.
func Write(t Tensor, src []byte) error {
	return do("tensor_write", func(e *errorText) int32 {
		return rawTensorWrite(t, unsafe.Pointer(unsafe.SliceData(src)), int64(len(src)), e)
	})
}

// Print formats the tensor as libtorch's C++ stream operator does.
func Print(t Tensor) (string, error) {
	return text("tensor_print", func(dst []byte, n *int64, e *errorText) int32 { return rawTensorPrint(t, dst, n, e) })
}

// text collects what a raw call writes into a buffer. The call tells the whole
// length, and is made again when the buffer was too short.
func text(name string, fill func(dst []byte, n *int64, e *errorText) int32) (string, error) {
	buf := make([]byte, 512)
	for {
		var n int64
		if err := do(name, func(e *errorText) int32 { return fill(buf, &n, e) }); err != nil {
			return "", err
		}
		if n <= int64(len(buf)) {
			return string(buf[:n]), nil
		}
		buf = make([]byte, n)
	}
}

// Backward adds the gradients of root to the leaves it was computed from.
// gradient may be nil when root is a scalar.
func Backward(root, gradient Tensor, retainGraph, createGraph bool) error {
	gate.enter()
	defer gate.leave()
	return do("backward", func(e *errorText) int32 { return rawBackward(root, gradient, retainGraph, createGraph, e) })
}

// Grad returns the gradient of a leaf; its Tensor is nil when there is none.
func Grad(t Tensor) (r Result, scope int64, err error) {
	err = do("grad", func(e *errorText) int32 {
		s, status := rawGrad(t, &r, e)
		scope = s
		return status
	})
	return r, scope, err
}

// GradOf fills results with the gradient of each input; that of an unused one is
// no tensor. gradients has a value for each output, NoValue for that of a scalar.
func GradOf(outputs, gradients, inputs []Value, retainGraph, createGraph, allowUnused bool, results []Result) (scope int64, err error) {
	gate.enter()
	defer gate.leave()
	err = do("grad_of", func(e *errorText) (status int32) {
		scope, status = rawGradOf(outputs, gradients, inputs, retainGraph, createGraph, allowUnused, results, e)
		return status
	})
	return scope, err
}

// GradFn tells which operator's backward made the tensor, such as
// "AddBackward0"; "" for a leaf.
func GradFn(t Tensor) (string, error) {
	return text("grad_fn", func(dst []byte, n *int64, e *errorText) int32 { return rawGradFn(t, dst, n, e) })
}

// SetGrad replaces the gradient of a leaf; nil clears it.
func SetGrad(t, gradient Tensor) error {
	return do("set_grad", func(e *errorText) int32 { return rawSetGrad(t, gradient, e) })
}

// ClearGrads drops the gradients of all the tensors in one call.
func ClearGrads(tensors []Value) error {
	return do("clear_grads", func(e *errorText) int32 { return rawClearGrads(tensors, e) })
}

// SetRequiresGrad turns the recording of gradients for a leaf on or off.
func SetRequiresGrad(t Tensor, on bool) error {
	return do("set_requires_grad", func(e *errorText) int32 { return rawSetRequiresGrad(t, on, e) })
}

// SetData makes t hold data's elements, and keeps t's identity for autograd.
func SetData(t, data Tensor) error {
	return do("set_data", func(e *errorText) int32 { return rawSetData(t, data, e) })
}

// GradMode turns gradient recording on or off for the calling thread and
// returns what it was. REQUIRES: the caller has locked its thread.
func GradMode(on bool) (before bool, err error) {
	err = do("grad_mode", func(e *errorText) (status int32) {
		before, status = rawGradMode(on, e)
		return status
	})
	return before, err
}

// AutocastMode turns autocast on a type of device on or off for the calling
// thread and returns what it was. REQUIRES: the caller has locked its thread.
func AutocastMode(device int64, on bool, dtype int64) (before bool, dtypeBefore int64, err error) {
	err = do("autocast_mode", func(e *errorText) (status int32) {
		before, dtypeBefore, status = rawAutocastMode(device, on, dtype, e)
		return status
	})
	return before, dtypeBefore, err
}

// ScopeMode sets the number that Call and Grad return as the calling thread's
// scope, and returns what it was. REQUIRES: the caller has locked its thread.
func ScopeMode(scope int64) (before int64, err error) {
	err = do("scope_mode", func(e *errorText) (status int32) {
		before, status = rawScopeMode(scope, e)
		return status
	})
	return before, err
}
