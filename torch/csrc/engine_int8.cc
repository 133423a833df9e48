// Convolutions of bytes by int8 weights.
//
// An activation is a byte b that stands for scale * (b - zero): with zero 0 after a
// rectifier, so that all 256 bytes are used, and with another zero elsewhere. The
// weights of each output channel have a scale of their own and no zero, so that
//
//   result = input scale * weight scale[o] * sum (b - zero) * w[o] + bias[o]
//
// The sum is exact, in 32-bit integers; the rest is one multiplication and addition
// for each result, after which the residual is added, the rectifier applied and the
// byte of the output's scale rounded, all of it inside of oneDNN's convolution.
//
// Where the weights' scales come from: the largest absolute weight of a channel
// becomes 127. A smaller limit, which clips a few weights and rounds the others more
// finely, is better for tensors of one scale; with one for each channel it gains nothing.
#include <ATen/core/List.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros.h>

#include "engine.h"

namespace torchlit {
namespace {

using c10::IValue;
using Pair = std::vector<int64_t>;

constexpr double largest_weight = 127;

c10::impl::GenericList no_scalars() {
  return c10::impl::GenericList(c10::OptionalType::create(c10::NumberType::get()));
}

// channel_scales are the weight scales, [out]. A channel of zeros has any.
at::Tensor channel_scales(const at::Tensor &weight) {
  at::Tensor scales = weight.abs().amax({1, 2, 3}).div_(largest_weight);
  return scales.clamp_min_(1e-12);
}

at::Tensor round_weight(const at::Tensor &weight, const at::Tensor &scales) {
  return weight.div(scales.view({-1, 1, 1, 1})).round_().clamp_(-largest_weight, largest_weight);
}

} // namespace

bool Stem::fits(const tl_step &s, const Shape &in, int64_t out) {
  return s.kind == TL_STEP_CONV && s.input == 0 && s.residual < 0 && s.groups == 1 && s.kernel == 7 && s.stride == 2 &&
         s.padding == 3 && in.h % 2 == 0 && in.w % 2 == 0 && !has_form(s, in, out, at::kByte);
}

at::Tensor Stem::weight(const at::Tensor &w) {
  const at::Tensor in = w.contiguous();
  at::Tensor out = at::zeros({w.size(0), channels, 4, 4}, at::kFloat);
  auto from = in.accessor<float, 4>();
  auto to = out.accessor<float, 4>();
  for (int64_t o = 0; o < w.size(0); o++) {
    for (int64_t c = 0; c < 3; c++) {
      for (int64_t y = 1; y < 8; y++) {
        for (int64_t x = 1; x < 8; x++) to[o][(y % 2 * 2 + x % 2) * 3 + c][y / 2][x / 2] = from[o][c][y - 1][x - 1];
      }
    }
  }
  return out;
}

ByteConvolution::ByteConvolution(const tl_step &s, const Shape &in, Storage input, Storage residual,
                                 Storage output, at::ScalarType type, bool plain)
    : bias_(borrow(s.bias).detach().clone()), stride_(s.stride), padding_(s.padding),
      groups_(s.groups), relu_(s.relu != 0), residual_(s.residual >= 0), input_(input),
      added_(residual), output_(output), type_(output.bytes() ? at::kByte : type) {
  const at::Tensor weight = borrow(s.weight).detach();
  scales_ = channel_scales(weight);
  weight_ = round_weight(weight, scales_);
  auto prepack = find("onednn::qconv_prepack", "");
  op_ = find("onednn::qconv2d_pointwise", residual_ ? "binary" : "");
  if (plain || !prepack || !op_) {
    op_.reset();
    weight_.mul_(scales_.view({-1, 1, 1, 1}));
    return;
  }
  if (input_.bytes() && output_.bytes() && has_form(s, in, weight_.size(0), at::kByte)) {
    const Epilogue e = Epilogue::bytes(weight_, scales_, bias_, relu_, input_, added_, output_);
    form_ = form_of(s, in, weight_, e, at::kByte, input_.zero);
    weight_.reset();
    return;
  }
  const Pair stride{stride_, stride_}, padding{padding_, padding_}, dilation{1, 1};
  packings_ = std::make_unique<Packings>(
      *prepack,
      torch::jit::Stack{weight_.to(at::kChar), scales_, input_.scale, input_.zero, stride, padding, dilation, groups_},
      in);
  weight_.reset();
  const at::Tensor zeros = at::zeros({scales_.size(0)}, at::kInt);
  const double scale = output_.bytes() ? output_.scale : 1;
  arguments_ = {input_.scale, input_.zero, IValue(), scales_, zeros};
  torch::jit::Stack rest{bias_, stride, padding, dilation, groups_, scale, output_.zero,
                         static_cast<int64_t>(type_)};
  if (residual_) { // qaccum stands before the bias
    arguments_.emplace_back();
    rest.insert(rest.end(), {added_.scale, added_.zero, "sum", 1.0, relu_ ? IValue("relu") : IValue(),
                             no_scalars(), ""});
  } else {
    rest.insert(rest.end(), {relu_ ? "relu" : "none", no_scalars(), ""});
  }
  arguments_.insert(arguments_.end(), rest.begin(), rest.end());
}

at::Tensor ByteConvolution::weight(int64_t batch) const {
  if (form_) return form_->weight();
  return packings_ ? packings_->of(batch) : weight_;
}

at::Tensor ByteConvolution::operator()(const at::Tensor &x, const at::Tensor &weight,
                                       const at::Tensor &residual) const {
  if (form_) return (*form_)(x, residual);
  return op_ ? fused(x, weight, residual) : plain(x, residual);
}

at::Tensor ByteConvolution::fused(const at::Tensor &x, const at::Tensor &weight,
                                  const at::Tensor &residual) const {
  constexpr size_t packed = 3, accumulator = 6; // places of the weight and of qaccum, with x before all arguments
  torch::jit::Stack stack;
  stack.reserve(arguments_.size() + 1);
  stack.emplace_back(x);
  stack.insert(stack.end(), arguments_.begin(), arguments_.end());
  stack[packed] = weight;
  if (residual_) stack[accumulator] = residual;
  op_->callBoxed(stack);
  return std::move(stack[0]).toTensor();
}

// plain computes the same in floats, whose sums differ in the last bits: a result that
// lies between two bytes may become the other one.
at::Tensor ByteConvolution::plain(const at::Tensor &x, const at::Tensor &residual) const {
  const int64_t stride[] = {stride_, stride_}, padding[] = {padding_, padding_};
  at::Tensor y = at::conv2d(dequantize(x, input_), weight_, bias_, stride, padding, 1, groups_);
  if (residual_) y.add_(dequantize(residual, added_));
  if (relu_) y.relu_();
  return output_.bytes() ? quantize(y, output_) : y.to(type_);
}

} // namespace torchlit
