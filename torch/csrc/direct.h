// Convolutions in int8 and bf16 on AVX-512's dot products: see direct.cc.
#pragma once

#include "form.h"
#include "torchlit.h"

namespace torchlit {

struct Shape;

// Direct is one such convolution.
class Direct : public Form {
public:
  // Whether a step of so many output channels is one that it computes in at::kByte or
  // at::kBFloat16, and this processor computes it best in this form.
  static bool fits(const tl_step &, int64_t out, at::ScalarType);

  // weight is [out, in, kernel, kernel], for bytes of whole numbers; zero is the byte that stands for 0.
  Direct(const tl_step &, const Shape &in, const at::Tensor &weight, const Epilogue &, at::ScalarType, uint8_t zero);

protected:
  std::vector<Task> tasks(int64_t n) const override;
  void compute(const Task &, const char *x, const char *add, char *y) const override;

private:
  // Outputs from begin to end, in one direction, for which the filter from first to last lies on the image.
  struct Range {
    int64_t begin, end, first, last;
  };
  std::vector<Range> ranges(int64_t in, int64_t out) const;
  void pad(const Part &, const char *x, char *to) const;

  int64_t kernel_, stride_, padding_;
  int64_t height_, columns_; // of an image, in pixels
  int64_t run_;              // bytes of a filter's row, in whole dwords
  uint8_t zero_;
  bool copies_; // the input, with its padding
  std::vector<Range> down_, across_;
};

} // namespace torchlit
