//go:build cgo

package libtorch

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include "torchlit.h"

// Each OS thread that runs parallel operators has a team of OpenMP's workers, and a
// goroutine that blocks between two operators may go on on another thread. So there soon
// are more workers than CPUs, though one team only works at a time. GNU's OpenMP then lets
// workers that wait for the next piece of work sleep almost at once, and waking them costs
// more than the piece: an MLP's training step took 1.7 times as long. These two settings
// keep the usual patience where there are few workers, and give enough of it to get from
// one operator to the next where there are many. They are read when libgomp is loaded;
// whoever has set one of them knows better.
static void wait_a_little(void) {
  if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
  setenv("OMP_WAIT_POLICY", "active", 1);
  setenv("GOMP_SPINCOUNT", "300000", 1);
}

// open loads the library at path. RTLD_LOCAL keeps its symbols (and its OpenMP)
// out of the way of whatever else the process has loaded. It is never closed:
// libtorch registers its operators in static constructors and does not survive
// their undoing.
static const tl_api *opened;
static const tl_api *tl_open(const char *path, char **why) {
  wait_a_little();
  void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!lib) { *why = dlerror(); return NULL; }
  const tl_api *(*get)(int64_t) = (const tl_api *(*)(int64_t))dlsym(lib, "tl_get_api");
  if (!get) { *why = dlerror(); return NULL; }
  const tl_api *api = get(TL_ABI);
  if (!api) *why = "it was built from another version of torchlit.h; run 'make build'";
  return opened = api;
}

static const char *tl_libtorch_version(const tl_api *a) { return a->libtorch_version(); }
static const char *tl_cpu_capability(const tl_api *a) { return a->cpu_capability(); }
static int32_t tl_set_num_threads(const tl_api *a, int64_t n, tl_error *e) { return a->set_num_threads(n, e); }
static int32_t tl_num_threads(const tl_api *a, int64_t *n, tl_error *e) { return a->num_threads(n, e); }
static int32_t tl_set_switch(const tl_api *a, int64_t which, int32_t on, tl_error *e) { return a->set_switch(which, on, e); }
static int32_t tl_manual_seed(const tl_api *a, uint64_t s, tl_error *e) { return a->manual_seed(s, e); }

// The two that every operator's call goes through take no pointer that cgo would check
// for Go pointers behind it, which costs as much as the rest of the crossing.
static int32_t tl_tensor_free(const tl_value *t, int64_t n, tl_error *e) { return opened->tensor_free(t, n, e); }
static int32_t tl_tensor_info(const tl_api *a, const tl_tensor *t, tl_info *i, tl_error *e) { return a->tensor_info(t, i, e); }
static int32_t tl_tensor_from_data(const tl_api *a, const void *p, int64_t bytes, int64_t dtype, const int64_t *sizes, int64_t dims, tl_result *r, int64_t *scope, tl_error *e) { return a->tensor_from_data(p, bytes, dtype, sizes, dims, r, scope, e); }
static int32_t tl_tensor_read(const tl_api *a, const tl_tensor *t, void *p, int64_t bytes, tl_error *e) { return a->tensor_read(t, p, bytes, e); }
static int32_t tl_tensor_write(const tl_api *a, tl_tensor *t, const void *p, int64_t bytes, tl_error *e) { return a->tensor_write(t, p, bytes, e); }
static int32_t tl_tensor_print(const tl_api *a, const tl_tensor *t, char *p, int64_t cap, int64_t *len, tl_error *e) { return a->tensor_print(t, p, cap, len, e); }

static int32_t tl_op_find(const tl_api *a, const char *name, const char *overload, tl_op **op, tl_error *e) { return a->op_find(name, overload, op, e); }
static int32_t tl_op_call(uintptr_t op, const tl_value *args, int64_t n, tl_result *r, int64_t cap, int64_t *nr, int64_t *scope, tl_error *e) { return opened->op_call((const tl_op *)op, args, n, r, cap, nr, scope, e); }

