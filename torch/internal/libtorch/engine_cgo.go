//go:build cgo

package libtorch

/*
#include "torchlit.h"

static int32_t tl_engine_open(const tl_api *a, const tl_engine_config *c, const tl_step *s, int64_t n, tl_engine **out, tl_error *e) { return a->engine_open(c, s, n, out, e); }
static int32_t tl_engine_share(const tl_api *a, const tl_engine *g, tl_engine **out, tl_error *e) { return a->engine_share(g, out, e); }
static int32_t tl_engine_run(const tl_api *a, tl_engine *g, const uint8_t *images, int64_t n, float *logits, tl_error *e) { return a->engine_run(g, images, n, logits, e); }
static int32_t tl_engine_run_planes(const tl_api *a, tl_engine *g, const float *planes, int64_t n, float *logits, tl_error *e) { return a->engine_run_planes(g, planes, n, logits, e); }
static int32_t tl_engine_chunk(const tl_api *a, const tl_engine *g, int64_t *n, tl_error *e) { return a->engine_chunk(g, n, e); }
static int32_t tl_engine_shapes(const tl_api *a, const tl_engine *g, int64_t *shapes, int64_t n, tl_error *e) { return a->engine_shapes(g, shapes, n, e); }
static int32_t tl_engine_trace(const tl_api *a, tl_engine *g, const uint8_t *images, int64_t n, float *results, int64_t length, tl_error *e) { return a->engine_trace(g, images, n, results, length, e); }
static int32_t tl_engine_precision(const tl_api *a, int64_t precision, int32_t *runs, int32_t *fast, tl_error *e) { return a->engine_precision(precision, runs, fast, e); }
static int32_t tl_engine_close(const tl_api *a, tl_engine *g, tl_error *e) { return a->engine_close(g, e); }
static int32_t tl_image_resize(const tl_api *a, const uint8_t *src, int64_t h, int64_t w, double eh, double ew, uint8_t *dst, int64_t dh, int64_t dw, int32_t bicubic, tl_error *e) { return a->image_resize(src, h, w, eh, ew, dst, dh, dw, bicubic, e); }

#cgo noescape tl_engine_run
#cgo nocallback tl_engine_run
#cgo noescape tl_engine_run_planes
#cgo nocallback tl_engine_run_planes
#cgo noescape tl_image_resize
#cgo nocallback tl_image_resize
*/
import "C"

import "unsafe"

// The Go structs are passed as they lie: a difference in size does not compile.
var (
	_ [C.sizeof_tl_step]struct{}          = [unsafe.Sizeof(Step{})]struct{}{}
	_ [C.sizeof_tl_engine_config]struct{} = [unsafe.Sizeof(EngineConfig{})]struct{}{}
)

func bytePointer(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(b)) }

func rawEngineOpen(config *EngineConfig, steps []Step, out *unsafe.Pointer, e *errorText) int32 {
	var engine *C.tl_engine
	status := C.tl_engine_open(table, (*C.tl_engine_config)(unsafe.Pointer(config)),
		(*C.tl_step)(unsafe.Pointer(unsafe.SliceData(steps))), C.int64_t(len(steps)), &engine, e.c())
	*out = unsafe.Pointer(engine)
	return int32(status)
}

func rawEngineShare(engine unsafe.Pointer, out *unsafe.Pointer, e *errorText) int32 {
	var other *C.tl_engine
	status := C.tl_engine_share(table, (*C.tl_engine)(engine), &other, e.c())
	*out = unsafe.Pointer(other)
	return int32(status)
}

func rawEngineRun(engine unsafe.Pointer, images []byte, n int64, logits []float32, e *errorText) int32 {
	return int32(C.tl_engine_run(table, (*C.tl_engine)(engine), bytePointer(images), C.int64_t(n),
		(*C.float)(unsafe.SliceData(logits)), e.c()))
}

func rawEngineRunPlanes(engine unsafe.Pointer, planes []float32, n int64, logits []float32, e *errorText) int32 {
	return int32(C.tl_engine_run_planes(table, (*C.tl_engine)(engine), (*C.float)(unsafe.SliceData(planes)), C.int64_t(n),
		(*C.float)(unsafe.SliceData(logits)), e.c()))
}

func rawEngineChunk(engine unsafe.Pointer, n *int64, e *errorText) int32 {
	return int32(C.tl_engine_chunk(table, (*C.tl_engine)(engine), (*C.int64_t)(unsafe.Pointer(n)), e.c()))
}

func rawEngineShapes(engine unsafe.Pointer, shapes [][3]int64, e *errorText) int32 {
	return int32(C.tl_engine_shapes(table, (*C.tl_engine)(engine), (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(shapes))),
		C.int64_t(len(shapes)), e.c()))
}

func rawEngineTrace(engine unsafe.Pointer, images []byte, n int64, results []float32, e *errorText) int32 {
	return int32(C.tl_engine_trace(table, (*C.tl_engine)(engine), bytePointer(images), C.int64_t(n),
		(*C.float)(unsafe.SliceData(results)), C.int64_t(len(results)), e.c()))
}

func rawEnginePrecision(precision int64, runs, fast *int32, e *errorText) int32 {
	return int32(C.tl_engine_precision(table, C.int64_t(precision), (*C.int32_t)(unsafe.Pointer(runs)),
		(*C.int32_t)(unsafe.Pointer(fast)), e.c()))
}

func rawEngineClose(engine unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_engine_close(table, (*C.tl_engine)(engine), e.c()))
}

func rawImageResize(src []byte, height, width int64, extentHeight, extentWidth float64, dst []byte, dstHeight, dstWidth int64, bicubic bool, e *errorText) int32 {
	return int32(C.tl_image_resize(table, bytePointer(src), C.int64_t(height), C.int64_t(width), C.double(extentHeight), C.double(extentWidth),
		bytePointer(dst), C.int64_t(dstHeight), C.int64_t(dstWidth), flag(bicubic), e.c()))
}
