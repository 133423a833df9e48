//go:build cgo

package libtorch

/*
#include <stdlib.h>
#include "torchlit.h"

static int32_t tl_module_load(const tl_api *a, const char *path, int64_t type, int64_t index, tl_module **m, tl_error *e) { return a->module_load(path, type, index, m, e); }
static int32_t tl_module_free(const tl_api *a, tl_module *m, tl_error *e) { return a->module_free(m, e); }
static int32_t tl_module_save(const tl_api *a, const tl_module *m, const char *path, tl_error *e) { return a->module_save(m, path, e); }
static int32_t tl_module_to(const tl_api *a, tl_module *m, int64_t type, int64_t index, tl_error *e) { return a->module_to(m, type, index, e); }
static int32_t tl_module_train(const tl_api *a, tl_module *m, int32_t on, tl_error *e) { return a->module_train(m, on, e); }
static int32_t tl_module_call(const tl_api *a, tl_module *m, const char *method, const tl_value *args, int64_t n, tl_result **r, int64_t *nr, int64_t *scope, tl_error *e) { return a->module_call(m, method, args, n, r, nr, scope, e); }
static int32_t tl_module_list(const tl_api *a, const tl_module *m, int64_t what, tl_result **r, int64_t *nr, int64_t *scope, tl_error *e) { return a->module_list(m, what, r, nr, scope, e); }
static void tl_results_free(const tl_api *a, tl_result *r) { a->results_free(r); }
*/
import "C"

import (
	"slices"
	"unsafe"
)

func rawModuleLoad(path string, kind, index int64, out *unsafe.Pointer, e *errorText) int32 {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var m *C.tl_module
	status := C.tl_module_load(table, name, C.int64_t(kind), C.int64_t(index), &m, e.c())
	*out = unsafe.Pointer(m)
	return int32(status)
}

func rawModuleFree(m unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_module_free(table, (*C.tl_module)(m), e.c()))
}

func rawModuleSave(m unsafe.Pointer, path string, e *errorText) int32 {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	return int32(C.tl_module_save(table, (*C.tl_module)(m), name, e.c()))
}

func rawModuleTo(m unsafe.Pointer, kind, index int64, e *errorText) int32 {
	return int32(C.tl_module_to(table, (*C.tl_module)(m), C.int64_t(kind), C.int64_t(index), e.c()))
}

func rawModuleTrain(m unsafe.Pointer, on bool, e *errorText) int32 {
	return int32(C.tl_module_train(table, (*C.tl_module)(m), flag(on), e.c()))
}

func rawModuleCall(m unsafe.Pointer, method string, args []Value, e *errorText) (r []Result, scope int64, status int32) {
	name := C.CString(method)
	defer C.free(unsafe.Pointer(name))
	p, nargs := values(args)
	var results *C.tl_result
	var n, s C.int64_t
	status = int32(C.tl_module_call(table, (*C.tl_module)(m), name, p, nargs, &results, &n, &s, e.c()))
	return takeResults(results, n), int64(s), status
}

func rawModuleList(m unsafe.Pointer, what int64, e *errorText) (r []Result, scope int64, status int32) {
	var results *C.tl_result
	var n, s C.int64_t
	status = int32(C.tl_module_list(table, (*C.tl_module)(m), C.int64_t(what), &results, &n, &s, e.c()))
	return takeResults(results, n), int64(s), status
}

// takeResults copies an array of the library's and frees it.
func takeResults(p *C.tl_result, n C.int64_t) []Result {
	if p == nil {
		return nil
	}
	defer C.tl_results_free(table, p)
	return slices.Clone(unsafe.Slice((*Result)(unsafe.Pointer(p)), int(n)))
}
