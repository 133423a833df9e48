// What every C++ file of the boundary shares: the guard that keeps exceptions
// inside, and the two ways between a handle and an at::Tensor.
#pragma once

#include <cstring>
#include <exception>

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "torchlit.h"

namespace torchlit {

inline int32_t fail(tl_error *err, const char *text) {
  std::strncpy(err->text, text, sizeof err->text - 1);
  err->text[sizeof err->text - 1] = 0;
  return 1;
}

// guard runs body and turns whatever it throws into a status and a sentence.
// libtorch's own messages come without their C++ backtrace: the reader is a Go
// programmer, who has a stack of his own.
template <class Body> int32_t guard(tl_error *err, Body &&body) {
  try {
    body();
    return 0;
  } catch (const c10::Error &e) {
    return fail(err, e.what_without_backtrace());
  } catch (const std::exception &e) {
    return fail(err, e.what());
  } catch (...) {
    return fail(err, "an exception of unknown type");
  }
}

// A handle is the bare TensorImpl pointer that an intrusive_ptr holds, so a
// tensor costs no allocation beyond libtorch's own.
using Impl = c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;

inline c10::TensorImpl *impl(const tl_tensor *t) {
  return reinterpret_cast<c10::TensorImpl *>(const_cast<tl_tensor *>(t));
}

inline c10::TensorImpl *impl(const tl_value &v) {
  return reinterpret_cast<c10::TensorImpl *>(static_cast<uintptr_t>(v.bits));
}

// borrow gives a Tensor with a reference of its own; the handle stays valid.
inline at::Tensor borrow(c10::TensorImpl *p) {
  TORCH_CHECK(p != nullptr, "the tensor is nil or closed");
  return at::Tensor(Impl::reclaim_copy(p));
}

inline at::Tensor borrow(const tl_tensor *t) { return borrow(impl(t)); }

// give moves a Tensor's reference out into a result. An undefined tensor (an
// absent gradient, an optional output) becomes TL_NONE.
inline void give(at::Tensor t, tl_result *out) {
  if (!t.defined()) {
    *out = {TL_NONE, 0, 0};
    return;
  }
  int64_t bytes = t.numel() * static_cast<int64_t>(t.element_size());
  auto *p = t.unsafeReleaseIntrusivePtr().release();
  *out = {TL_TENSOR, static_cast<int64_t>(reinterpret_cast<uintptr_t>(p)), bytes};
}

} // namespace torchlit

