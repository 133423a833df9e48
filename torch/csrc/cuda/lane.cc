#include "lane.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>

#include "../guard.h"

using torchlit::cuda::Device;
using torchlit::cuda::Program;

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// sizes are the batches that have a graph: powers of two and what lies halfway between
// two of them, so that at most a third of a large batch is computed for nothing.
std::vector<int64_t> sizes(int64_t max_batch) {
  std::vector<int64_t> list;
  for (int64_t n = 1; n < max_batch; n *= 2) {
    list.push_back(n);
    if (n >= 8 && n + n / 2 < max_batch) list.push_back(n + n / 2);
  }
  list.push_back(max_batch);
  return list;
}

// Trying turns cuDNN's trial of algorithms on while it lives. The setting is the
// process's; a training step in another thread meanwhile tries some too, which does no
// harm.
struct Trying {
  bool before = at::globalContext().benchmarkCuDNN();
  explicit Trying(bool on) { at::globalContext().setBenchmarkCuDNN(on); }
  ~Trying() { at::globalContext().setBenchmarkCuDNN(before); }
};

} // namespace

tl_cuda_lane::tl_cuda_lane(std::shared_ptr<Device> d) : device_(std::move(d)) {
  device_->builder().run([this] { build(); });
}

tl_cuda_lane::~tl_cuda_lane() {
  if (!computing_) return;
  try {
    c10::cuda::CUDAGuard current(device_->program().device());
    copying_->synchronize();
    computing_->synchronize();
  } catch (const c10::Error &) { // a lost device has nothing under way
  }
}

void tl_cuda_lane::build() {
  const Program &p = device_->program();
  const int64_t n = device_->max_batch();
  const bool gpu = device_->on_gpu();
  c10::cuda::OptionalCUDAGuard current;
  if (gpu) current.set_device(p.device());
  const at::TensorOptions here(at::kCPU), there(p.device());
  // The device's memory first: page-locked memory that is not there takes the machine down.
  const int64_t shape[] = {n, p.height(), p.width(), 3};
  if (gpu) images_ = at::empty(shape, there.dtype(at::kByte));
  staged_ = p.staging(n);
  pinned_ = at::empty(shape, here.dtype(at::kByte).pinned_memory(gpu)).zero_();
  answers_ = at::empty({n, p.classes()}, here.dtype(at::kFloat).pinned_memory(gpu));
  if (!gpu) images_ = pinned_;
  if (!gpu) return;
  c10::cuda::device_synchronize(); // staged_ is zero before another stream writes to it

  const auto index = p.device().index();
  copying_ = c10::cuda::getStreamFromPool(/*isHighPriority=*/true, index);
  computing_ = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index);
  copied_.emplace(cudaEventDisableTiming);
  done_.emplace(cudaEventDisableTiming | cudaEventBlockingSync);

  // The largest first: the pool then holds what every smaller one needs. It and the
  // single image, whose latency is looked at, come first for cuDNN's trials, too.
  std::vector<int64_t> order = sizes(n);
  std::reverse(order.begin(), order.end());
  if (order.size() > 2) std::rotate(order.begin() + 1, order.end() - 1, order.end());
  const auto pool = at::cuda::graph_pool_handle();
  int64_t measured = 0;
  for (int64_t size : order) {
    const auto start = Clock::now();
    const bool measure = device_->seconds_left() > 0;
    capture(size, pool, measure);
    if (measure) device_->spend(since(start));
    measured += measure;
  }
  device_->report(static_cast<int64_t>(order.size()), measured);
  c10::cuda::CUDACachingAllocator::emptyCache(); // what the runs before took
}

