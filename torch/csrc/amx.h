// 3×3 convolutions in int8 and bf16 on Intel's AMX: see amx.cc.
#pragma once

#include "form.h"
#include "torchlit.h"

namespace torchlit {

struct Shape;

// Amx is one such convolution.
class Amx : public Form {
public:
  // Whether a step of so many output channels is one that it computes in at::kByte or
  // at::kBFloat16, and the processor and its kernel have AMX.
  static bool fits(const tl_step &, const Shape &in, int64_t out, at::ScalarType);

  // weight is [out, in, 3, 3], for bytes of whole numbers; zero is the byte that stands for 0.
  Amx(const Shape &in, const at::Tensor &weight, const Epilogue &, at::ScalarType, uint8_t zero);

protected:
  std::vector<Task> tasks(int64_t n) const override;
  void compute(const Task &, const char *x, const char *add, char *y) const override;

private:
  void pad(const Part &, const char *x, char *to) const;
  void place(const Part &, int64_t total, int64_t *places) const;

  uint8_t zero_;
};

} // namespace torchlit
