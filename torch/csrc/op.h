// What op_find finds and op_call calls; see op.cc.
#pragma once

#include <memory>

#include <ATen/core/dispatch/Dispatcher.h>

#include "value.h"

namespace torchlit {

// Writer fills the caller's results. When one does not fit, those given so far
// are taken back, so that a failed call leaves nothing to free.
struct Writer {
  tl_result *results;
  int64_t cap, n = 0;

  tl_result *slot() {
    TORCH_CHECK(n < cap, "the operator has more results than the ", cap, " expected");
    return &results[n++];
  }

  void put(at::Tensor t) { give(std::move(t), slot()); }

  void put(const IValue &v) {
    if (v.isTensor()) {
      put(v.toTensor());
    } else if (v.isTensorList()) {
      for (const at::Tensor &t : v.toTensorVector()) put(t);
    } else if (v.isInt()) {
      *slot() = {TL_INT, v.toInt(), 0};
    } else if (v.isBool()) {
      *slot() = {TL_BOOL, v.toBool(), 0};
    } else if (v.isDouble()) {
      *slot() = {TL_DOUBLE, double_bits(v.toDouble()), 0};
    } else {
      TORCH_CHECK(false, "a result of type ", v.tagKind(), " is not supported");
    }
  }

  void undo() {
    for (int64_t i = 0; i < n; i++) take_back(results[i]);
    n = 0;
  }
};

// Unboxed calls an operator whose C++ signature is known here.
struct Unboxed {
  virtual ~Unboxed() = default;
  // takes tells whether the arguments have the kinds that call expects of them.
  virtual bool takes(const tl_value *args, int64_t n) const = 0;
  virtual void call(const tl_value *args, Writer &) const = 0;
};

// unboxed returns the operator's direct call; null when its signature is not one of
// those compiled in (op_unboxed.cc).
std::unique_ptr<Unboxed> unboxed(const c10::OperatorHandle &);

} // namespace torchlit

struct tl_op {
  c10::OperatorHandle handle;
  std::unique_ptr<torchlit::Unboxed> direct;
};
