// 3×3 convolutions in fp32 with a quarter of the multiplications: see winograd.cc.
#pragma once

#include <memory>
#include <mutex>

#include <ATen/core/Tensor.h>

#include "torchlit.h"

namespace torchlit {

struct Shape;

// Winograd is one such convolution, with the addition of the residual and the rectifier.
// May be used by many threads at once.
class Winograd {
public:
  // Null where the step is none that it computes, or the processor has neither AVX2 nor
  // AVX-512. weight is [out, in, 3, 3] and kept, bias [out]; both float.
  static std::unique_ptr<Winograd> make(const tl_step &, const Shape &in, const at::Tensor &weight, const at::Tensor &bias);

  // Whether it is faster than the direct form for so many images on the caller's threads.
  bool pays(int64_t batch) const;

  // The transformed weight, made when it is first asked for: it is four times as large as the
  // plain one.
  at::Tensor weight();

  // Computes x * weight + bias (+ residual) and rectifies; x is [n, channels, height, width].
  // With a residual the result is the residual's own memory, overwritten, unless it is also x's.
  at::Tensor operator()(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &residual) const;

  struct Kernels; // for one instruction set

private:
  Winograd(const Kernels &, const at::Tensor &weight, const at::Tensor &bias, bool relu, const Shape &in);

  // A span of tiles, counted through all images.
  struct Span {
    int64_t begin, end;
  };
  void compute(Span, const float *x, const float *u, const float *add, float *y) const;

  const Kernels &kernels_;
  at::Tensor plain_, bias_;
  const bool relu_;
  const int64_t depth_, width_; // channels in and out
  const int64_t height_, columns_; // of an image, in pixels
  const int64_t down_, across_; // its tiles
  std::mutex mutex_;
  at::Tensor weight_;
};

} // namespace torchlit
