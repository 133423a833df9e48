// The ways of a convolution in floating point: fused by oneDNN, forms of our own, and plain.
#include <algorithm>

#include <ATen/Parallel.h>
#include <ATen/core/List.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/relu.h>

#include "engine.h"

namespace torchlit {
namespace {

using c10::IValue;
using Pair = std::vector<int64_t>;

// describe returns oneDNN's description of a packed weight's layout.
std::string describe(const at::Tensor &weight) {
  static const auto op = find("mkldnn::_get_mkldnn_serialized_md", "");
  if (!op) return {};
  torch::jit::Stack stack{weight};
  op->callBoxed(stack);
  const at::Tensor bytes = stack[0].toTensor().contiguous();
  return {static_cast<const char *>(bytes.const_data_ptr()), bytes.nbytes()};
}

} // namespace

Packings::Packings(c10::OperatorHandle pack, torch::jit::Stack arguments, const Shape &in)
    : pack_(pack), arguments_(std::move(arguments)), in_(in) {}

at::Tensor Packings::of(int64_t batch) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!layouts_.empty() && layouts_[0].description.empty()) return layouts_[0].weight;
  const std::pair<int, int64_t> size{at::get_num_threads(), batch};
  if (auto known = known_.find(size); known != known_.end()) return layouts_[known->second].weight;
  torch::jit::Stack stack = arguments_;
  stack.emplace_back(Pair{batch, in_.c, in_.h, in_.w});
  pack_.callBoxed(stack);
  Layout made{describe(stack[0].toTensor()), stack[0].toTensor()};
  auto same = std::find_if(layouts_.begin(), layouts_.end(),
                           [&](const Layout &l) { return l.description == made.description; });
  if (same == layouts_.end()) same = layouts_.insert(same, std::move(made));
  known_[size] = same - layouts_.begin();
  return same->weight;
}

std::optional<c10::OperatorHandle> find(const char *name, const char *overload) {
  return c10::Dispatcher::singleton().findSchema({name, overload});
}

Convolution::Convolution(const tl_step &s, const Shape &in, at::ScalarType type, bool plain)
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
  if (type == at::kFloat) winograd_ = Winograd::make(s, in, weight_, bias_);
  if (type == at::kBFloat16 && has_form(s, in, weight_.size(0), type)) {
    form_ = form_of(s, in, borrow(s.weight).detach(), Epilogue::halves(borrow(s.bias).detach(), relu_), type, 0);
    weight_.reset();
    return;
  }
  const Pair padding{padding_, padding_}, stride{stride_, stride_}, dilation{1, 1};
  packings_ = std::make_unique<Packings>(
      *reorder, torch::jit::Stack{weight_.contiguous(), padding, stride, dilation, groups_}, in);
  weight_.reset();
  arguments_ = {bias_, padding, stride, dilation, groups_};
  const c10::impl::GenericList no_scalars(c10::OptionalType::create(c10::NumberType::get()));
  if (residual_) {
    IValue unary = relu_ ? IValue("relu") : IValue();
    arguments_.insert(arguments_.end(), {"add", IValue(), unary, no_scalars, ""});
  } else {
    arguments_.insert(arguments_.end(), {relu_ ? "relu" : "none", no_scalars, ""});
  }
}

at::Tensor Convolution::weight(int64_t batch) const {
  if (winograd_ && winograd_->pays(batch)) return winograd_->weight();
  if (form_) return form_->weight();
  return packings_ ? packings_->of(batch) : weight_;
}

at::Tensor Convolution::operator()(const at::Tensor &x, const at::Tensor &weight,
                                   const at::Tensor &residual) const {
  if (winograd_ && winograd_->pays(x.size(0))) return (*winograd_)(x, weight, residual);
  if (form_) return (*form_)(x, residual);
  return op_ ? fused(x, weight, residual) : plain(x, residual);
}

at::Tensor Convolution::fused(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &residual) const {
  torch::jit::Stack stack;
  stack.reserve(arguments_.size() + 3);
  if (residual_) stack.emplace_back(residual);
  stack.emplace_back(x);
  stack.emplace_back(weight);
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
