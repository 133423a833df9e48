//go:build cgo

package libtorch

/*
#include "torchlit.h"

static int32_t tl_device_count(const tl_api *a, int64_t type, int64_t *n, tl_error *e) { return a->device_count(type, n, e); }
static int32_t tl_has_cudnn(const tl_api *a, int32_t *has, tl_error *e) { return a->has_cudnn(has, e); }
static int32_t tl_device_info_of(const tl_api *a, int64_t type, int64_t index, tl_device_info *i, tl_error *e) { return a->device_info(type, index, i, e); }
static int32_t tl_stream_current(const tl_api *a, int64_t type, int64_t index, tl_stream *s, tl_error *e) { return a->stream_current(type, index, s, e); }
static int32_t tl_stream_new(const tl_api *a, int64_t type, int64_t index, tl_stream *s, tl_error *e) { return a->stream_new(type, index, s, e); }
static int32_t tl_stream_mode(const tl_api *a, const tl_stream *s, tl_stream *before, tl_error *e) { return a->stream_mode(s, before, e); }
static int32_t tl_stream_query(const tl_api *a, const tl_stream *s, int32_t *done, tl_error *e) { return a->stream_query(s, done, e); }
static int32_t tl_stream_synchronize(const tl_api *a, const tl_stream *s, tl_error *e) { return a->stream_synchronize(s, e); }
static int32_t tl_device_synchronize(const tl_api *a, int64_t type, int64_t index, tl_error *e) { return a->device_synchronize(type, index, e); }
static int32_t tl_memory_stats(const tl_api *a, int64_t type, int64_t index, tl_memory *m, tl_error *e) { return a->memory_stats(type, index, m, e); }
static int32_t tl_memory_reset_peaks(const tl_api *a, int64_t type, int64_t index, tl_error *e) { return a->memory_reset_peaks(type, index, e); }
static int32_t tl_memory_empty_cache(const tl_api *a, int64_t type, tl_error *e) { return a->memory_empty_cache(type, e); }
*/
import "C"

import "unsafe"

// The Go structs are passed as they lie: a difference in size does not compile.
var (
	_ [C.sizeof_tl_stream]struct{}      = [unsafe.Sizeof(Stream{})]struct{}{}
	_ [C.sizeof_tl_memory]struct{}      = [unsafe.Sizeof(Memory{})]struct{}{}
	_ [C.sizeof_tl_device_info]struct{} = [unsafe.Sizeof(DeviceInfo{})]struct{}{}
)

func (s *Stream) c() *C.tl_stream { return (*C.tl_stream)(unsafe.Pointer(s)) }

func rawDeviceCount(kind int64, n *int64, e *errorText) int32 {
	return int32(C.tl_device_count(table, C.int64_t(kind), (*C.int64_t)(n), e.c()))
}

func rawHasCuDNN(e *errorText) (has bool, status int32) {
	var h C.int32_t
	status = int32(C.tl_has_cudnn(table, &h, e.c()))
	return h != 0, status
}

func rawDeviceInfo(kind, index int64, info *DeviceInfo, e *errorText) int32 {
	return int32(C.tl_device_info_of(table, C.int64_t(kind), C.int64_t(index), (*C.tl_device_info)(unsafe.Pointer(info)), e.c()))
}

func rawStreamCurrent(kind, index int64, s *Stream, e *errorText) int32 {
	return int32(C.tl_stream_current(table, C.int64_t(kind), C.int64_t(index), s.c(), e.c()))
}

func rawStreamNew(kind, index int64, s *Stream, e *errorText) int32 {
	return int32(C.tl_stream_new(table, C.int64_t(kind), C.int64_t(index), s.c(), e.c()))
}

func rawStreamMode(s, before *Stream, e *errorText) int32 {
	return int32(C.tl_stream_mode(table, s.c(), before.c(), e.c()))
}

func rawStreamQuery(s *Stream, e *errorText) (done bool, status int32) {
	var d C.int32_t
	status = int32(C.tl_stream_query(table, s.c(), &d, e.c()))
	return d != 0, status
}

func rawStreamSynchronize(s *Stream, e *errorText) int32 {
	return int32(C.tl_stream_synchronize(table, s.c(), e.c()))
}

func rawDeviceSynchronize(kind, index int64, e *errorText) int32 {
	return int32(C.tl_device_synchronize(table, C.int64_t(kind), C.int64_t(index), e.c()))
}

func rawMemoryStats(kind, index int64, m *Memory, e *errorText) int32 {
	return int32(C.tl_memory_stats(table, C.int64_t(kind), C.int64_t(index), (*C.tl_memory)(unsafe.Pointer(m)), e.c()))
}

func rawMemoryResetPeaks(kind, index int64, e *errorText) int32 {
	return int32(C.tl_memory_reset_peaks(table, C.int64_t(kind), C.int64_t(index), e.c()))
}

func rawMemoryEmptyCache(kind int64, e *errorText) int32 {
	return int32(C.tl_memory_empty_cache(table, C.int64_t(kind), e.c()))
}
