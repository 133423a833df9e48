// Gradients of data parallel training, gathered in buckets as the backward pass makes
// them.
//
// A bucket is one flat tensor with the gradients of several parameters. A hook on
// each parameter runs right after its gradient is final and copies it, scaled, into
// its place; when the last one of a bucket has come, the bucket is posted
// (mailbox.h) and travels while the pass goes on with earlier layers. Buckets are
// posted in their own order only, whatever order they fill in: a sum over all ranks
// needs all ranks to begin the same one.
//
// In the end the gradients become views of the buckets, which saves the way back.
// The next pass overwrites the buckets; until then the gradients are the caller's,
// to clip and to step with.
//
// A parameter may have no gradient on this rank, or on none: a branch that the
// network did not take. Behind the gradients a bucket has a flag for each of its
// parameters, which travels with it: after the sum it tells whether any rank had a
// gradient. If none had, the parameter keeps none, as in training on one device,
// where an optimizer passes it over. Reading a flag waits for the device, so it is
// read only for a parameter without a gradient here.
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "mailbox.h"

namespace torchlit {
namespace {

// A gradient begins at a multiple of so many elements, for the sake of vector
// instructions.
constexpr int64_t alignment = 16;

struct Bucket {
  at::Tensor flat;
  std::vector<int64_t> params;
  int64_t flags = 0;   // where they begin in flat
  int64_t missing = 0; // gradients that have not come yet
  std::shared_ptr<Letter> letter;
};

struct Param {
  at::Tensor leaf;
  at::Tensor view; // its place in the bucket, of the leaf's shape and strides
  at::Tensor flag; // one element
  int64_t bucket = 0;
  bool here = false; // has a gradient in this step
};

} // namespace

class Buckets {
public:
  Buckets(std::vector<at::Tensor> leaves, const int64_t *bucket_of, int64_t n, double scale,
          c10::intrusive_ptr<Mailbox> box)
      : box_(std::move(box)), scale_(scale), buckets_(n), params_(leaves.size()) {
    for (size_t i = 0; i < leaves.size(); i++) {
      const int64_t b = bucket_of[i];
      TORCH_CHECK(b >= 0 && b < n, "BUG: there is no bucket ", b);
      params_[i].leaf = leaves[i];
      params_[i].bucket = b;
      buckets_[b].params.push_back(static_cast<int64_t>(i));
    }
    for (Bucket &b : buckets_) lay_out(b);
    begin();
  }

  // arrived is called when the parameter's gradient is final.
  void arrived(size_t i) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!on_) return;
    Param &p = params_[i];
    TORCH_CHECK(!p.here, "the gradient of parameter ", i, " of shape ", p.leaf.sizes(),
                " came twice before the gradients were averaged; run all backward passes of a "
                "step but the last in NoSync");
    copy_in(p);
    Bucket &b = buckets_[p.bucket];
    if (--b.missing == 0) post_full();
  }

  void sync(bool on) {
    std::lock_guard<std::mutex> lock(mutex_);
    on_ = on;
  }

  // wait posts the buckets that lack a gradient, waits for the sums, and makes them
  // the gradients.
  void wait() {
    std::lock_guard<std::mutex> lock(mutex_);
    at::NoGradGuard no_grad;
    for (; posted_ < buckets_.size(); posted_++) {
      for (int64_t i : buckets_[posted_].params)
        if (!params_[i].here) fill_in(params_[i]);
      post(buckets_[posted_]);
    }
    std::string error;
    for (Bucket &b : buckets_) {
      std::string e = box_->wait(*b.letter);
      if (error.empty()) error = e;
    }
    if (error.empty()) {
      for (Param &p : params_)
        if (p.here || p.flag.item<double>() > 0) p.leaf.mutable_grad() = p.view;
    }
    begin();
    TORCH_CHECK(error.empty(), error);
  }

  const std::vector<Param> &params() const { return params_; }

