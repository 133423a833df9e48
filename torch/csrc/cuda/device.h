// A program on one device, with the thread that captures its graphs.
#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "program.h"

namespace torchlit::cuda {

// Builder is a thread that runs what it is given, one job after the other.
//
// cuDNN's tried algorithms are kept by libtorch for each thread, since cuDNN does not
// promise that its plans may be run by several. So all graphs of a device are captured
// on one thread: the second lane's graphs find what was tried for the first.
class Builder {
public:
  Builder();
  ~Builder();
  // run waits for job, and throws what it throws.
  void run(std::function<void()> job);

private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::packaged_task<void()> job_; // invalid: there is none
  bool closed_ = false;
  std::thread thread_;
};

class Device {
public:
  Device(const tl_engine_config &, const tl_cuda_options &, const tl_step *, int64_t n);

  const Program &program() const { return *program_; }
  int64_t max_batch() const { return max_batch_; }
  bool on_gpu() const { return program_->device().is_cuda(); }
  Builder &builder() { return builder_; }

  // seconds_left is what cuDNN may still spend on trying algorithms.
  double seconds_left() const { return seconds_left_; }
  void spend(double seconds) { seconds_left_ -= seconds; }

  void report(int64_t buckets, int64_t measured) { buckets_ = buckets, measured_ = measured; }
  tl_cuda_info info() const {
    return {static_cast<int64_t>(program_->stem()), buckets_, measured_, program_->uses_kernels()};
  }

private:
  void choose_stem(int64_t wanted);
  double time_stem(int64_t batch);

  int64_t max_batch_;
  double seconds_left_;
  int64_t buckets_ = 0, measured_ = 0;
  std::unique_ptr<Program> program_;
  Builder builder_;
};

} // namespace torchlit::cuda

struct tl_cuda {
  std::shared_ptr<torchlit::cuda::Device> device; // the lanes have it too
};
