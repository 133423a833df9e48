//go:build cgo

package libtorch

/*
#include <stdlib.h>
#include "torchlit.h"

static int32_t tl_tensor_memory(const tl_api *a, tl_tensor *t, void **p, int64_t *n, tl_error *e) { return a->tensor_memory(t, p, n, e); }
static int32_t tl_mailbox_new(const tl_api *a, tl_mailbox **m, tl_error *e) { return a->mailbox_new(m, e); }
static int32_t tl_mailbox_take(const tl_api *a, tl_mailbox *m, int64_t *letter, tl_result *r, tl_error *e) { return a->mailbox_take(m, letter, r, e); }
static int32_t tl_mailbox_answer(const tl_api *a, tl_mailbox *m, int64_t letter, const char *why, tl_error *e) { return a->mailbox_answer(m, letter, why, e); }
static int32_t tl_mailbox_close(const tl_api *a, tl_mailbox *m, tl_error *e) { return a->mailbox_close(m, e); }
static int32_t tl_mailbox_free(const tl_api *a, tl_mailbox *m, tl_error *e) { return a->mailbox_free(m, e); }
static int32_t tl_buckets_new(const tl_api *a, const tl_value *p, const int64_t *of, int64_t n, int64_t nb, double scale, tl_mailbox *m, tl_buckets **b, tl_error *e) { return a->buckets_new(p, of, n, nb, scale, m, b, e); }
static int32_t tl_buckets_sync(const tl_api *a, tl_buckets *b, int32_t on, tl_error *e) { return a->buckets_sync(b, on, e); }
static int32_t tl_buckets_wait(const tl_api *a, tl_buckets *b, tl_error *e) { return a->buckets_wait(b, e); }
static int32_t tl_buckets_free(const tl_api *a, tl_buckets *b, tl_error *e) { return a->buckets_free(b, e); }
static int32_t tl_syncnorm_local(const tl_api *a, const tl_tensor *x, int64_t rank, int64_t ranks, tl_result *r, int64_t *scope, tl_error *e) { return a->syncnorm_local(x, rank, ranks, r, scope, e); }
static int32_t tl_syncnorm_apply(const tl_api *a, const tl_tensor *x, const tl_tensor *w, const tl_tensor *b, const tl_tensor *t, tl_tensor *rm, tl_tensor *rv, double momentum, double eps, tl_mailbox *m, tl_result *r, int64_t *scope, tl_error *e) { return a->syncnorm_apply(x, w, b, t, rm, rv, momentum, eps, m, r, scope, e); }
static int32_t tl_nccl_open(const tl_api *a, const char *path, int64_t *v, tl_error *e) { return a->nccl_open(path, v, e); }
static int32_t tl_nccl_unique_id(const tl_api *a, char *id, tl_error *e) { return a->nccl_unique_id(id, e); }
static int32_t tl_nccl_new(const tl_api *a, const char *id, int64_t rank, int64_t size, int64_t type, int64_t index, tl_nccl **c, tl_error *e) { return a->nccl_new(id, rank, size, type, index, c, e); }
static int32_t tl_nccl_all_reduce(const tl_api *a, tl_nccl *c, const tl_value *t, int64_t n, tl_error *e) { return a->nccl_all_reduce(c, t, n, e); }
static int32_t tl_nccl_broadcast(const tl_api *a, tl_nccl *c, const tl_value *t, int64_t n, int64_t root, tl_error *e) { return a->nccl_broadcast(c, t, n, root, e); }
static int32_t tl_nccl_poll(const tl_api *a, tl_nccl *c, int32_t *busy, tl_error *e) { return a->nccl_poll(c, busy, e); }
static int32_t tl_nccl_abort(const tl_api *a, tl_nccl *c, tl_error *e) { return a->nccl_abort(c, e); }
static int32_t tl_nccl_free(const tl_api *a, tl_nccl *c, tl_error *e) { return a->nccl_free(c, e); }
*/
import "C"

import "unsafe"

func rawTensorMemory(t unsafe.Pointer, data *unsafe.Pointer, bytes *int64, e *errorText) int32 {
	return int32(C.tl_tensor_memory(table, tensorPointer(t), data, (*C.int64_t)(bytes), e.c()))
}

func rawMailboxNew(out *unsafe.Pointer, e *errorText) int32 {
	var m *C.tl_mailbox
	status := C.tl_mailbox_new(table, &m, e.c())
	*out = unsafe.Pointer(m)
	return int32(status)
}

func rawMailboxTake(m unsafe.Pointer, letter *int64, r *Result, e *errorText) int32 {
	return int32(C.tl_mailbox_take(table, (*C.tl_mailbox)(m), (*C.int64_t)(letter), (*C.tl_result)(unsafe.Pointer(r)), e.c()))
}

