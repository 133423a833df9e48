#include "program.h"

#include <algorithm>

#include <ATen/ops/addcmul.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cudnn_convolution_add_relu.h>
#include <ATen/ops/cudnn_convolution_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "../dead.h"
#include "../guard.h"

namespace torchlit::cuda {
namespace {

// The blocks of padding that Stem::blocks has before and after the image: a window of
// seven pixels begins three before the first, that is within the second block before it.
constexpr int64_t blocks_before = 2, blocks_after = 1;
constexpr int64_t block_channels = 16; // twelve, and four that are zero
constexpr int64_t padded_channels = 8;

at::Device device_of(const tl_cuda_options &o) {
  if (o.device < 0) return at::Device(at::kCPU);
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(o.device));
}

// blocks_weight makes the 4x4 filter of blocks of a 7x7 filter w. Row y of the result's
// image reads pixel rows 2y - 3 .. 2y + 3, that is blocks y - 2 .. y + 1, of whose eight
// rows the first is not read: row 2a + b - 1 of w is row b of block a.
at::Tensor blocks_weight(const at::Tensor &w) {
  const int64_t out = w.size(0);
  at::Tensor eight = at::zeros({out, 3, 8, 8}, w.options());
  eight.narrow(2, 1, 7).narrow(3, 1, 7).copy_(w);
  // [out, c, a, b, a', b'] to [out, (b, b', c), a, a']
  at::Tensor cut = eight.view({out, 3, 4, 2, 4, 2}).permute({0, 3, 5, 1, 2, 4});
  at::Tensor whole = at::zeros({out, block_channels, 4, 4}, w.options());
  whole.narrow(1, 0, 12).copy_(cut.reshape({out, 12, 4, 4}));
  return whole;
}

at::Tensor padded_weight(const at::Tensor &w) {
  at::Tensor whole = at::zeros({w.size(0), padded_channels, w.size(2), w.size(3)}, w.options());
  whole.narrow(1, 0, 3).copy_(w);
  return whole;
}

void check(const tl_step &s, int64_t i, bool last, int64_t slots) {
  auto slot = [&](int64_t n) {
    TORCH_CHECK(n >= 0 && n < slots, "step ", i, ": there is no slot ", n);
  };
  TORCH_CHECK((s.kind == TL_STEP_POOL_LINEAR) == last, "step ", i,
              ": the linear layer must be the last step, and the last only");
  slot(s.input);
  if (last) return;
  slot(s.output);
  TORCH_CHECK(s.residual < slots, "step ", i, ": there is no slot ", s.residual);
  TORCH_CHECK(s.residual < 0 || s.residual == s.output, "step ", i,
              ": its result must overwrite its residual");
}

} // namespace

Program::Program(const tl_engine_config &c, const tl_cuda_options &o, const tl_step *list, int64_t n)
    : config_(c), device_(device_of(o)), type_(static_cast<at::ScalarType>(o.dtype)),
      temperature_(o.temperature) {
  TORCH_CHECK(n > 1 && list[0].kind == TL_STEP_CONV && list[0].input == 0 && list[0].residual < 0,
              "a program must begin with a convolution of the images");
  TORCH_CHECK(type_ == at::kHalf || type_ == at::kBFloat16 || type_ == at::kFloat,
              "a GPU computes in float32, float16 or bfloat16");
  for (int64_t i = 0; i < n; i++) {
    const tl_step &s = list[i];
    check(s, i, i == n - 1, c.slots);
    Step step{s.kind, s.input, -1, s.output, s.kernel, s.stride, s.padding, s.groups, s.relu != 0, {}, {}, {}, true};
    if (s.kind == TL_STEP_CONV) {
      step.residual = s.residual;
      step.weight = borrow(s.weight).detach();
      step.bias = borrow(s.bias).detach();
    } else if (s.kind == TL_STEP_POOL_LINEAR) { // in float, as are the logits
      step.weight = borrow(s.weight).detach().to(device_, at::kFloat, false, true);
      step.bias = borrow(s.bias).detach().to(device_, at::kFloat, false, true);
    } else {
      TORCH_CHECK(s.kind == TL_STEP_MAXPOOL || s.kind == TL_STEP_AVGPOOL, "step ", i,
                  ": a step of unknown kind ", s.kind);
    }
    steps_.push_back(std::move(step));
  }
  fold_shortcuts();
  mark_dead(steps_, config_.slots);
  stem_weight_ = steps_[0].weight;
  for (Step &s : steps_) {
    if (s.kind != TL_STEP_CONV) continue;
    s.weight = s.weight.to(device_, type_, false, true, at::MemoryFormat::ChannelsLast);
    if (s.bias.defined()) s.bias = s.bias.to(device_, type_, false, true);
  }
  std::vector<float> scale(3), shift(3);
  for (int i = 0; i < 3; i++) {
    scale[i] = 1 / (255.0f * c.std[i]);
    shift[i] = -c.mean[i] / c.std[i];
  }
  scale_ = at::tensor(scale).to(device_);
  shift_ = at::tensor(shift).to(device_);
}

