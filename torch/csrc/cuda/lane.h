// A lane is everything that one thread needs to run a program that others run too.
//
// The goal: the bus, the multiprocessors and the thread that gathers images all work at
// once, and a batch of one waits for nothing. The obvious way, a tensor copied to the
// device, sixty operators, a tensor copied back, launches a kernel every few
// microseconds from one CPU core, which a small batch outruns, and leaves the bus idle
// while it computes. So:
//
//   - The whole network is one CUDA graph for each batch size (bucket), launched by one
//     call. A batch runs as the next larger bucket; what the images beyond it are is of
//     no interest.
//   - Bytes cross the bus, not floats. A single kernel normalises them on the device,
//     into the layout that the first convolution reads.
//   - Staging memory is page-locked, and the caller's to fill. It sends the first images
//     while it still gathers the last, on a stream of their own.
//   - What comes back are the answers alone, in page-locked memory too.
//   - Several lanes share one device. While one computes, another's images cross the bus
//     and a third's are gathered: their staging memories are the buffers of a pipeline.
//
// All graphs of a lane take their memory from one pool. They may, because a lane runs
// one at a time and reads its answers before it runs the next.
#pragma once

#include <map>

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>

#include "device.h"

struct tl_cuda_lane {
  explicit tl_cuda_lane(std::shared_ptr<torchlit::cuda::Device>);
  ~tl_cuda_lane();

  const torchlit::cuda::Device &device() const { return *device_; }
  uint8_t *staging() { return pinned_.data_ptr<uint8_t>(); }
  void send(int64_t from, int64_t n);
  void run(int64_t n, bool logits, float *answers);
  void run_planes(const float *planes, int64_t n, bool logits, float *answers);

private:
  // Bucket is the network for one batch size. Its answers lie in the graph's memory.
  struct Bucket {
    std::unique_ptr<at::cuda::CUDAGraph> graph; // none on the CPU
    cudaGraphExec_t executable = nullptr;       // the graph's
    at::Tensor logits, probabilities;
  };

  void build();
  void capture(int64_t n, at::cuda::MempoolId_t pool, bool measure);
  std::pair<const int64_t, Bucket> &bucket_for(int64_t n);
  void answer(int64_t n, bool logits, float *answers);
  void wait(int64_t n);
  at::Tensor staged(int64_t n) const { return staged_.narrow(0, 0, n); }

  std::shared_ptr<torchlit::cuda::Device> device_;
  at::Tensor pinned_;  // [max_batch, height, width, 3] bytes, page-locked
  at::Tensor images_;  // the same on the device
  at::Tensor planes_;  // [max_batch, 3, height, width] floats; undefined before the first
  at::Tensor staged_;  // what the network reads
  at::Tensor answers_; // [max_batch, classes] floats, page-locked
  std::map<int64_t, Bucket> buckets_;

  // None on the CPU.
  std::optional<c10::cuda::CUDAStream> copying_, computing_;
  std::optional<at::cuda::CUDAEvent> copied_, done_;
};
