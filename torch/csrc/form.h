// Forms of a convolution in int8 and bf16 of our own, for where oneDNN's is not the fastest: Amx and
// Direct. What they share.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace torchlit {

struct Storage;

// Epilogue is what becomes of a sum of products: sum · scale + bias (+ residual · theirs), no less than
// floor, rounded to what is stored. For bytes all of it is counted in steps of the result, and
// every zero is in the bias already, so that there is one multiplication left.
struct Epilogue {
  at::Tensor scale, bias; // [out], float; of bf16 no scale
  float residual = 1, floor = 0;

  static Epilogue halves(const at::Tensor &bias, bool relu);

  // weight is [out, in, k, k] of whole numbers that stand for scale times as much. The sums are of the
  // bytes as they are: what the input's zero adds to each is the same for all pixels if those
  // outside of the image are the zero as well.
  static Epilogue bytes(const at::Tensor &weight, const at::Tensor &scale, const at::Tensor &bias, bool relu,
                        const Storage &input, const Storage &residual, const Storage &output);
};

// Part is rows of one image, or several images whole.
struct Part {
  int64_t image, images, top, rows;
};

// divide makes parts of n images, of so many rows each: groups of whole images of 256 KB together, which
// stay in a core's cache, or with more threads than images rows for each thread.
std::vector<Part> divide(int64_t n, int64_t image_bytes, int64_t rows, int64_t threads);

// Task is what a thread computes at once: output channels from first to last, counted in blocks of the form's, of a
// part of the batch.
struct Task {
  Part part;
  int64_t first, last;
};

// Form is one convolution with its weight, the addition of the residual and the rectifier.
// May be used by many threads at once.
class Form {
public:
  virtual ~Form() = default;

  // The weight in the form's own order.
  const at::Tensor &weight() const { return weight_; }

  // x is [n, channels, height, width]. With a residual the result may be the residual's own
  // memory, overwritten.
  at::Tensor operator()(const at::Tensor &x, const at::Tensor &residual) const;

protected:
  // out is the shape of a result. A pixel of x is of in channels.
  Form(at::ScalarType, int64_t in, const std::array<int64_t, 3> &out, at::Tensor weight, const Epilogue &);

  // tasks shares n images out to the caller's threads.
  virtual std::vector<Task> tasks(int64_t n) const = 0;
  // x, add and y begin at the batch's first image; add is null without a residual.
  virtual void compute(const Task &, const char *x, const char *add, char *y) const = 0;

  const at::ScalarType type_; // at::kByte or at::kBFloat16
  const at::Tensor weight_;
  const Epilogue epilogue_;
  const int64_t width_, rows_out_, columns_out_; // channels and pixels of a result
  const int64_t in_bytes_, out_bytes_;           // of a pixel
};

// element_bytes is how many a value takes.
inline int64_t element_bytes(at::ScalarType type) { return type == at::kByte ? 1 : 2; }

} // namespace torchlit