// fold_shortcuts moves the bias of a convolution that is not rectified and whose result
// is only added to that of a later one into that one's bias. The sum is the same; but
// cuDNN adds a bias for nothing where it also rectifies, and in a pass of its own where
// it does not.
void Program::fold_shortcuts() {
  for (size_t i = 0; i < steps_.size(); i++) {
    Step &from = steps_[i];
    if (from.kind != TL_STEP_CONV || from.relu || from.residual >= 0) continue;
    Step *to = nullptr;
    bool read = false; // by anything else
    for (size_t j = i + 1; j < steps_.size(); j++) {
      Step &s = steps_[j];
      read = read || s.input == from.output;
      if (s.residual == from.output) {
        if (!read) to = &s;
        break;
      }
      if (s.kind != TL_STEP_POOL_LINEAR && s.output == from.output) break;
    }
    if (!to) continue;
    to->bias = to->bias.add(from.bias);
    from.bias = at::Tensor();
  }
}

bool Program::fits(Stem stem) const {
  const Step &s = steps_[0];
  const std::vector<int64_t> &dead = s.dead;
  // Nothing else may read the images: they lie otherwise than their shape says.
  const bool alone = s.output == 0 || std::find(dead.begin(), dead.end(), 0) != dead.end();
  switch (stem) {
  case Stem::plain: return true;
  case Stem::padded: return alone && s.groups == 1;
  case Stem::blocks:
    return alone && s.groups == 1 && stem_weight_.size(2) == 7 && stem_weight_.size(3) == 7 &&
           config_.height % 2 == 0 && config_.width % 2 == 0 &&
           (stem_ == Stem::blocks || (s.stride == 2 && s.padding == 3));
  }
  return false;
}

void Program::set_stem(Stem stem) {
  TORCH_CHECK(fits(stem), "the first convolution cannot be computed in this form");
  Step &s = steps_[0];
  if (stem_ == Stem::blocks && stem != stem_) s.kernel = 7, s.stride = 2, s.padding = 3;
  at::Tensor w = stem_weight_;
  if (stem == Stem::padded) w = padded_weight(w);
  if (stem == Stem::blocks) {
    w = blocks_weight(w);
    s.kernel = 4, s.stride = 1, s.padding = 0;
  }
  s.weight = w.to(device_, type_, false, true, at::MemoryFormat::ChannelsLast);
  s.fused = true;
  stem_ = stem;
}

at::Tensor Program::staging(int64_t n) const {
  int64_t c = 3, h = config_.height, w = config_.width;
  if (stem_ == Stem::padded) c = padded_channels;
  if (stem_ == Stem::blocks) {
    c = block_channels;
    h = h / 2 + blocks_before + blocks_after;
    w = w / 2 + blocks_before + blocks_after;
  }
  return at::zeros({n, h, w, c}, at::TensorOptions(device_).dtype(type_)).permute({0, 3, 1, 2});
}

at::Tensor Program::interior(const at::Tensor &staged) const {
  at::Tensor x = staged.permute({0, 2, 3, 1});
  if (stem_ != Stem::blocks) return x.narrow(3, 0, 3);
  return x.narrow(1, blocks_before, config_.height / 2)
      .narrow(2, blocks_before, config_.width / 2)
      .narrow(3, 0, 12)
      .unflatten(3, {2, 2, 3});
}

void Program::stage(const at::Tensor &images, at::Tensor &staged) const {
  if (kernels_) {
    kernels_->stage({scale_, shift_, stem_ == Stem::blocks}, images, staged);
  } else {
    plain_stage(images, staged);
  }
}

void Program::use_kernels() {
  if (type_ == at::kFloat) return;
  try {
    auto kernels = std::make_unique<Kernels>(device_);
    if (same_stage(*kernels) && same_pools(*kernels)) kernels_ = std::move(kernels);
  } catch (const c10::OutOfMemoryError &) {
    throw;
  } catch (const c10::AcceleratorError &) {
    throw;
  } catch (const c10::Error &) { // no NVRTC, or none for this device
  }
}

// same_stage compares on all bytes there are. float16 values below 4 are 0.002 apart,
// those of bfloat16 0.016, and one may be rounded up where another is rounded down.
bool Program::same_stage(const Kernels &kernels) const {
  constexpr double apart = 0.02;
  const int64_t n = 2;
  at::Tensor images = at::arange(n * config_.height * config_.width * 3, at::TensorOptions(device_))
                          .mul(7)
                          .remainder(256)
                          .to(at::kByte)
                          .view({n, config_.height, config_.width, 3});
  at::Tensor want = staging(n), got = staging(n);
  plain_stage(images, want);
  kernels.stage({scale_, shift_, stem_ == Stem::blocks}, images, got);
  const double most = std::max(1.0, want.abs().max().to(at::kFloat).item<double>() / 4);
  return got.to(at::kFloat).sub(want).abs().max().item<double>() <= apart * most;
}

