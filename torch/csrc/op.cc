// Every operator of libtorch through one door.
//
// The obvious binding writes (or generates) a C function for each operator:
// thousands of lines to compile, and a new one for each operator needed. But
// libtorch's dispatcher already knows every operator by name and can call it
// with its arguments boxed on a stack. That costs about a tenth of a microsecond
// more than the unboxed call, which no operator worth calling notices, and it
// makes the C side one function, the Go side a list of names.
//
// The dispatcher runs autograd and autocast as it does for C++ callers, and
// checks the arguments against the operator's schema: a wrong kind or count is
// an error here, not a crash.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "value.h"

namespace torchlit {
namespace {

using c10::IValue;

// Writer fills the caller's results. When one does not fit, those given so far
// are taken back, so that a failed call leaves nothing to free.
struct Writer {
  tl_result *results;
  int64_t cap, n = 0;

  tl_result *slot() {
    TORCH_CHECK(n < cap, "the operator has more results than the ", cap, " expected");
    return &results[n++];
  }

  void put(const IValue &v) {
    if (v.isTensor()) {
      give(v.toTensor(), slot());
    } else if (v.isTensorList()) {
      for (const at::Tensor &t : v.toTensorVector()) give(t, slot());
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

// CleanStack lends the thread's argument stack and leaves it empty. A stack made for
// each call would cost an allocation of its own; operators never call back into here,
// so one a thread is enough.
class CleanStack {
public:
  torch::jit::Stack &stack() {
    static thread_local torch::jit::Stack s;
    lent = &s;
    return s;
  }
  ~CleanStack() {
    if (lent) lent->clear();
  }

private:
  torch::jit::Stack *lent = nullptr;
};

} // namespace

int32_t op_find(const char *name, const char *overload, tl_op **out, tl_error *err) {
  return guard(err, [&] {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    TORCH_CHECK(found.has_value(), "libtorch has no operator ", name,
                *overload ? "." : "", overload);
    *out = reinterpret_cast<tl_op *>(new c10::OperatorHandle(*found));
  });
}

int32_t op_call(const tl_op *op, const tl_value *args, int64_t nargs,
                tl_result *results, int64_t cap, int64_t *nresults, int64_t *scope,
                tl_error *err) {
  Writer writer{results, cap};
  int32_t status = guard(err, [&] {
    auto *handle = reinterpret_cast<const c10::OperatorHandle *>(op);
    const auto &schema = handle->schema();
    CleanStack clean;
    torch::jit::Stack &stack = clean.stack();
    Reader reader{args, args + nargs};
    while (reader.at < reader.end) stack.push_back(reader.value());
    TORCH_CHECK(stack.size() == schema.arguments().size(), "BUG: ", schema.name(),
                " takes ", schema.arguments().size(), " arguments; got ", stack.size());
    handle->callBoxed(stack);
    if (cap > 0) // otherwise the results are of no interest
      for (const IValue &v : stack) writer.put(v);
  });
  if (status != 0) writer.undo();
  *nresults = writer.n;
  *scope = current_scope();
  return status;
}

} // namespace torchlit
