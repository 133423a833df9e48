// The two ways of a convolution in floating point: fused by oneDNN, and plain.
#include <ATen/core/List.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/relu.h>

#include "engine.h"

namespace torchlit {
namespace {

using c10::IValue;
using Pair = std::vector<int64_t>;

// pack brings the weight into oneDNN's blocked layout.
at::Tensor pack(const c10::OperatorHandle &reorder, const at::Tensor &weight, int64_t padding,
                int64_t stride, int64_t groups, const Shape &in, int64_t batch) {
  torch::jit::Stack stack{weight,          Pair{padding, padding},
                          Pair{stride, stride}, Pair{1, 1},
                          groups,          Pair{batch, in.c, in.h, in.w}};
  reorder.callBoxed(stack);
  return stack[0].toTensor();
}

} // namespace

std::optional<c10::OperatorHandle> find(const char *name, const char *overload) {
  return c10::Dispatcher::singleton().findSchema({name, overload});
}

Convolution::Convolution(const tl_step &s, const Shape &in, int64_t batch, at::ScalarType type, bool plain)
    : weight_(borrow(s.weight).detach().to(type)), bias_(borrow(s.bias).detach().to(type)), stride_(s.stride),
      padding_(s.padding), groups_(s.groups), relu_(s.relu != 0), residual_(s.residual >= 0) {
  auto reorder = find("mkldnn::_reorder_convolution_weight", "");
  op_ = residual_ ? find("mkldnn::_convolution_pointwise_", "binary")
                  : find("mkldnn::_convolution_pointwise", "");
  if (plain || !reorder || !op_) {
    op_.reset();
    weight_ = weight_.contiguous(at::MemoryFormat::ChannelsLast);
    return;
  }
  weight_ = pack(*reorder, weight_.contiguous(), padding_, stride_, groups_, in, batch);
  arguments_ = {weight_,  bias_, Pair{padding_, padding_}, Pair{stride_, stride_}, Pair{1, 1},
                groups_};
  const c10::impl::GenericList no_scalars(c10::OptionalType::create(c10::NumberType::get()));
  if (residual_) {
    IValue unary = relu_ ? IValue("relu") : IValue();
    arguments_.insert(arguments_.end(), {"add", IValue(), unary, no_scalars, ""});
  } else {
    arguments_.insert(arguments_.end(), {relu_ ? "relu" : "none", no_scalars, ""});
  }
}

at::Tensor Convolution::operator()(const at::Tensor &x, const at::Tensor &residual) const {
  return op_ ? fused(x, residual) : plain(x, residual);
}

at::Tensor Convolution::fused(const at::Tensor &x, const at::Tensor &residual) const {
  torch::jit::Stack stack;
  stack.reserve(arguments_.size() + 2);
  if (residual_) stack.emplace_back(residual);
  stack.emplace_back(x);
  stack.insert(stack.end(), arguments_.begin(), arguments_.end());
  op_->callBoxed(stack);
  return std::move(stack[0]).toTensor();
}

at::Tensor Convolution::plain(const at::Tensor &x, const at::Tensor &residual) const {
  const int64_t stride[] = {stride_, stride_}, padding[] = {padding_, padding_};
  at::Tensor y = at::conv2d(x, weight_, bias_, stride, padding, 1, groups_);
  if (residual_) y.add_(residual);
  if (relu_) y.relu_();
  return y;
}

} // namespace torchlit