func rawMailboxAnswer(m unsafe.Pointer, letter int64, why string, e *errorText) int32 {
	text := C.CString(why)
	defer C.free(unsafe.Pointer(text))
	return int32(C.tl_mailbox_answer(table, (*C.tl_mailbox)(m), C.int64_t(letter), text, e.c()))
}

func rawMailboxClose(m unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_mailbox_close(table, (*C.tl_mailbox)(m), e.c()))
}

func rawMailboxFree(m unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_mailbox_free(table, (*C.tl_mailbox)(m), e.c()))
}

func rawBucketsNew(params []Value, bucketOf []int64, buckets int64, scale float64, m unsafe.Pointer, out *unsafe.Pointer, e *errorText) int32 {
	p, n := values(params)
	var b *C.tl_buckets
	status := C.tl_buckets_new(table, p, (*C.int64_t)(unsafe.SliceData(bucketOf)), n, C.int64_t(buckets),
		C.double(scale), (*C.tl_mailbox)(m), &b, e.c())
	*out = unsafe.Pointer(b)
	return int32(status)
}

func rawBucketsSync(b unsafe.Pointer, on bool, e *errorText) int32 {
	return int32(C.tl_buckets_sync(table, (*C.tl_buckets)(b), flag(on), e.c()))
}

func rawBucketsWait(b unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_buckets_wait(table, (*C.tl_buckets)(b), e.c()))
}

func rawBucketsFree(b unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_buckets_free(table, (*C.tl_buckets)(b), e.c()))
}

func rawSyncNormLocal(x unsafe.Pointer, rank, ranks int64, r *Result, e *errorText) (scope int64, status int32) {
	var s C.int64_t
	status = int32(C.tl_syncnorm_local(table, tensorPointer(x), C.int64_t(rank), C.int64_t(ranks),
		(*C.tl_result)(unsafe.Pointer(r)), &s, e.c()))
	return int64(s), status
}

func rawSyncNormApply(n *SyncNorm, m unsafe.Pointer, r *Result, e *errorText) (scope int64, status int32) {
	var s C.int64_t
	status = int32(C.tl_syncnorm_apply(table, tensorPointer(n.Input), tensorPointer(n.Weight), tensorPointer(n.Bias),
		tensorPointer(n.Table), tensorPointer(n.RunningMean), tensorPointer(n.RunningVar),
		C.double(n.Momentum), C.double(n.Eps), (*C.tl_mailbox)(m), (*C.tl_result)(unsafe.Pointer(r)), &s, e.c()))
	return int64(s), status
}

func rawNCCLOpen(path string, version *int64, e *errorText) int32 {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	return int32(C.tl_nccl_open(table, p, (*C.int64_t)(version), e.c()))
}

func ncclID(id *NCCLID) *C.char { return (*C.char)(unsafe.Pointer(id)) }

func rawNCCLUniqueID(id *NCCLID, e *errorText) int32 {
	return int32(C.tl_nccl_unique_id(table, ncclID(id), e.c()))
}

func rawNCCLNew(id *NCCLID, rank, size, deviceKind, deviceIndex int64, out *unsafe.Pointer, e *errorText) int32 {
	var c *C.tl_nccl
	status := C.tl_nccl_new(table, ncclID(id), C.int64_t(rank), C.int64_t(size),
		C.int64_t(deviceKind), C.int64_t(deviceIndex), &c, e.c())
	*out = unsafe.Pointer(c)
	return int32(status)
}

func rawNCCLAllReduce(c unsafe.Pointer, tensors []Value, e *errorText) int32 {
	p, n := values(tensors)
	return int32(C.tl_nccl_all_reduce(table, (*C.tl_nccl)(c), p, n, e.c()))
}

func rawNCCLBroadcast(c unsafe.Pointer, tensors []Value, root int64, e *errorText) int32 {
	p, n := values(tensors)
	return int32(C.tl_nccl_broadcast(table, (*C.tl_nccl)(c), p, n, C.int64_t(root), e.c()))
}

func rawNCCLPoll(c unsafe.Pointer, e *errorText) (busy bool, status int32) {
	var b C.int32_t
	status = int32(C.tl_nccl_poll(table, (*C.tl_nccl)(c), &b, e.c()))
	return b != 0, status
}

func rawNCCLAbort(c unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_nccl_abort(table, (*C.tl_nccl)(c), e.c()))
}

func rawNCCLFree(c unsafe.Pointer, e *errorText) int32 {
	return int32(C.tl_nccl_free(table, (*C.tl_nccl)(c), e.c()))
}