static int32_t tl_backward(const tl_api *a, const tl_tensor *t, const tl_tensor *g, int32_t retain, int32_t create, tl_error *e) { return a->backward(t, g, retain, create, e); }
static int32_t tl_grad(const tl_api *a, const tl_tensor *t, tl_result *r, int64_t *scope, tl_error *e) { return a->grad(t, r, scope, e); }
static int32_t tl_set_grad(const tl_api *a, tl_tensor *t, const tl_tensor *g, tl_error *e) { return a->set_grad(t, g, e); }
static int32_t tl_clear_grads(const tl_api *a, const tl_value *t, int64_t n, tl_error *e) { return a->clear_grads(t, n, e); }
static int32_t tl_set_requires_grad(const tl_api *a, tl_tensor *t, int32_t on, tl_error *e) { return a->set_requires_grad(t, on, e); }
static int32_t tl_set_data(const tl_api *a, tl_tensor *t, const tl_tensor *d, tl_error *e) { return a->set_data(t, d, e); }
static int32_t tl_grad_mode(const tl_api *a, int32_t on, int32_t *before, tl_error *e) { return a->grad_mode(on, before, e); }
static int32_t tl_autocast_mode(const tl_api *a, int64_t device, int32_t on, int64_t dtype, int32_t *before, int64_t *dtype_before, tl_error *e) { return a->autocast_mode(device, on, dtype, before, dtype_before, e); }
static int32_t tl_scope_mode(const tl_api *a, int64_t scope, int64_t *before, tl_error *e) { return a->scope_mode(scope, before, e); }
static int32_t tl_grad_of(const tl_api *a, const tl_value *o, const tl_value *g, int64_t no, const tl_value *i, int64_t ni, int32_t retain, int32_t create, int32_t unused, tl_result *r, int64_t *scope, tl_error *e) { return a->grad_of(o, g, no, i, ni, retain, create, unused, r, scope, e); }
static int32_t tl_grad_fn(const tl_api *a, const tl_tensor *t, char *p, int64_t cap, int64_t *len, tl_error *e) { return a->grad_fn(t, p, cap, len, e); }

// Nothing here calls back into Go, and nothing keeps a pointer after its return
// (rule 3 of torchlit.h), so arguments may stay on the goroutine's stack.
#cgo noescape tl_tensor_free
#cgo nocallback tl_tensor_free
#cgo noescape tl_tensor_info
#cgo nocallback tl_tensor_info
#cgo noescape tl_tensor_from_data
#cgo nocallback tl_tensor_from_data
#cgo noescape tl_tensor_read
#cgo nocallback tl_tensor_read
#cgo noescape tl_tensor_write
#cgo nocallback tl_tensor_write
#cgo noescape tl_op_call
#cgo nocallback tl_op_call
#cgo noescape tl_grad
#cgo nocallback tl_grad
#cgo noescape tl_clear_grads
#cgo nocallback tl_clear_grads
#cgo noescape tl_backward
#cgo nocallback tl_backward
#cgo noescape tl_grad_of
#cgo nocallback tl_grad_of
#cgo noescape tl_grad_fn
#cgo nocallback tl_grad_fn
*/
import "C"

import (
	"errors"
	"unsafe"
)

// headerABI is TL_ABI once more, raised with it. The go command does not watch a
// header outside the package: without a change here it would go on with the package
// as compiled from the old one.
const headerABI = 8

var _ [C.TL_ABI]struct{} = [headerABI]struct{}{}

// table is libtorchlit's function table; nil until rawOpen has succeeded.
var table *C.tl_api

// errorText is the buffer that a call's error comes back in.
type errorText C.tl_error

func (e *errorText) String() string { return C.GoString(&e.text[0]) }

func (e *errorText) c() *C.tl_error { return (*C.tl_error)(e) }

func rawOpen(path string) error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why *C.char
	api := C.tl_open(name, &why)
	if api == nil {
		return errors.New(C.GoString(why))
	}
	table = api
	return nil
}

func rawLibtorchVersion() string { return C.GoString(C.tl_libtorch_version(table)) }
func rawCPUCapability() string   { return C.GoString(C.tl_cpu_capability(table)) }

func rawSetNumThreads(n int64, e *errorText) int32 {
	return int32(C.tl_set_num_threads(table, C.int64_t(n), e.c()))
}

func rawNumThreads(n *int64, e *errorText) int32 {
	return int32(C.tl_num_threads(table, (*C.int64_t)(n), e.c()))
}

func rawManualSeed(seed uint64, e *errorText) int32 {
	return int32(C.tl_manual_seed(table, C.uint64_t(seed), e.c()))
}

func rawSetSwitch(which int64, on bool, e *errorText) int32 {
	return int32(C.tl_set_switch(table, C.int64_t(which), flag(on), e.c()))
}

func tensorPointer(p unsafe.Pointer) *C.tl_tensor { return (*C.tl_tensor)(p) }

func values(v []Value) (*C.tl_value, C.int64_t) {
	return (*C.tl_value)(unsafe.Pointer(unsafe.SliceData(v))), C.int64_t(len(v))
}

func rawTensorFree(tensors []Value, e *errorText) int32 {
	p, n := values(tensors)
	return int32(C.tl_tensor_free(p, n, e.c()))
}

func rawTensorInfo(t unsafe.Pointer, info *Info, e *errorText) int32 {
	return int32(C.tl_tensor_info(table, tensorPointer(t), (*C.tl_info)(unsafe.Pointer(info)), e.c()))
}

