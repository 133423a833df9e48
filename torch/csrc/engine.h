// An engine's program: the steps as engine_open checked and packed them.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "guard.h"

namespace torchlit {

// Shape is what one image has become: channels, height, width.
struct Shape {
  int64_t c = 0, h = 0, w = 0;
  int64_t bytes() const { return c * h * w * static_cast<int64_t>(sizeof(float)); }
};

// Convolution is a step's convolution with its weight in the layout that suits
// this machine, the addition of the residual and the rectifier included.
//
// oneDNN does all three in one pass over the output, which otherwise goes
// through memory three times. Its operators are private to libtorch (namespace
// mkldnn, absent where libtorch is built without oneDNN), so they are called
// through the dispatcher; when they are absent, or plain is asked for, the same
// is done with public ones.
//
// The weight is packed once, for a given batch size, and other sizes run on the
// same packing: oneDNN asks for the same blocked layout whatever the batch. With
// ResNet18 at 224 px, batches of 1 and of 8 on weights packed for the other size
// were as fast as on their own, within 5 %; if a layout ever differed, oneDNN
// would reorder the weight in each run, slower but right.
class Convolution {
public:
  Convolution(const tl_step &, const Shape &in, int64_t batch, bool plain);

  // Computes x * weight + bias (+ residual) and rectifies. With a residual the
  // result may be the residual's own memory, overwritten.
  at::Tensor operator()(const at::Tensor &x, const at::Tensor &residual) const;

private:
  at::Tensor fused(const at::Tensor &x, const at::Tensor &residual) const;
  at::Tensor plain(const at::Tensor &x, const at::Tensor &residual) const;

  at::Tensor weight_, bias_;
  int64_t stride_, padding_, groups_;
  bool relu_, residual_;
  std::optional<c10::OperatorHandle> op_; // absent: plain
  torch::jit::Stack arguments_;           // of op_, after its tensors x and residual
};

// Step is one operation on the slots, which hold the activations.
struct Step {
  int64_t kind, input, residual, output;
  int64_t kernel, stride, padding;
  std::optional<Convolution> convolution;
  at::Tensor weight, bias;   // of the linear layer
  std::vector<int64_t> dead; // slots that no later step reads
};

// Program is immutable once built, so any number of engines may run it at once.
struct Program {
  Program(const tl_engine_config &, const tl_step *, int64_t n);

  tl_engine_config config;
  std::vector<Step> steps;
  std::array<std::array<float, 256>, 3> normalized; // of a channel's byte
  int64_t chunk;                                    // images run at once
};

} // namespace torchlit
