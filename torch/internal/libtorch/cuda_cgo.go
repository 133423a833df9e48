//go:build cgo

package libtorch

/*
#include <dlfcn.h>
#include <stdlib.h>
#include "cuda/torchlit_cuda.h"

static const tl_cuda_api *cuda;

// open_cuda needs a reason that outlives dlerror's.
static int open_cuda(const char *path, const char **why) {
  void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!lib) { *why = dlerror(); return 0; }
  const tl_cuda_api *(*get)(int64_t, int64_t) = (const tl_cuda_api *(*)(int64_t, int64_t))dlsym(lib, "tl_cuda_get_api");
  if (!get) { *why = dlerror(); return 0; }
  cuda = get(TL_CUDA_ABI, TL_ABI);
  if (!cuda) *why = "it was built from another version of torchlit_cuda.h; run 'make build CUDA=1'";
  return cuda != NULL;
}

static int32_t tl_cuda_open(const tl_engine_config *c, const tl_cuda_options *o, const tl_step *s, int64_t n, tl_cuda **out, tl_error *e) { return cuda->open(c, o, s, n, out, e); }
static int32_t tl_cuda_info_of(const tl_cuda *c, tl_cuda_info *i, tl_error *e) { return cuda->info(c, i, e); }
static void tl_cuda_close(tl_cuda *c) { cuda->close(c); }
static int32_t tl_cuda_lane_new(tl_cuda *c, tl_cuda_lane **out, uint8_t **staging, tl_error *e) { return cuda->lane_new(c, out, staging, e); }
static int32_t tl_cuda_lane_send(tl_cuda_lane *l, int64_t from, int64_t n, tl_error *e) { return cuda->lane_send(l, from, n, e); }
static int32_t tl_cuda_lane_run(tl_cuda_lane *l, int64_t n, int32_t logits, float *answers, tl_error *e) { return cuda->lane_run(l, n, logits, answers, e); }
static int32_t tl_cuda_lane_planes(tl_cuda_lane *l, const float *planes, int64_t n, int32_t logits, float *answers, tl_error *e) { return cuda->lane_planes(l, planes, n, logits, answers, e); }
static int32_t tl_cuda_compile(int64_t major, int64_t minor, tl_error *e) { return cuda->compile(major, minor, e); }
static void tl_cuda_lane_close(tl_cuda_lane *l) { cuda->lane_close(l); }

#cgo noescape tl_cuda_lane_run
#cgo nocallback tl_cuda_lane_run
#cgo noescape tl_cuda_lane_planes
#cgo nocallback tl_cuda_lane_planes
#cgo noescape tl_cuda_lane_send
#cgo nocallback tl_cuda_lane_send
*/
import "C"

import (
	"errors"
	"unsafe"
)

// headerCUDAABI is to TL_CUDA_ABI what headerABI is to TL_ABI.
const headerCUDAABI = 2

var _ [C.TL_CUDA_ABI]struct{} = [headerCUDAABI]struct{}{}

var (
	_ [C.sizeof_tl_cuda_options]struct{} = [unsafe.Sizeof(CUDAOptions{})]struct{}{}
	_ [C.sizeof_tl_cuda_info]struct{}    = [unsafe.Sizeof(CUDAInfo{})]struct{}{}
	_ [C.TL_CUDA_LOST]struct{}           = [cudaLost]struct{}{}
	_ [C.TL_CUDA_MEMORY]struct{}         = [cudaMemory]struct{}{}
)

func rawOpenCUDA(path string) error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why *C.char
	if C.open_cuda(name, &why) == 0 {
		return errors.New(C.GoString(why))
	}
	return nil
}

func rawCUDAOpen(config *EngineConfig, options *CUDAOptions, steps []Step, out *unsafe.Pointer, e *errorText) int32 {
	var engine *C.tl_cuda
	status := C.tl_cuda_open((*C.tl_engine_config)(unsafe.Pointer(config)), (*C.tl_cuda_options)(unsafe.Pointer(options)),
		(*C.tl_step)(unsafe.Pointer(unsafe.SliceData(steps))), C.int64_t(len(steps)), &engine, e.c())
	*out = unsafe.Pointer(engine)
	return int32(status)
}

func rawCUDAInfo(engine unsafe.Pointer, info *CUDAInfo, e *errorText) int32 {
	return int32(C.tl_cuda_info_of((*C.tl_cuda)(engine), (*C.tl_cuda_info)(unsafe.Pointer(info)), e.c()))
}

func rawCUDAClose(engine unsafe.Pointer) { C.tl_cuda_close((*C.tl_cuda)(engine)) }

func rawCUDALaneNew(engine unsafe.Pointer, out, staging *unsafe.Pointer, e *errorText) int32 {
	var lane *C.tl_cuda_lane
	var memory *C.uint8_t
	status := C.tl_cuda_lane_new((*C.tl_cuda)(engine), &lane, &memory, e.c())
	*out, *staging = unsafe.Pointer(lane), unsafe.Pointer(memory)
	return int32(status)
}

func rawCUDALaneSend(lane unsafe.Pointer, from, n int64, e *errorText) int32 {
	return int32(C.tl_cuda_lane_send((*C.tl_cuda_lane)(lane), C.int64_t(from), C.int64_t(n), e.c()))
}

func rawCUDALaneRun(lane unsafe.Pointer, n int64, logits bool, answers []float32, e *errorText) int32 {
	return int32(C.tl_cuda_lane_run((*C.tl_cuda_lane)(lane), C.int64_t(n), flag(logits), (*C.float)(unsafe.SliceData(answers)), e.c()))
}

func rawCUDALanePlanes(lane unsafe.Pointer, planes []float32, n int64, logits bool, answers []float32, e *errorText) int32 {
	return int32(C.tl_cuda_lane_planes((*C.tl_cuda_lane)(lane), (*C.float)(unsafe.SliceData(planes)), C.int64_t(n), flag(logits),
		(*C.float)(unsafe.SliceData(answers)), e.c()))
}

func rawCUDACompile(major, minor int64, e *errorText) int32 {
	return int32(C.tl_cuda_compile(C.int64_t(major), C.int64_t(minor), e.c()))
}

func rawCUDALaneClose(lane unsafe.Pointer) { C.tl_cuda_lane_close((*C.tl_cuda_lane)(lane)) }
