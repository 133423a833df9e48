//go:build cgo

package libtorch

/*
#include "torchlit.h"

static int32_t tl_generator_new(const tl_api *a, int64_t type, int64_t index, tl_generator **g, tl_error *e) { return a->generator_new(type, index, g, e); }
static int32_t tl_generator_free(const tl_api *a, tl_generator *g, tl_error *e) { return a->generator_free(g, e); }
static int32_t tl_generator_set_seed(const tl_api *a, tl_generator *g, uint64_t seed, tl_error *e) { return a->generator_set_seed(g, seed, e); }
static int32_t tl_generator_seed(const tl_api *a, tl_generator *g, int32_t fresh, uint64_t *seed, tl_error *e) { return a->generator_seed(g, fresh, seed, e); }
static int32_t tl_generator_state(const tl_api *a, const tl_generator *g, tl_result *r, int64_t *scope, tl_error *e) { return a->generator_state(g, r, scope, e); }
static int32_t tl_generator_set_state(const tl_api *a, tl_generator *g, const tl_tensor *t, tl_error *e) { return a->generator_set_state(g, t, e); }
*/
import "C"

import "unsafe"

func rawGeneratorNew(kind, index int64, out *unsafe.Pointer, e *errorText) int32 {
	var g *C.tl_generator
	status := C.tl_generator_new(table, C.int64_t(kind), C.int64_t(index), &g, e.c())
	*out = unsafe.Pointer(g)
	return int32(status)
}

func rawGeneratorFree(g unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_generator_free(table, (*C.tl_generator)(g), e.c()))
}

func rawGeneratorSetSeed(g unsafe.Pointer, seed uint64, e *errorText) int32 {
	return int32(C.tl_generator_set_seed(table, (*C.tl_generator)(g), C.uint64_t(seed), e.c()))
}

func rawGeneratorSeed(g unsafe.Pointer, fresh bool, seed *uint64, e *errorText) int32 {
	return int32(C.tl_generator_seed(table, (*C.tl_generator)(g), flag(fresh), (*C.uint64_t)(seed), e.c()))
}

func rawGeneratorState(g unsafe.Pointer, r *Result, e *errorText) (scope int64, status int32) {
	var s C.int64_t
	status = int32(C.tl_generator_state(table, (*C.tl_generator)(g), (*C.tl_result)(unsafe.Pointer(r)), &s, e.c()))
	return int64(s), status
}

func rawGeneratorSetState(g, state unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_generator_set_state(table, (*C.tl_generator)(g), tensorPointer(state), e.c()))
}
