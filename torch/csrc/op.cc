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
#include <ATen/core/Generator.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>

#include "guard.h"

namespace torchlit {
namespace {

using c10::IValue;

c10::Device device(int64_t bits) {
  auto index = static_cast<int64_t>(bits & 0xff);
  return c10::Device(static_cast<c10::DeviceType>(bits >> 8),
                     static_cast<c10::DeviceIndex>(index == 255 ? -1 : index));
}

double as_double(int64_t bits) {
  double d;
  std::memcpy(&d, &bits, sizeof d);
  return d;
}

// Reader walks the flat argument array.
struct Reader {
  const tl_value *at, *end;

  const tl_value &next() {
    TORCH_CHECK(at < end, "BUG: the argument array ends inside a list");
    return *at++;
  }

  IValue scalar(const tl_value &v) {
    switch (v.kind) {
    case TL_NONE: return IValue();
    case TL_INT: return IValue(v.bits);
    case TL_DOUBLE: return IValue(as_double(v.bits));
    case TL_BOOL: return IValue(v.bits != 0);
    }
    TORCH_CHECK(false, "BUG: a list item of kind ", v.kind);
  }

  IValue string(int64_t n) {
    std::string s;
    for (int64_t left = n; left > 0; left -= 8) {
      const int64_t word = next().bits;
      s.append(reinterpret_cast<const char *>(&word), std::min<int64_t>(left, 8));
    }
    return IValue(std::move(s));
  }

  IValue generator(int64_t bits) {
    auto *p = reinterpret_cast<c10::GeneratorImpl *>(static_cast<uintptr_t>(bits));
    return IValue(at::Generator(
        c10::intrusive_ptr<c10::GeneratorImpl>::reclaim_copy(p)));
  }

  IValue tensors(int64_t n) {
    c10::List<at::Tensor> list;
    list.reserve(n);
    for (int64_t i = 0; i < n; i++) list.push_back(borrow(impl(next())));
    return IValue(std::move(list));
  }

  IValue optional_tensors(int64_t n) {
    c10::List<std::optional<at::Tensor>> list;
    list.reserve(n);
    for (int64_t i = 0; i < n; i++) {
      const tl_value &v = next();
      if (v.kind == TL_NONE) list.push_back(std::nullopt);
      else list.push_back(borrow(impl(v)));
    }
    return IValue(std::move(list));
  }

  IValue scalars(int64_t n) {
    c10::impl::GenericList list(c10::OptionalType::create(c10::NumberType::get()));
    for (int64_t i = 0; i < n; i++) list.push_back(scalar(next()));
    return IValue(std::move(list));
  }

  template <class T, class Get> IValue list(int64_t n, Get get) {
    c10::List<T> list;
    list.reserve(n);
    for (int64_t i = 0; i < n; i++) list.push_back(get(next().bits));
    return IValue(std::move(list));
  }

  IValue value() {
    const tl_value &v = next();
    switch (v.kind) {
    case TL_TENSOR: return IValue(borrow(impl(v)));
    case TL_DEVICE: return IValue(device(v.bits));
    case TL_STRING: return string(v.bits);
    case TL_INTS: return list<int64_t>(v.bits, [](int64_t b) { return b; });
    case TL_DOUBLES: return list<double>(v.bits, as_double);
    case TL_BOOLS: return list<bool>(v.bits, [](int64_t b) { return b != 0; });
    case TL_TENSORS: return tensors(v.bits);
    case TL_OPTIONAL_TENSORS: return optional_tensors(v.bits);
    case TL_SCALARS: return scalars(v.bits);
    case TL_GENERATOR: return generator(v.bits);
    }
    return scalar(v);
  }
};

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
      double d = v.toDouble();
      int64_t bits;
      std::memcpy(&bits, &d, sizeof bits);
      *slot() = {TL_DOUBLE, bits, 0};
    } else {
      TORCH_CHECK(false, "a result of type ", v.tagKind(), " is not supported");
    }
  }

  void undo() {
    for (int64_t i = 0; i < n; i++) {
      if (results[i].kind == TL_TENSOR)
        Impl::reclaim(reinterpret_cast<c10::TensorImpl *>(
            static_cast<uintptr_t>(results[i].bits)));
    }
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
