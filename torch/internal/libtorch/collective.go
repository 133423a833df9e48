package libtorch

import "unsafe"

// Elements returns the elements themselves of a CPU tensor without gaps, in the order
// in which they lie. They are there as long as the tensor is.
func Elements(t Tensor) ([]byte, error) {
	var p unsafe.Pointer
	var n int64
	err := do("tensor_memory", func(e *errorText) int32 { return rawTensorMemory(t, &p, &n, e) })
	if err != nil || n == 0 {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// Mailbox is a handle of what the backward pass posts tensors to; see
// torch/csrc/mailbox.h.
type Mailbox = unsafe.Pointer

// NewMailbox makes a mailbox; the caller frees it once.
func NewMailbox() (m Mailbox, err error) {
	err = do("mailbox", func(e *errorText) int32 { return rawMailboxNew(&m, e) })
	return m, err
}

// TakeLetter waits for the next letter. Its number is -1 once the mailbox is closed.
// The caller owns the tensor in r. It does not pass the gate: the operator that holds
// a place there may be the one that waits for the answer.
func TakeLetter(m Mailbox, r *Result) (letter int64, err error) {
	err = do("mailbox_take", func(e *errorText) int32 { return rawMailboxTake(m, &letter, r, e) })
	return letter, err
}

// AnswerLetter ends a letter: with the reason why it could not be done, or with "".
func AnswerLetter(m Mailbox, letter int64, why string) error {
	return do("mailbox_answer", func(e *errorText) int32 { return rawMailboxAnswer(m, letter, why, e) })
}

// CloseMailbox ends the waits of all who wait on either side.
func CloseMailbox(m Mailbox) error {
	return do("mailbox_close", func(e *errorText) int32 { return rawMailboxClose(m, e) })
}

// FreeMailbox drops the handle. REQUIRES: nobody is in TakeLetter.
func FreeMailbox(m Mailbox) error {
	return do("mailbox_free", func(e *errorText) int32 { return rawMailboxFree(m, e) })
}

// Buckets is a handle of gradients in buckets; see torch/csrc/buckets.cc.
type Buckets = unsafe.Pointer

// NewBuckets puts hooks on parameters; the caller frees the result once.
func NewBuckets(params []Value, bucketOf []int64, buckets int64, scale float64, m Mailbox) (b Buckets, err error) {
	err = do("buckets", func(e *errorText) int32 { return rawBucketsNew(params, bucketOf, buckets, scale, m, &b, e) })
	return b, err
}

// SyncBuckets tells whether the passes to come belong to a step that ends.
func SyncBuckets(b Buckets, on bool) error {
	return do("buckets_sync", func(e *errorText) int32 { return rawBucketsSync(b, on, e) })
}

// WaitBuckets ends a step.
func WaitBuckets(b Buckets) error {
	return do("buckets_wait", func(e *errorText) int32 { return rawBucketsWait(b, e) })
}

// FreeBuckets takes the hooks off.
func FreeBuckets(b Buckets) error {
	return do("buckets_free", func(e *errorText) int32 { return rawBucketsFree(b, e) })
}

// SyncNorm is a batch normalisation over all ranks. Input, Table and the mailbox are
// there; the others may be nil.
type SyncNorm struct {
	Input, Weight, Bias, Table Tensor
	RunningMean, RunningVar    Tensor
	Momentum, Eps              float64
}

// SyncNormLocal makes the table of a rank's statistics, which is to be added up over
// all ranks.
func SyncNormLocal(input Tensor, rank, ranks int64) (r Result, scope int64, err error) {
	gate.enter()
	defer gate.leave()
	err = do("sync_batch_norm", func(e *errorText) (status int32) {
		scope, status = rawSyncNormLocal(input, rank, ranks, &r, e)
		return status
	})
	return r, scope, err
}

// Apply normalises the input by the table, which is everybody's now.
func (n *SyncNorm) Apply(m Mailbox) (r Result, scope int64, err error) {
	gate.enter()
	defer gate.leave()
	err = do("sync_batch_norm", func(e *errorText) (status int32) {
		scope, status = rawSyncNormApply(n, m, &r, e)
		return status
	})
	return r, scope, err
}

// NCCL is a handle of a communicator; see torch/csrc/nccl.cc.
type NCCL = unsafe.Pointer

// NCCLID is what the ranks of a communicator have in common.
type NCCLID [128]byte

// OpenNCCL opens NCCL's library and tells its version, such as 22809 for 2.28.9. Only
// the first call opens.
func OpenNCCL(path string) (version int64, err error) {
	err = do("nccl_open", func(e *errorText) int32 { return rawNCCLOpen(path, &version, e) })
	return version, err
}

// NewNCCLID makes an id on one of the ranks.
func NewNCCLID() (id NCCLID, err error) {
	err = do("nccl_unique_id", func(e *errorText) int32 { return rawNCCLUniqueID(&id, e) })
	return id, err
}

// NewNCCL waits until all ranks have called it; the caller frees the result once.
func NewNCCL(id NCCLID, rank, size, deviceKind, deviceIndex int64) (c NCCL, err error) {
	err = do("nccl", func(e *errorText) int32 { return rawNCCLNew(&id, rank, size, deviceKind, deviceIndex, &c, e) })
	return c, err
}

// NCCLAllReduce adds the tensors up in place.
func NCCLAllReduce(c NCCL, tensors []Value) error {
	return do("nccl_all_reduce", func(e *errorText) int32 { return rawNCCLAllReduce(c, tensors, e) })
}

// NCCLBroadcast overwrites the tensors by root's.
func NCCLBroadcast(c NCCL, tensors []Value, root int64) error {
	return do("nccl_broadcast", func(e *errorText) int32 { return rawNCCLBroadcast(c, tensors, root, e) })
}

// PollNCCL tells whether the last operation is under way still, or what went wrong
// since.
func PollNCCL(c NCCL) (busy bool, err error) {
	err = do("nccl_poll", func(e *errorText) (status int32) {
		busy, status = rawNCCLPoll(c, e)
		return status
	})
	return busy, err
}

// AbortNCCL ends all operations, and those to come, with an error.
func AbortNCCL(c NCCL) error {
	return do("nccl_abort", func(e *errorText) int32 { return rawNCCLAbort(c, e) })
}

// FreeNCCL drops the communicator. REQUIRES: nobody is in one of its operations.
func FreeNCCL(c NCCL) error {
	return do("nccl_free", func(e *errorText) int32 { return rawNCCLFree(c, e) })
}
