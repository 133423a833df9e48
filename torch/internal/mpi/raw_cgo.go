//go:build cgo

package mpi

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc/mpi
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include "torchlit_mpi.h"

// RTLD_GLOBAL, unlike libtorch: OpenMPI opens plugins of its own, which find the
// symbols of the library proper only among the global ones.
static const tm_api *tm_open(const char *path, char **why) {
  void *lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!lib) { *why = dlerror(); return NULL; }
  const tm_api *(*get)(int64_t) = (const tm_api *(*)(int64_t))dlsym(lib, "tm_get_api");
  if (!get) { *why = dlerror(); return NULL; }
  const tm_api *api = get(TM_ABI);
  if (!api) *why = "it was built from another version of torchlit_mpi.h; run 'make build'";
  return api;
}

static int32_t tm_init(const tm_api *a, tm_comm **c, int64_t *rank, int64_t *size, tm_error *e) { return a->init(c, rank, size, e); }
static int32_t tm_duplicate(const tm_api *a, const tm_comm *c, tm_comm **d, tm_error *e) { return a->duplicate(c, d, e); }
static int32_t tm_free(const tm_api *a, tm_comm *c, tm_error *e) { return a->free(c, e); }
static int32_t tm_all_reduce(const tm_api *a, tm_comm *c, void *p, int64_t n, int64_t type, double s, tm_error *e) { return a->all_reduce(c, p, n, type, s, e); }
static int32_t tm_broadcast(const tm_api *a, tm_comm *c, void *p, int64_t n, int64_t root, double s, tm_error *e) { return a->broadcast(c, p, n, root, s, e); }
static int32_t tm_all_gather(const tm_api *a, tm_comm *c, const void *p, void *all, int64_t n, double s, tm_error *e) { return a->all_gather(c, p, all, n, s, e); }
static int32_t tm_barrier(const tm_api *a, tm_comm *c, double s, tm_error *e) { return a->barrier(c, s, e); }
static int32_t tm_finalize(const tm_api *a, tm_error *e) { return a->finalize(e); }
*/
import "C"

import (
	"errors"
	"unsafe"
)

// headerABI is TM_ABI once more: the go command does not watch a header outside the
// package.
const headerABI = 1

var _ [C.TM_ABI]struct{} = [headerABI]struct{}{}

var table *C.tm_api // nil until rawOpen has succeeded

type errorText C.tm_error

func (e *errorText) String() string { return C.GoString(&e.text[0]) }

func (e *errorText) c() *C.tm_error { return (*C.tm_error)(e) }

func rawOpen(path string) error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why *C.char
	api := C.tm_open(name, &why)
	if api == nil {
		return errors.New(C.GoString(why))
	}
	table = api
	return nil
}

func comm(c Comm) *C.tm_comm { return (*C.tm_comm)(c) }

func start(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func rawInit(out *Comm, rank, size *int64, e *errorText) int32 {
	var c *C.tm_comm
	status := C.tm_init(table, &c, (*C.int64_t)(rank), (*C.int64_t)(size), e.c())
	*out = Comm(c)
	return int32(status)
}

func rawDuplicate(c Comm, out *Comm, e *errorText) int32 {
	var d *C.tm_comm
	status := C.tm_duplicate(table, comm(c), &d, e.c())
	*out = Comm(d)
	return int32(status)
}

func rawFree(c Comm, e *errorText) int32 { return int32(C.tm_free(table, comm(c), e.c())) }

func rawAllReduce(c Comm, data []byte, count, kind int64, seconds float64, e *errorText) int32 {
	return int32(C.tm_all_reduce(table, comm(c), start(data), C.int64_t(count), C.int64_t(kind), C.double(seconds), e.c()))
}

func rawBroadcast(c Comm, data []byte, root int64, seconds float64, e *errorText) int32 {
	return int32(C.tm_broadcast(table, comm(c), start(data), C.int64_t(len(data)), C.int64_t(root), C.double(seconds), e.c()))
}

func rawAllGather(c Comm, mine, all []byte, seconds float64, e *errorText) int32 {
	return int32(C.tm_all_gather(table, comm(c), start(mine), start(all), C.int64_t(len(mine)), C.double(seconds), e.c()))
}

func rawBarrier(c Comm, seconds float64, e *errorText) int32 {
	return int32(C.tm_barrier(table, comm(c), C.double(seconds), e.c()))
}

func rawFinalize(e *errorText) int32 { return int32(C.tm_finalize(table, e.c())) }
