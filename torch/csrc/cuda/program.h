// An engine's program as a GPU runs it.
//
// Nothing in program.cc names CUDA: a program runs on whatever device its tensors are
// on. On the CPU it takes ATen's plain operators, and so a machine without a GPU tests
// everything but the streams, the graphs and cuDNN.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "kernels.h"
#include "torchlit_cuda.h"

namespace torchlit::cuda {

// Stem is the form in which the first convolution reads the images. Tensor cores take
// channels by the eight; three of them waste most of each multiplication, and cuDNN
// pads them in a pass of its own. Which of the remedies is best depends on the card,
// so it is measured.
enum class Stem : int64_t {
  plain = TL_CUDA_STEM_PLAIN,
  padded = TL_CUDA_STEM_PADDED,
  blocks = TL_CUDA_STEM_BLOCKS,
};

// Step is one operation on the slots, which hold the activations: see ../engine.cc.
struct Step {
  int64_t kind, input, residual, output;
  int64_t kernel, stride, padding, groups;
  bool relu;
  at::Tensor weight, bias;   // bias: undefined when it went into a later step's
  std::vector<int64_t> dead; // slots that no later step reads
  // Whether cuDNN has a fused convolution for it. Found out in the runs before a capture,
  // all of which are the builder's.
  mutable bool fused = true;
};

class Program {
public:
  Program(const tl_engine_config &, const tl_cuda_options &, const tl_step *, int64_t n);

  int64_t height() const { return config_.height; }
  int64_t width() const { return config_.width; }
  int64_t classes() const { return config_.classes; }
  at::Device device() const { return device_; }

  // use_kernels takes those of kernels.cc if they give what ATen's operators give.
  void use_kernels();
  bool uses_kernels() const { return kernels_ != nullptr; }

  bool fits(Stem) const;
  Stem stem() const { return stem_; }
  void set_stem(Stem);

  // staging makes the tensor that n images are staged in. What lies between and beside
  // the pixels is zero, and stage leaves it so.
  at::Tensor staging(int64_t n) const;
  // stage writes images, [n, height, width, 3] bytes on the device, normalised.
  void stage(const at::Tensor &images, at::Tensor &staged) const;
  // stage_planes writes [n, 3, height, width] floats, which are normalised.
  void stage_planes(const at::Tensor &planes, at::Tensor &staged) const;

  at::Tensor logits(const at::Tensor &staged) const; // [n, classes], float
  at::Tensor probabilities(const at::Tensor &logits) const;
  at::Tensor first(const at::Tensor &staged) const; // the first convolution alone

private:
  bool same_stage(const Kernels &) const;
  bool same_pools(const Kernels &) const;
  void plain_stage(const at::Tensor &images, at::Tensor &staged) const;
  void fold_shortcuts();
  at::Tensor convolve(const Step &, const at::Tensor &x, const at::Tensor &residual) const;
  at::Tensor fused(const Step &, const at::Tensor &x, const at::Tensor &residual) const;
  // The pixels within staged as [n, height, width, 3], or cut up as Stem::blocks has them.
  at::Tensor interior(const at::Tensor &staged) const;

  tl_engine_config config_;
  at::Device device_;
  at::ScalarType type_;
  double temperature_;
  std::vector<Step> steps_;
  at::Tensor stem_weight_;    // of the first step, [out, 3, kernel, kernel], as it came
  at::Tensor scale_, shift_;  // [3]: normalised = byte * scale + shift
  Stem stem_ = Stem::plain;
  std::unique_ptr<Kernels> kernels_; // null: ATen's operators
};

} // namespace torchlit::cuda