bool Program::same_pools(const Kernels &kernels) const {
  for (const Step &s : steps_) {
    if (s.kind != TL_STEP_MAXPOOL) continue;
    const int64_t kernel[] = {s.kernel, s.kernel}, stride[] = {s.stride, s.stride};
    const int64_t padding[] = {s.padding, s.padding};
    at::Tensor x = at::arange(2 * 17 * 19 * 16, at::TensorOptions(device_))
                       .mul(37)
                       .remainder(1009)
                       .sub(500)
                       .to(type_)
                       .view({2, 17, 19, 16})
                       .permute({0, 3, 1, 2});
    at::Tensor got = kernels.max_pool(x, s.kernel, s.stride, s.padding);
    if (!got.equal(at::max_pool2d(x, kernel, stride, padding))) return false;
  }
  return true;
}

void Program::plain_stage(const at::Tensor &images, at::Tensor &staged) const {
  at::Tensor from = images;
  const int64_t h = config_.height, w = config_.width;
  if (stem_ == Stem::blocks)
    from = images.view({images.size(0), h / 2, 2, w / 2, 2, 3}).permute({0, 1, 3, 2, 4, 5});
  at::Tensor to = interior(staged);
  at::addcmul_out(to, shift_, from, scale_);
}

void Program::stage_planes(const at::Tensor &planes, at::Tensor &staged) const {
  const int64_t h = config_.height, w = config_.width;
  at::Tensor from = planes.permute({0, 2, 3, 1});
  if (stem_ == Stem::blocks)
    from = planes.view({planes.size(0), 3, h / 2, 2, w / 2, 2}).permute({0, 2, 4, 3, 5, 1});
  interior(staged).copy_(from);
}

at::Tensor Program::fused(const Step &s, const at::Tensor &x, const at::Tensor &residual) const {
  const int64_t stride[] = {s.stride, s.stride}, padding[] = {s.padding, s.padding};
  const int64_t dilation[] = {1, 1};
  if (s.residual < 0)
    return at::cudnn_convolution_relu(x, s.weight, s.bias, stride, padding, dilation, s.groups);
  return at::cudnn_convolution_add_relu(x, s.weight, residual, 1.0, s.bias, stride, padding, dilation,
                                        s.groups);
}

// convolve takes plain operators where cuDNN has no fused one, as for some groups and odd
// numbers of channels; it says so by an error.
at::Tensor Program::convolve(const Step &s, const at::Tensor &x, const at::Tensor &residual) const {
  if (device_.is_cuda() && s.relu && s.bias.defined() && s.fused) {
    try {
      return fused(s, x, residual);
    } catch (const c10::OutOfMemoryError &) {
      throw;
    } catch (const c10::AcceleratorError &) {
      throw;
    } catch (const c10::Error &) {
      s.fused = false;
    }
  }
  const int64_t stride[] = {s.stride, s.stride}, padding[] = {s.padding, s.padding};
  const int64_t dilation[] = {1, 1};
  at::Tensor y = at::conv2d(x, s.weight, s.bias, stride, padding, dilation, s.groups);
  if (s.residual >= 0) y.add_(residual);
  if (s.relu) y.relu_();
  return y;
}

at::Tensor Program::first(const at::Tensor &staged) const {
  return convolve(steps_[0], staged, at::Tensor());
}

at::Tensor Program::logits(const at::Tensor &staged) const {
  std::vector<at::Tensor> slots(config_.slots);
  slots[0] = staged;
  at::Tensor answer;
  for (const Step &s : steps_) {
    const at::Tensor &x = slots[s.input];
    TORCH_CHECK(x.defined() && (s.residual < 0 || slots[s.residual].defined()),
                "a slot is read before it is written");
    const int64_t kernel[] = {s.kernel, s.kernel}, stride[] = {s.stride, s.stride};
    const int64_t padding[] = {s.padding, s.padding}, image[] = {2, 3};
    switch (s.kind) {
    case TL_STEP_CONV:
      slots[s.output] = convolve(s, x, s.residual < 0 ? at::Tensor() : slots[s.residual]);
      break;
    case TL_STEP_MAXPOOL:
      slots[s.output] = kernels_ && Kernels::pools(x)
                            ? kernels_->max_pool(x, s.kernel, s.stride, s.padding)
                            : at::max_pool2d(x, kernel, stride, padding);
      break;
    case TL_STEP_AVGPOOL:
      slots[s.output] = at::avg_pool2d(x, kernel, stride, 0, /*ceil_mode=*/true,
                                       /*count_include_pad=*/false);
      break;
    case TL_STEP_POOL_LINEAR:
      answer = at::linear(at::mean(x, image, false, at::kFloat), s.weight, s.bias);
      break;
    }
    for (int64_t slot : s.dead) slots[slot].reset();
  }
  return answer;
}

at::Tensor Program::probabilities(const at::Tensor &logits) const {
  return at::softmax(temperature_ == 1 ? logits : logits.div(temperature_), 1);
}

} // namespace torchlit::cuda