private:
  // lay_out makes the flat tensor and the views of it. A leaf whose elements lie
  // densely, in any order of dimensions, has a view of the same strides, so that
  // channels-last weights get channels-last gradients.
  void lay_out(Bucket &b) {
    TORCH_CHECK(!b.params.empty(), "BUG: an empty bucket");
    int64_t size = 0;
    std::vector<int64_t> offsets;
    for (int64_t i : b.params) {
      offsets.push_back(size);
      const int64_t numel = params_[i].leaf.numel();
      size += (numel + alignment - 1) / alignment * alignment;
    }
    b.flags = size;
    const at::Tensor &first = params_[b.params[0]].leaf;
    b.flat = at::zeros({size + static_cast<int64_t>(b.params.size())},
                       at::TensorOptions().dtype(first.scalar_type()).device(first.device()));
    for (size_t k = 0; k < b.params.size(); k++) {
      Param &p = params_[b.params[k]];
      TORCH_CHECK(p.leaf.scalar_type() == first.scalar_type() && p.leaf.device() == first.device(),
                  "BUG: a bucket of several types");
      if (p.leaf.is_non_overlapping_and_dense())
        p.view = b.flat.as_strided(p.leaf.sizes(), p.leaf.strides(), offsets[k]);
      else
        p.view = b.flat.narrow(0, offsets[k], p.leaf.numel()).view(p.leaf.sizes());
      p.flag = b.flat.narrow(0, b.flags + static_cast<int64_t>(k), 1);
    }
  }

  void begin() {
    posted_ = 0;
    for (Bucket &b : buckets_) {
      b.missing = static_cast<int64_t>(b.params.size());
      b.letter.reset();
    }
    for (Param &p : params_) p.here = false;
  }

  void copy_in(Param &p) {
    at::NoGradGuard no_grad;
    const at::Tensor &grad = p.leaf.grad();
    TORCH_CHECK(grad.defined() && grad.layout() == at::kStrided,
                "only dense gradients can be averaged over ranks");
    if (!grad.is_alias_of(p.view)) p.view.copy_(grad);
    p.view.mul_(scale_);
    p.here = true;
  }

  // fill_in is copy_in for a parameter that this pass did not reach. It may have a
  // gradient from an earlier pass of the step.
  void fill_in(Param &p) {
    if (p.leaf.grad().defined()) copy_in(p);
    else p.view.zero_();
  }

  void post_full() {
    at::NoGradGuard no_grad;
    for (; posted_ < buckets_.size() && buckets_[posted_].missing == 0; posted_++)
      post(buckets_[posted_]);
  }

  void post(Bucket &b) {
    b.flat.narrow(0, b.flags, static_cast<int64_t>(b.params.size())).fill_(1);
    for (int64_t i : b.params)
      if (!params_[i].here) params_[i].flag.zero_();
    b.letter = box_->post(b.flat);
  }

  std::mutex mutex_;
  c10::intrusive_ptr<Mailbox> box_;
  double scale_;
  std::vector<Bucket> buckets_;
  std::vector<Param> params_;
  size_t posted_ = 0; // buckets posted in this step
  bool on_ = true;
};

namespace {

struct Hook : torch::autograd::PostAccumulateGradHook {
  Hook(std::weak_ptr<Buckets> b, size_t i) : buckets(std::move(b)), index(i) {}
  void operator()(const torch::autograd::Variable &) override {
    if (auto b = buckets.lock()) b->arrived(index);
  }
  std::weak_ptr<Buckets> buckets;
  size_t index;
};

} // namespace
} // namespace torchlit

struct tl_buckets {
  std::shared_ptr<torchlit::Buckets> buckets;
};

namespace torchlit {

int32_t buckets_new(const tl_value *params, const int64_t *bucket_of, int64_t n, int64_t nbuckets,
                    double scale, tl_mailbox *box, tl_buckets **out, tl_error *err) {
  return guard(err, [&] {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> leaves;
    for (int64_t i = 0; i < n; i++) {
      leaves.push_back(borrow(impl(params[i])));
      TORCH_CHECK(leaves.back().is_leaf() && leaves.back().requires_grad(), "parameter ", i,
                  " is no leaf that requires a gradient");
      TORCH_CHECK(!torch::autograd::impl::post_acc_grad_hooks(leaves.back()), "parameter ", i,
                  " belongs to a reducer already; close that one first");
    }
    auto b = std::make_shared<Buckets>(leaves, bucket_of, nbuckets, scale, box->box);
    for (size_t i = 0; i < leaves.size(); i++)
      torch::autograd::impl::set_post_acc_grad_hooks(leaves[i], std::make_unique<Hook>(b, i));
    *out = new tl_buckets{b};
  });
}

int32_t buckets_sync(tl_buckets *b, int32_t on, tl_error *err) {
  return guard(err, [&] { b->buckets->sync(on != 0); });
}

int32_t buckets_wait(tl_buckets *b, tl_error *err) {
  return guard(err, [&] { b->buckets->wait(); });
}

int32_t buckets_free(tl_buckets *b, tl_error *err) {
  return guard(err, [&] {
    for (const Param &p : b->buckets->params())
      torch::autograd::impl::set_post_acc_grad_hooks(p.leaf, nullptr);
    delete b;
  });
}

} // namespace torchlit
