// Gradients, and the three pieces of thread-local state that a Go scope sets.
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include "guard.h"

namespace torchlit {

int32_t backward(const tl_tensor *root, const tl_tensor *gradient, int32_t retain_graph,
                 int32_t create_graph, tl_error *err) {
  return guard(err, [&] {
    std::vector<at::Tensor> gradients;
    if (gradient) gradients.push_back(borrow(gradient));
    torch::autograd::backward({borrow(root)}, gradients, retain_graph != 0,
                              create_graph != 0);
  });
}

static std::vector<at::Tensor> borrow_all(const tl_value *tensors, int64_t n) {
  std::vector<at::Tensor> list;
  list.reserve(n);
  for (int64_t i = 0; i < n; i++)
    list.push_back(tensors[i].kind == TL_NONE ? at::Tensor() : borrow(impl(tensors[i])));
  return list;
}

int32_t grad_of(const tl_value *outputs, const tl_value *gradients, int64_t noutputs,
                const tl_value *inputs, int64_t ninputs, int32_t retain_graph,
                int32_t create_graph, int32_t allow_unused, tl_result *results,
                int64_t *scope, tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] {
    auto list = torch::autograd::grad(
        borrow_all(outputs, noutputs), borrow_all(inputs, ninputs),
        borrow_all(gradients, noutputs), retain_graph != 0, create_graph != 0,
        allow_unused != 0);
    for (int64_t i = 0; i < ninputs; i++) give(std::move(list[i]), &results[i]);
  });
}

int32_t grad_fn(const tl_tensor *t, char *dst, int64_t cap, int64_t *len, tl_error *err) {
  return guard(err, [&] {
    const auto &node = borrow(t).grad_fn();
    std::string name = node ? node->name() : "";
    *len = static_cast<int64_t>(name.size());
    std::memcpy(dst, name.data(), std::min<int64_t>(cap, *len));
  });
}

int32_t grad(const tl_tensor *t, tl_result *out, int64_t *scope, tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] { give(borrow(t).grad(), out); });
}

int32_t set_grad(tl_tensor *t, const tl_tensor *gradient, tl_error *err) {
  return guard(err, [&] {
    borrow(t).mutable_grad() = gradient ? borrow(gradient) : at::Tensor();
  });
}

int32_t clear_grads(const tl_value *tensors, int64_t n, tl_error *err) {
  return guard(err, [&] {
    for (int64_t i = 0; i < n; i++) borrow(impl(tensors[i])).mutable_grad().reset();
  });
}

int32_t set_requires_grad(tl_tensor *t, int32_t on, tl_error *err) {
  return guard(err, [&] { borrow(t).set_requires_grad(on != 0); });
}

int32_t set_data(tl_tensor *t, const tl_tensor *data, tl_error *err) {
  return guard(err, [&] { borrow(t).set_data(borrow(data)); });
}

int32_t grad_mode(int32_t on, int32_t *before, tl_error *err) {
  return guard(err, [&] {
    *before = at::GradMode::is_enabled();
    at::GradMode::set_enabled(on != 0);
  });
}

// Leaving the outermost autocast region drops the cache of casted weights, which
// would otherwise keep the weights of the last step alive, and stale.
int32_t autocast_mode(int64_t device_type, int32_t on, int64_t dtype, int32_t *before,
                      int64_t *dtype_before, tl_error *err) {
  return guard(err, [&] {
    auto device = static_cast<at::DeviceType>(device_type);
    *before = at::autocast::is_autocast_enabled(device);
    *dtype_before = static_cast<int64_t>(at::autocast::get_autocast_dtype(device));
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(dtype));
    at::autocast::set_autocast_enabled(device, on != 0);
    if (!on) at::autocast::clear_cache();
  });
}

// The scope whose tensors this thread makes; 0 for none. It is only a number
// that op_call hands back with each result: the list of a scope's tensors is
// Go's (torch/scope.go).
static thread_local int64_t scope_of_thread = 0;

int64_t current_scope() { return scope_of_thread; }

int32_t scope_mode(int64_t scope, int64_t *before, tl_error *) {
  *before = scope_of_thread;
  scope_of_thread = scope;
  return 0;
}

} // namespace torchlit