// The functions of the table, each defined in the file that tl_api names.
namespace torchlit {

const char *libtorch_version();
const char *cpu_capability();
int32_t set_num_threads(int64_t n, tl_error *);
int32_t num_threads(int64_t *n, tl_error *);
int32_t manual_seed(uint64_t seed, tl_error *);
int32_t set_switch(int64_t which, int32_t on, tl_error *);

int32_t tensor_free(const tl_value *tensors, int64_t n, tl_error *);
int32_t tensor_info(const tl_tensor *, tl_info *, tl_error *);
int32_t tensor_from_data(const void *, int64_t, int64_t, const int64_t *, int64_t,
                         tl_result *, int64_t *, tl_error *);
int32_t tensor_read(const tl_tensor *, void *, int64_t, tl_error *);
int32_t tensor_write(tl_tensor *, const void *, int64_t, tl_error *);
int32_t tensor_print(const tl_tensor *, char *, int64_t, int64_t *, tl_error *);
int32_t tensor_memory(tl_tensor *, void **, int64_t *, tl_error *);

int32_t op_find(const char *, const char *, tl_op **, tl_error *);
int32_t op_call(const tl_op *, const tl_value *, int64_t, tl_result *, int64_t,
                int64_t *, int64_t *, tl_error *);

int32_t backward(const tl_tensor *, const tl_tensor *, int32_t, int32_t, tl_error *);
int32_t grad(const tl_tensor *, tl_result *, int64_t *, tl_error *);
int32_t set_grad(tl_tensor *, const tl_tensor *, tl_error *);
int32_t clear_grads(const tl_value *, int64_t, tl_error *);
int32_t set_requires_grad(tl_tensor *, int32_t, tl_error *);
int32_t set_data(tl_tensor *, const tl_tensor *, tl_error *);
int32_t grad_mode(int32_t, int32_t *, tl_error *);
int32_t autocast_mode(int64_t, int32_t, int64_t, int32_t *, int64_t *, tl_error *);
int32_t scope_mode(int64_t, int64_t *, tl_error *);
int64_t current_scope();
int32_t grad_of(const tl_value *, const tl_value *, int64_t, const tl_value *, int64_t,
                int32_t, int32_t, int32_t, tl_result *, int64_t *, tl_error *);
int32_t grad_fn(const tl_tensor *, char *, int64_t, int64_t *, tl_error *);

int32_t generator_new(int64_t, int64_t, tl_generator **, tl_error *);
int32_t generator_free(tl_generator *, tl_error *);
int32_t generator_set_seed(tl_generator *, uint64_t, tl_error *);
int32_t generator_seed(tl_generator *, int32_t, uint64_t *, tl_error *);
int32_t generator_state(const tl_generator *, tl_result *, int64_t *, tl_error *);
int32_t generator_set_state(tl_generator *, const tl_tensor *, tl_error *);

void use_allocator(); // makes allocator.cc that of CPU tensors
tl_memory allocator_stats();
void allocator_trim();

void load_accelerators();
int32_t device_count(int64_t, int64_t *, tl_error *);
int32_t has_cudnn(int32_t *, tl_error *);
int32_t device_info(int64_t, int64_t, tl_device_info *, tl_error *);
int32_t stream_current(int64_t, int64_t, tl_stream *, tl_error *);
int32_t stream_new(int64_t, int64_t, tl_stream *, tl_error *);
int32_t stream_mode(const tl_stream *, tl_stream *, tl_error *);
int32_t stream_query(const tl_stream *, int32_t *, tl_error *);
int32_t stream_synchronize(const tl_stream *, tl_error *);
int32_t device_synchronize(int64_t, int64_t, tl_error *);
int32_t memory_stats(int64_t, int64_t, tl_memory *, tl_error *);
int32_t memory_reset_peaks(int64_t, int64_t, tl_error *);
int32_t memory_empty_cache(int64_t, tl_error *);

int32_t module_load(const char *, int64_t, int64_t, tl_module **, tl_error *);
int32_t module_free(tl_module *, tl_error *);
int32_t module_save(const tl_module *, const char *, tl_error *);
int32_t module_to(tl_module *, int64_t, int64_t, tl_error *);
int32_t module_train(tl_module *, int32_t, tl_error *);
int32_t module_call(tl_module *, const char *, const tl_value *, int64_t, tl_result **,
                    int64_t *, int64_t *, tl_error *);
int32_t module_list(const tl_module *, int64_t, tl_result **, int64_t *, int64_t *,
                    tl_error *);
void results_free(tl_result *);

int32_t engine_open(const tl_engine_config *, const tl_step *, int64_t, tl_engine **,
                    tl_error *);
int32_t engine_share(const tl_engine *, tl_engine **, tl_error *);
int32_t engine_run(tl_engine *, const uint8_t *, int64_t, float *, tl_error *);
int32_t engine_run_planes(tl_engine *, const float *, int64_t, float *, tl_error *);
int32_t engine_shapes(const tl_engine *, int64_t *, int64_t, tl_error *);
int32_t engine_chunk(const tl_engine *, int64_t *, tl_error *);
int32_t engine_trace(tl_engine *, const uint8_t *, int64_t, float *, int64_t, tl_error *);
int32_t engine_precision(int64_t, int32_t *, int32_t *, tl_error *);
int32_t engine_close(tl_engine *, tl_error *);
int32_t image_resize(const uint8_t *, int64_t, int64_t, double, double, uint8_t *, int64_t, int64_t, int32_t,
                     tl_error *);

int32_t mailbox_new(tl_mailbox **, tl_error *);
int32_t mailbox_take(tl_mailbox *, int64_t *, tl_result *, tl_error *);
int32_t mailbox_answer(tl_mailbox *, int64_t, const char *, tl_error *);
int32_t mailbox_close(tl_mailbox *, tl_error *);
int32_t mailbox_free(tl_mailbox *, tl_error *);

int32_t buckets_new(const tl_value *, const int64_t *, int64_t, int64_t, double, tl_mailbox *,
                    tl_buckets **, tl_error *);
int32_t buckets_sync(tl_buckets *, int32_t, tl_error *);
int32_t buckets_wait(tl_buckets *, tl_error *);
int32_t buckets_free(tl_buckets *, tl_error *);

int32_t syncnorm_local(const tl_tensor *, int64_t, int64_t, tl_result *, int64_t *, tl_error *);
int32_t syncnorm_apply(const tl_tensor *, const tl_tensor *, const tl_tensor *, const tl_tensor *,
                       tl_tensor *, tl_tensor *, double, double, tl_mailbox *, tl_result *,
                       int64_t *, tl_error *);

int32_t nccl_open(const char *, int64_t *, tl_error *);
int32_t nccl_unique_id(char *, tl_error *);
int32_t nccl_new(const char *, int64_t, int64_t, int64_t, int64_t, tl_nccl **, tl_error *);
int32_t nccl_all_reduce(tl_nccl *, const tl_value *, int64_t, tl_error *);
int32_t nccl_broadcast(tl_nccl *, const tl_value *, int64_t, int64_t, tl_error *);
int32_t nccl_poll(tl_nccl *, int32_t *, tl_error *);
int32_t nccl_abort(tl_nccl *, tl_error *);
int32_t nccl_free(tl_nccl *, tl_error *);

} // namespace torchlit
