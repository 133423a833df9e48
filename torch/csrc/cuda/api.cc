// The table of the second library, and which errors are the device's.
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include "../guard.h"
#include "kernels.h"
#include "lane.h"

namespace torchlit::cuda {
namespace {

// verdict tells an error that the next batch would meet again from others. CUDA's errors
// are of two kinds: those of a call, gone once they are told, and those of the device (a
// memory fault, an uncorrectable bit, a card that fell off the bus), after which every
// call of this process fails.
int32_t verdict(int64_t device, int32_t status) {
  if (status == 0 || device < 0) return status;
  cudaGetLastError();
  const bool lives = cudaSetDevice(static_cast<int>(device)) == cudaSuccess &&
                     cudaDeviceSynchronize() == cudaSuccess;
  return lives ? status : TL_CUDA_LOST;
}

int64_t index_of(const Device &d) { return d.on_gpu() ? d.program().device().index() : -1; }

// caught is guard with a status of its own for memory that does not suffice.
template <class Body> int32_t caught(tl_error *err, Body &&body) {
  int32_t memory = 0;
  const int32_t status = guard(err, [&] {
    try {
      body();
    } catch (const c10::OutOfMemoryError &) {
      memory = TL_CUDA_MEMORY;
      throw;
    } catch (const c10::AcceleratorError &e) {
      if (e.get_error_code() == cudaErrorMemoryAllocation) memory = TL_CUDA_MEMORY;
      throw;
    }
  });
  return status && memory ? memory : status;
}

int32_t open(const tl_engine_config *config, const tl_cuda_options *options, const tl_step *steps,
             int64_t n, tl_cuda **out, tl_error *err) {
  return verdict(options->device, caught(err, [&] {
    *out = new tl_cuda{std::make_shared<Device>(*config, *options, steps, n)};
  }));
}

int32_t info(const tl_cuda *c, tl_cuda_info *out, tl_error *err) {
  return guard(err, [&] { *out = c->device->info(); });
}

void close(tl_cuda *c) {
  try {
    delete c;
  } catch (...) { // a lost device does not take its memory back either
  }
}

int32_t lane_new(tl_cuda *c, tl_cuda_lane **out, uint8_t **staging, tl_error *err) {
  return verdict(index_of(*c->device), caught(err, [&] {
    *out = new tl_cuda_lane(c->device);
    *staging = (*out)->staging();
  }));
}

int32_t lane_send(tl_cuda_lane *l, int64_t from, int64_t n, tl_error *err) {
  return verdict(index_of(l->device()), caught(err, [&] { l->send(from, n); }));
}

int32_t lane_run(tl_cuda_lane *l, int64_t n, int32_t logits, float *answers, tl_error *err) {
  return verdict(index_of(l->device()), caught(err, [&] { l->run(n, logits != 0, answers); }));
}

int32_t lane_planes(tl_cuda_lane *l, const float *planes, int64_t n, int32_t logits, float *answers,
                    tl_error *err) {
  return verdict(index_of(l->device()),
                 caught(err, [&] { l->run_planes(planes, n, logits != 0, answers); }));
}

int32_t compile(int64_t major, int64_t minor, tl_error *err) {
  return guard(err, [&] { compile_kernels(major, minor); });
}

void lane_close(tl_cuda_lane *l) {
  try {
    delete l;
  } catch (...) { // as in close
  }
}

} // namespace
} // namespace torchlit::cuda

extern "C" const tl_cuda_api *tl_cuda_get_api(int64_t abi, int64_t torchlit_abi) {
  using namespace torchlit::cuda;
  static const tl_cuda_api api = {
      TL_CUDA_ABI, open, info, close, lane_new, lane_send, lane_run, lane_planes, lane_close,
      compile,
  };
  return abi == TL_CUDA_ABI && torchlit_abi == TL_ABI ? &api : nullptr;
}
