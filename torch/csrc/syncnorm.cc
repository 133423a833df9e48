// Batch normalisation by the statistics of all ranks' batches.
//
// The forward pass needs one exchange and the backward pass another. Between the two
// halves of the forward pass Go adds up a small table over all ranks:
//
//  1. syncnorm_local makes the table [ranks, 2C+1], zero but for this rank's row:
//     mean [C], biased variance [C], and how many elements a channel has.
//  2. The sum over ranks therefore holds everybody's row, to the last bit. Sums of
//     squares would be smaller to send, but lose the variance of a channel whose mean
//     is large.
//  3. syncnorm_apply merges the rows as Chan, Golub and LeVeque do (Updating Formulae
//     and a Pairwise Algorithm for Computing Sample Variances, 1979), moves the
//     running statistics, and normalises with libtorch's kernel for given statistics.
//
// For the gradient let xhat = (x - mean) / std. Differentiating through mean and
// variance gives the known formula of batch normalisation,
//
//   dx = w / std * (dy - (sum dy) / n - xhat * (sum dy * xhat) / n)
//
// in which the two sums are over all ranks' elements, n of them. Those of this rank
// are the very gradients of bias and weight, so the kernel that makes these gives
// both; their sum over ranks comes by way of the mailbox, for the pass runs in C
// while Go waits (mailbox.h). Per channel, dx is then a sum of dy and x with
// constant factors. The gradients of weight and bias stay those of this rank: they
// are averaged with all others.
#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/Scalar.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mailbox.h"

namespace torchlit {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Optional = std::optional<at::Tensor>;

// per_channel gives [C] the shape [1, C, 1, ...] that meets x.
at::Tensor per_channel(const at::Tensor &v, const at::Tensor &x) {
  std::vector<int64_t> shape(x.dim(), 1);
  shape[1] = v.numel();
  return v.view(shape);
}

at::Tensor float32(const at::Tensor &t) { return t.to(at::kFloat); }

struct SyncNorm : torch::autograd::Function<SyncNorm> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &x, const Optional &weight,
                            const Optional &bias, const at::Tensor &mean, const at::Tensor &var,
                            const at::Tensor &n, double eps, c10::intrusive_ptr<Mailbox> box) {
    ctx->save_for_backward({x, weight.value_or(at::Tensor()), mean, var, n});
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["box"] = c10::IValue::make_capsule(std::move(box));
    return std::get<0>(at::native_batch_norm(x, weight, bias, mean, var, false, 0, eps));
  }

  static variable_list backward(AutogradContext *ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "a gradient of a gradient through synchronised batch normalisation is not supported");
    auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &var = saved[3];
    const at::Tensor &n = saved[4];
    const double eps = ctx->saved_data["eps"].toDouble();
    auto box = c10::static_intrusive_pointer_cast<Mailbox>(ctx->saved_data["box"].toCapsule());

    const at::Tensor scale = weight.defined() ? weight : at::ones_like(mean);
    const at::Tensor dy = grads[0].to(x.scalar_type()).contiguous(x.suggest_memory_format());
    auto [none, dweight, dbias] = at::native_batch_norm_backward(
        dy, x, scale, mean, var, at::Tensor(), at::Tensor(), false, eps, {false, true, true});

    at::Tensor sums = at::cat({float32(dbias), float32(dweight)});
    box->exchange(sums);
    const int64_t c = mean.numel();
    const at::Tensor sum_dy = sums.narrow(0, 0, c), sum_dy_xhat = sums.narrow(0, c, c);

    const at::Tensor inverse = (var + eps).rsqrt();
    const at::Tensor of_dy = float32(scale) * inverse;
    const at::Tensor of_x = of_dy * inverse * sum_dy_xhat / -n;
    const at::Tensor constant = of_dy * sum_dy / -n - of_x * mean;
    at::Tensor dx = at::addcmul(per_channel(constant, x), float32(x), per_channel(of_x, x));
    dx = dx.addcmul_(float32(dy), per_channel(of_dy, x)).to(x.scalar_type());

    if (!weight.defined()) dweight = dbias = at::Tensor();
    return {dx, dweight, dbias, {}, {}, {}, {}, {}};
  }
};

Optional optional(const tl_tensor *t) { return t ? Optional(borrow(t)) : std::nullopt; }

} // namespace

int32_t syncnorm_local(const tl_tensor *input, int64_t rank, int64_t ranks, tl_result *out,
                       int64_t *scope, tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] {
    at::NoGradGuard no_grad;
    at::Tensor x = borrow(input);
    TORCH_CHECK(x.dim() >= 2, "batch normalisation wants [N, C, ...]; got a tensor of shape ", x.sizes());
    TORCH_CHECK(x.numel() > 0, "batch normalisation got no elements: give every rank an image at least");
    const int64_t c = x.size(1);
    at::Tensor table = at::zeros({ranks, 2 * c + 1}, x.options().dtype(at::kFloat));
    at::Tensor row = table.select(0, rank);
    auto [mean, var] = at::batch_norm_update_stats(float32(x), at::Tensor(), at::Tensor(), 0);
    row.narrow(0, 0, c).copy_(mean);
    row.narrow(0, c, c).copy_(var);
    row.narrow(0, 2 * c, 1).fill_(static_cast<double>(x.numel() / c));
    give(std::move(table), out);
  });
}

int32_t syncnorm_apply(const tl_tensor *input, const tl_tensor *weight, const tl_tensor *bias,
                       const tl_tensor *table, tl_tensor *running_mean, tl_tensor *running_var,
                       double momentum, double eps, tl_mailbox *box, tl_result *out,
                       int64_t *scope, tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] {
    at::Tensor x = borrow(input), mean, var, n;
    {
      at::NoGradGuard no_grad;
      at::Tensor rows = borrow(table);
      const int64_t c = x.size(1);
      at::Tensor means = rows.narrow(1, 0, c), counts = rows.narrow(1, 2 * c, 1);
      n = counts.sum();
      mean = (means * counts).sum(0) / n;
      var = ((rows.narrow(1, c, c) + (means - mean).square()) * counts).sum(0) / n;
      if (running_mean) borrow(running_mean).lerp_(mean, momentum);
      if (running_var) borrow(running_var).lerp_(var * n / (n - 1).clamp_min(1), momentum);
    }
    give(SyncNorm::apply(x, optional(weight), optional(bias), mean, var, n, eps, box->box), out);
  });
}

} // namespace torchlit
