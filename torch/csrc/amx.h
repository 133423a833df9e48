// 3×3 convolutions in int8 and bf16 on Intel's AMX: see amx.cc.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "torchlit.h"

namespace torchlit {

struct Shape;
struct Storage;

// What becomes of a sum of products: result = sum · scale + bias (+ residual), rectified.
// Of bf16 the scales are 1, of bytes those of the weight.
struct Epilogue {
  at::Tensor scale, bias; // [out], float
  bool relu;
};

// Amx is one such convolution. May be used by many threads at once.
class Amx {
public:
  // Null where the step is none that it computes, or the processor or its kernel has no
  // AMX. weight is [out, in, 3, 3] of whole numbers in floats.
  static std::unique_ptr<Amx> bytes(const tl_step &, const Shape &in, const at::Tensor &weight, const Epilogue &,
                                    const Storage &input, const Storage &residual, const Storage &output);
  // The same for bf16.
  static std::unique_ptr<Amx> halves(const tl_step &, const Shape &in, const at::Tensor &weight, const Epilogue &);

  // The weight in tiles.
  const at::Tensor &weight() const { return weight_; }

  // x is [n, channels, height, width]. With a residual the result is the residual's own
  // memory, overwritten, unless it is also x's.
  at::Tensor operator()(const at::Tensor &x, const at::Tensor &residual) const;

private:
  Amx(const Shape &in, const at::Tensor &weight, const Epilogue &, at::ScalarType);

  // A block of rows of one image, or several images whole.
  struct Part {
    int64_t image, images, top, rows;
  };
  void compute(const Part &, const char *x, const char *add, char *y) const;
  void pad(const Part &, const char *x, char *to) const;
  void place(const Part &, int64_t total, int64_t *places) const;

  at::ScalarType type_;
  at::Tensor weight_, scale_, bias_;
  bool relu_;
  int64_t depth_, width_, height_, columns_; // channels in and out; of an image, in pixels
  int64_t in_bytes_, out_bytes_;             // of a pixel
  uint8_t zero_ = 0;                         // the byte that stands for 0
  float residual_scale_ = 0, residual_zero_ = 0, inverse_ = 1, output_zero_ = 0;
};

} // namespace torchlit
