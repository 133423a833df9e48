// Package torch gives Go libtorch's tensors, operators, gradients and
// optimizers. It is the successor of gotorch and keeps that package's names and
// signatures, on libtorch 2.
//
// # Who frees a tensor
//
// A Tensor is a small value that refers to memory outside Go's heap. That memory
// is freed by the first of
//
//   - [Tensor.Close], called by whoever owns the tensor;
//   - the end of the [Scope] in which the tensor was made, unless it was kept;
//   - the garbage collector, some time after the last use. This is the net under
//     programs written for gotorch. It knows nothing of the memory's true size,
//     so loops that run for long use a Scope.
//
// Using a closed tensor panics; it never reads freed memory. Every operator
// keeps its operands alive until libtorch has returned.
//
// # Errors
//
// The functions with gotorch's names panic with an [*Error] that holds
// libtorch's own sentence, as a wrong shape is a programmer's mistake. Beside each
// function X that can be refused stands TryX, which returns the error instead, and
// [Try] does so for a whole block, methods and modules included. Nothing in this
// package ends the process, and importing it does no work: the native library is
// opened by the first call that needs it.
//
// # In place
//
// A method whose name ends with I, such as [Tensor.AddI], overwrites its receiver
// and returns it.
//
// # Threads
//
// All functions may be called from any goroutine. A tensor may be read by
// several at once, and written (in-place operators, Close) by one. [Scope],
// [NoGrad] and [Autocast] hold for the calling goroutine alone, not for those
// that it starts. However many goroutines call, only as many operators run at once
// as Go may use CPUs, and only a few dozen goroutines hold a thread.
package torch
