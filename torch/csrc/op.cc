// Every operator of libtorch through one door.
//
// The obvious binding writes (or generates) a C function for each operator:
// thousands of lines to compile, and a new one for each operator needed. But
// libtorch's dispatcher already knows every operator by name and can call it
// with its arguments boxed on a stack. That costs 100 to 150 ns more than the
// unboxed call, which an operator of some size does not notice, and it makes the
// C side one function, the Go side a list of names. The few signatures that the
// small and frequent operators share are called unboxed all the same; see
// op_unboxed.cc.
//
// The dispatcher runs autograd and autocast as it does for C++ callers, and
// checks the arguments against the operator's schema: a wrong kind or count is
// an error here, not a crash.
#include <ATen/core/stack.h>

#include "op.h"

namespace torchlit {
namespace {

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

void call_boxed(const c10::OperatorHandle &handle, const tl_value *args, int64_t n,
                Writer &writer) {
  const auto &schema = handle.schema();
  CleanStack clean;
  torch::jit::Stack &stack = clean.stack();
  Reader reader{args, args + n};
  while (reader.at < reader.end) stack.push_back(reader.value());
  TORCH_CHECK(stack.size() == schema.arguments().size(), "BUG: ", schema.name(),
              " takes ", schema.arguments().size(), " arguments; got ", stack.size());
  handle.callBoxed(stack);
  if (writer.cap > 0) // otherwise the results are of no interest
    for (const IValue &v : stack) writer.put(v);
}

} // namespace

int32_t op_find(const char *name, const char *overload, tl_op **out, tl_error *err) {
  return guard(err, [&] {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    TORCH_CHECK(found.has_value(), "libtorch has no operator ", name,
                *overload ? "." : "", overload);
    *out = new tl_op{*found, unboxed(*found)};
  });
}

int32_t op_call(const tl_op *op, const tl_value *args, int64_t nargs,
                tl_result *results, int64_t cap, int64_t *nresults, int64_t *scope,
                tl_error *err) {
  Writer writer{results, cap};
  int32_t status = guard(err, [&] {
    if (op->direct && op->direct->takes(args, nargs)) op->direct->call(args, writer);
    else call_boxed(op->handle, args, nargs, writer);
  });
  if (status != 0) writer.undo();
  *nresults = writer.n;
  *scope = current_scope();
  return status;
}

} // namespace torchlit