// capture makes the graph of a batch of n. In the runs before, on the same stream,
// libraries are loaded and choose their algorithms and workspaces, none of which may
// happen in a capture. The stream is the lane's own: cuBLAS has a workspace for each
// stream, which a graph keeps using, and so must not share with a graph that may run at
// the same time.
void tl_cuda_lane::capture(int64_t n, at::cuda::MempoolId_t pool, bool measure) {
  const Program &p = device_->program();
  Bucket bucket;
  Trying trying(measure);
  c10::cuda::CUDAStreamGuard on(*computing_);
  for (int i = 0; i < 3; i++) p.probabilities(p.logits(staged(n)));
  computing_->synchronize();

  // The devices' random generators take part in a capture, although nothing is random.
  static std::mutex one_at_a_time;
  std::lock_guard<std::mutex> lock(one_at_a_time);

  bucket.graph = std::make_unique<at::cuda::CUDAGraph>();
  bucket.graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
  try {
    bucket.logits = p.logits(staged(n));
    bucket.probabilities = p.probabilities(bucket.logits);
  } catch (...) {
    // An open capture would make every later call of this thread fail.
    try {
      bucket.graph->capture_end();
    } catch (const c10::Error &) { // it was broken off already
    }
    throw;
  }
  bucket.graph->capture_end();
  bucket.executable = bucket.graph->raw_cuda_graph_exec();
  buckets_.emplace(n, std::move(bucket));
}

std::pair<const int64_t, tl_cuda_lane::Bucket> &tl_cuda_lane::bucket_for(int64_t n) {
  TORCH_CHECK(n > 0 && n <= device_->max_batch(), "a batch of ", n, " images; it takes 1 to ",
              device_->max_batch());
  if (device_->on_gpu()) return *buckets_.lower_bound(n);
  // Without graphs the program is run here and now.
  const Program &p = device_->program();
  buckets_.clear();
  Bucket b;
  b.logits = p.logits(staged(n));
  b.probabilities = p.probabilities(b.logits);
  return *buckets_.emplace(n, std::move(b)).first;
}

void tl_cuda_lane::send(int64_t from, int64_t n) {
  TORCH_CHECK(from >= 0 && n > 0 && from + n <= device_->max_batch(), "images ", from, " to ",
              from + n, " of a staging memory for ", device_->max_batch());
  if (!device_->on_gpu()) return;
  c10::InferenceMode inference;
  c10::cuda::CUDAStreamGuard on(*copying_);
  images_.narrow(0, from, n).copy_(pinned_.narrow(0, from, n), /*non_blocking=*/true);
}

void tl_cuda_lane::run(int64_t n, bool logits, float *answers) {
  c10::InferenceMode inference;
  c10::cuda::OptionalCUDAStreamGuard on;
  if (device_->on_gpu()) {
    on.reset_stream(*computing_);
    copied_->record(*copying_);
    copied_->block(*computing_);
  }
  at::Tensor to = staged(n);
  device_->program().stage(images_.narrow(0, 0, n), to);
  answer(n, logits, answers);
}

void tl_cuda_lane::run_planes(const float *planes, int64_t n, bool logits, float *answers) {
  c10::InferenceMode inference;
  c10::cuda::OptionalCUDAStreamGuard on;
  const Program &p = device_->program();
  if (device_->on_gpu()) on.reset_stream(*computing_);
  at::Tensor from = at::from_blob(const_cast<float *>(planes), {n, 3, p.height(), p.width()}, at::kFloat);
  at::Tensor to = staged(n);
  p.stage_planes(from.to(p.device()), to);
  answer(n, logits, answers);
}

// answer runs the network on what is staged and waits for its answers.
void tl_cuda_lane::answer(int64_t n, bool logits, float *answers) {
  const Bucket &b = bucket_for(n).second;
  // CUDAGraph::replay would also look after random generators.
  if (b.graph) C10_CUDA_CHECK(cudaGraphLaunch(b.executable, computing_->stream()));
  const at::Tensor &from = logits ? b.logits : b.probabilities;
  answers_.narrow(0, 0, n).copy_(from.narrow(0, 0, n), /*non_blocking=*/true);
  if (device_->on_gpu()) wait(n);
  std::memcpy(answers, answers_.data_ptr<float>(), n * device_->program().classes() * sizeof(float));
}

// wait returns when the lane's stream is done. Waking a thread that sleeps takes some
// fifty microseconds, a good part of a small batch's time, and so a small batch is
// waited for awake. For a large one the core has better things to do.
void tl_cuda_lane::wait(int64_t n) {
  constexpr int64_t small = 8;
  constexpr double patience = 500e-6;
  done_->record(*computing_);
  if (n <= small) {
    for (const auto start = Clock::now(); since(start) < patience;) {
      if (done_->query()) return;
    }
  }
  done_->synchronize();
}
