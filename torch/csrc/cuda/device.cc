#include "device.h"

#include <chrono>

#include <ATen/Context.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "../guard.h"

namespace torchlit::cuda {

Builder::Builder() : thread_([this] { work(); }) {}

Builder::~Builder() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Builder::run(std::function<void()> job) {
  std::packaged_task<void()> task(std::move(job));
  std::future<void> done = task.get_future();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [this] { return !job_.valid(); });
    job_ = std::move(task);
  }
  wake_.notify_all();
  done.get();
}

void Builder::work() {
  c10::InferenceMode inference;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closed_ || job_.valid(); });
    if (!job_.valid()) return;
    std::packaged_task<void()> job = std::move(job_);
    job_ = {};
    lock.unlock();
    wake_.notify_all();
    job();
    lock.lock();
  }
}

Device::Device(const tl_engine_config &c, const tl_cuda_options &o, const tl_step *steps, int64_t n)
    : max_batch_(o.max_batch), seconds_left_(o.benchmark_seconds) {
  TORCH_CHECK(max_batch_ > 0, "the largest batch must be positive");
  TORCH_CHECK(o.temperature > 0, "the temperature must be positive");
  if (o.device >= 0) {
    const int64_t count = c10::cuda::device_count();
    TORCH_CHECK(o.device < count, "there is no CUDA device ", o.device, "; there are ", count);
  }
  builder_.run([&] {
    program_ = std::make_unique<Program>(c, o, steps, n);
    program_->use_kernels();
    choose_stem(o.stem);
    if (on_gpu()) c10::cuda::getCurrentCUDAStream(program_->device().index()).synchronize();
  });
}

// choose_stem takes the fastest form of the first convolution for a large batch. On the
// CPU, where nothing is measured, it is the last that fits.
void Device::choose_stem(int64_t wanted) {
  if (wanted != TL_CUDA_STEM_MEASURED) {
    program_->set_stem(static_cast<Stem>(wanted));
    return;
  }
  Stem best = Stem::plain;
  double least = 0;
  for (Stem stem : {Stem::plain, Stem::padded, Stem::blocks}) {
    if (!program_->fits(stem)) continue;
    program_->set_stem(stem);
    const double took = on_gpu() ? time_stem(max_batch_) : 0; // heuristics of cuDNN, not trials
    if (least == 0 || took < least) best = stem, least = took;
  }
  program_->set_stem(best);
}

double Device::time_stem(int64_t batch) {
  c10::cuda::CUDAGuard current(program_->device());
  at::Tensor images = at::zeros({batch, program_->height(), program_->width(), 3},
                                at::TensorOptions(program_->device()).dtype(at::kByte));
  at::Tensor staged = program_->staging(batch);
  constexpr int warm = 3, timed = 10;
  std::chrono::steady_clock::time_point start;
  for (int i = 0; i < warm + timed; i++) {
    if (i == warm) {
      c10::cuda::device_synchronize();
      start = std::chrono::steady_clock::now();
    }
    program_->stage(images, staged);
    program_->first(staged);
  }
  c10::cuda::device_synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

} // namespace torchlit::cuda
