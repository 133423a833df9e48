// The table itself, and what concerns the library as a whole.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/autograd/anomaly_mode.h>
#include <torch/version.h>

#include "guard.h"

namespace torchlit {

const char *libtorch_version() { return TORCH_VERSION; }

const char *cpu_capability() {
  static const std::string text = at::get_cpu_capability();
  return text.c_str();
}

int32_t set_num_threads(int64_t n, tl_error *err) {
  return guard(err, [&] { at::set_num_threads(static_cast<int>(n)); });
}

int32_t num_threads(int64_t *n, tl_error *err) {
  return guard(err, [&] { *n = at::get_num_threads(); });
}

int32_t manual_seed(uint64_t seed, tl_error *err) {
  return guard(err, [&] { at::manual_seed(seed); });
}

int32_t set_switch(int64_t which, int32_t on, tl_error *err) {
  return guard(err, [&] {
    at::Context &context = at::globalContext();
    switch (which) {
    case TL_DETERMINISTIC:
      context.setDeterministicAlgorithms(on, /*warn_only=*/false);
      // Nobody reads what has not been written: no need to fill it.
      context.setDeterministicFillUninitializedMemory(false);
      context.setDeterministicCuDNN(on);
      context.setDeterministicMkldnn(on);
      break;
    case TL_CUDNN_BENCHMARK: context.setBenchmarkCuDNN(on); break;
    case TL_TF32:
      context.setAllowTF32CuBLAS(on);
      context.setAllowTF32CuDNN(on);
      break;
    case TL_ANOMALY: torch::autograd::AnomalyMode::set_enabled(on); break;
    default: TORCH_CHECK(false, "BUG: there is no switch ", which);
    }
  });
}

} // namespace torchlit

extern "C" const tl_api *tl_get_api(int64_t abi) {
  using namespace torchlit;
  static const tl_api api = {
      TL_ABI,
      libtorch_version, cpu_capability, set_num_threads, num_threads, manual_seed,
      set_switch,
      tensor_free, tensor_info, tensor_from_data, tensor_read, tensor_write,
      tensor_print, tensor_memory,
      op_find, op_call,
      backward, grad, set_grad, clear_grads, set_requires_grad, set_data, grad_mode,
      autocast_mode, scope_mode, grad_of, grad_fn,
      generator_new, generator_free, generator_set_seed, generator_seed,
      generator_state, generator_set_state,
      device_count, has_cudnn, device_info, stream_current, stream_new, stream_mode,
      stream_query, stream_synchronize, device_synchronize, memory_stats,
      memory_reset_peaks, memory_empty_cache,
      module_load, module_free, module_save, module_to, module_train, module_call,
      module_list, results_free,
      engine_open, engine_share, engine_run, engine_run_planes,
      engine_shapes, engine_chunk, engine_trace, engine_precision, engine_close, image_resize,
      mailbox_new, mailbox_take, mailbox_answer, mailbox_close, mailbox_free,
      buckets_new, buckets_sync, buckets_wait, buckets_free,
      syncnorm_local, syncnorm_apply,
      nccl_open, nccl_unique_id, nccl_new, nccl_all_reduce, nccl_broadcast, nccl_poll,
      nccl_abort, nccl_free,
  };
  if (abi != TL_ABI) return nullptr;
  use_allocator();
  load_accelerators();
  return &api;
}