func rawTensorFromData(data unsafe.Pointer, bytes, dtype int64, sizes []int64, r *Result, e *errorText) (scope int64, status int32) {
	var s C.int64_t
	status = int32(C.tl_tensor_from_data(table, data, C.int64_t(bytes), C.int64_t(dtype),
		(*C.int64_t)(unsafe.SliceData(sizes)), C.int64_t(len(sizes)), (*C.tl_result)(unsafe.Pointer(r)), &s, e.c()))
	return int64(s), status
}

func rawTensorRead(t, dst unsafe.Pointer, bytes int64, e *errorText) int32 {
	return int32(C.tl_tensor_read(table, tensorPointer(t), dst, C.int64_t(bytes), e.c()))
}

func rawTensorWrite(t, src unsafe.Pointer, bytes int64, e *errorText) int32 {
	return int32(C.tl_tensor_write(table, tensorPointer(t), src, C.int64_t(bytes), e.c()))
}

func rawTensorPrint(t unsafe.Pointer, dst []byte, n *int64, e *errorText) int32 {
	return int32(C.tl_tensor_print(table, tensorPointer(t), (*C.char)(unsafe.Pointer(unsafe.SliceData(dst))),
		C.int64_t(len(dst)), (*C.int64_t)(n), e.c()))
}

func rawOpFind(name, overload string, op *unsafe.Pointer, e *errorText) int32 {
	n, o := C.CString(name), C.CString(overload)
	defer C.free(unsafe.Pointer(n))
	defer C.free(unsafe.Pointer(o))
	var found *C.tl_op
	status := C.tl_op_find(table, n, o, &found, e.c())
	*op = unsafe.Pointer(found)
	return int32(status)
}

func rawOpCall(op unsafe.Pointer, args []Value, results []Result, e *errorText) (n, scope int64, status int32) {
	p, nargs := values(args)
	var cn, cscope C.int64_t
	s := C.tl_op_call(C.uintptr_t(uintptr(op)), p, nargs,
		(*C.tl_result)(unsafe.Pointer(unsafe.SliceData(results))), C.int64_t(len(results)), &cn, &cscope, e.c())
	return int64(cn), int64(cscope), int32(s)
}

func rawBackward(root, gradient unsafe.Pointer, retain, create bool, e *errorText) int32 {
	return int32(C.tl_backward(table, tensorPointer(root), tensorPointer(gradient), flag(retain), flag(create), e.c()))
}

func rawGrad(t unsafe.Pointer, r *Result, e *errorText) (scope int64, status int32) {
	var s C.int64_t
	status = int32(C.tl_grad(table, tensorPointer(t), (*C.tl_result)(unsafe.Pointer(r)), &s, e.c()))
	return int64(s), status
}

func rawSetGrad(t, gradient unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_set_grad(table, tensorPointer(t), tensorPointer(gradient), e.c()))
}

func rawClearGrads(tensors []Value, e *errorText) int32 {
	p, n := values(tensors)
	return int32(C.tl_clear_grads(table, p, n, e.c()))
}

func rawSetRequiresGrad(t unsafe.Pointer, on bool, e *errorText) int32 {
	return int32(C.tl_set_requires_grad(table, tensorPointer(t), flag(on), e.c()))
}

func rawSetData(t, data unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_set_data(table, tensorPointer(t), tensorPointer(data), e.c()))
}

func rawGradMode(on bool, e *errorText) (before bool, status int32) {
	var b C.int32_t
	status = int32(C.tl_grad_mode(table, flag(on), &b, e.c()))
	return b != 0, status
}

func rawAutocastMode(device int64, on bool, dtype int64, e *errorText) (before bool, dtypeBefore int64, status int32) {
	var b C.int32_t
	var d C.int64_t
	status = int32(C.tl_autocast_mode(table, C.int64_t(device), flag(on), C.int64_t(dtype), &b, &d, e.c()))
	return b != 0, int64(d), status
}

func rawScopeMode(scope int64, e *errorText) (before int64, status int32) {
	var b C.int64_t
	status = int32(C.tl_scope_mode(table, C.int64_t(scope), &b, e.c()))
	return int64(b), status
}

func rawGradOf(outputs, gradients, inputs []Value, retain, create, unused bool, results []Result, e *errorText) (scope int64, status int32) {
	o, no := values(outputs)
	g, _ := values(gradients)
	i, ni := values(inputs)
	var s C.int64_t
	status = int32(C.tl_grad_of(table, o, g, no, i, ni, flag(retain), flag(create), flag(unused),
		(*C.tl_result)(unsafe.Pointer(unsafe.SliceData(results))), &s, e.c()))
	return int64(s), status
}

func rawGradFn(t unsafe.Pointer, dst []byte, n *int64, e *errorText) int32 {
	return int32(C.tl_grad_fn(table, tensorPointer(t), (*C.char)(unsafe.Pointer(unsafe.SliceData(dst))),
		C.int64_t(len(dst)), (*C.int64_t)(n), e.c()))
}

func flag(on bool) C.int32_t {
	if on {
		return 1
	}
	return 0
}
