// Direct calls of operators by their C++ signature.
//
// Each instance of Direct below is one signature, and serves all operators that have
// it: three quarters of the elementwise operators have one of the first six. An
// operator is matched by the types of its schema. Where the arguments of a call are not
// exactly of the kinds expected (an absent tensor, say), the caller goes the boxed way,
// which knows how to complain.
#include <tuple>
#include <utility>

#include "op.h"

namespace torchlit {
namespace {

// Arg<T> is how an argument of C++ type T comes out of a tl_value. type is its name in
// a schema. Tensors are lent: their handles are alive until the call has returned, so
// no reference is counted.
template <class T> struct Arg;

struct LentTensor {
  explicit LentTensor(const tl_value &v) : t(Impl::reclaim(impl(v))) {}
  ~LentTensor() { (void)t.unsafeReleaseIntrusivePtr().release(); }
  LentTensor(const LentTensor &) = delete;
  LentTensor &operator=(const LentTensor &) = delete;
  at::Tensor t;
};

inline bool is_tensor(const tl_value &v) { return v.kind == TL_TENSOR && v.bits != 0; }

template <> struct Arg<const at::Tensor &> : LentTensor {
  static constexpr const char *type = "Tensor";
  static bool accepts(const tl_value &v) { return is_tensor(v); }
  using LentTensor::LentTensor;
  const at::Tensor &get() { return t; }
};

template <> struct Arg<at::Tensor &> : LentTensor {
  static constexpr const char *type = "Tensor(a!)";
  static bool accepts(const tl_value &v) { return is_tensor(v); }
  using LentTensor::LentTensor;
  at::Tensor &get() { return t; }
};

template <> struct Arg<const at::Scalar &> {
  static constexpr const char *type = "Scalar";
  static bool accepts(const tl_value &v) { return v.kind == TL_INT || v.kind == TL_DOUBLE; }
  explicit Arg(const tl_value &v)
      : s(v.kind == TL_INT ? at::Scalar(v.bits) : at::Scalar(as_double(v.bits))) {}
  const at::Scalar &get() { return s; }
  at::Scalar s;
};

template <> struct Arg<int64_t> {
  static constexpr const char *type = "int";
  static bool accepts(const tl_value &v) { return v.kind == TL_INT; }
  explicit Arg(const tl_value &v) : i(v.bits) {}
  int64_t get() { return i; }
  int64_t i;
};

template <> struct Arg<bool> {
  static constexpr const char *type = "bool";
  static bool accepts(const tl_value &v) { return v.kind == TL_BOOL; }
  explicit Arg(const tl_value &v) : b(v.bits != 0) {}
  bool get() { return b; }
  bool b;
};

template <class Signature> class Direct;

template <class Result, class... Args> class Direct<Result(Args...)> : public Unboxed {
  using Handle = c10::TypedOperatorHandle<Result(Args...)>;

public:
  explicit Direct(Handle h) : handle(h) {}

  bool takes(const tl_value *args, int64_t n) const override {
    return n == sizeof...(Args) && takes(args, std::index_sequence_for<Args...>());
  }

  void call(const tl_value *args, Writer &writer) const override {
    call(args, writer, std::index_sequence_for<Args...>());
  }

  // make returns a Direct for the operator, null when its signature is another.
  static std::unique_ptr<Unboxed> make(const c10::OperatorHandle &op) {
    const auto &schema = op.schema();
    const auto &arguments = schema.arguments();
    if (arguments.size() != sizeof...(Args) || schema.returns().size() != 1 ||
        schema.returns()[0].real_type()->str() != "Tensor")
      return nullptr;
    size_t i = 0;
    bool same = (matches(arguments[i++], Arg<Args>::type) && ...);
    if (!same) return nullptr;
    return std::make_unique<Direct>(op.typed<Result(Args...)>());
  }

private:
  static bool matches(const c10::Argument &a, const char *type) {
    std::string has = a.real_type()->str();
    if (a.alias_info() && a.alias_info()->isWrite()) has += "(a!)";
    return has == type;
  }

  template <size_t... I>
  static bool takes(const tl_value *args, std::index_sequence<I...>) {
    return (Arg<Args>::accepts(args[I]) && ...);
  }

  template <size_t... I>
  void call(const tl_value *args, Writer &writer, std::index_sequence<I...>) const {
    std::tuple<Arg<Args>...> in(args[I]...);
    auto &&out = handle.call(std::get<I>(in).get()...);
    if (writer.cap > 0) writer.put(std::forward<decltype(out)>(out));
  }

  Handle handle;
};

using at::Scalar;
using at::Tensor;

template <class... Signatures>
std::unique_ptr<Unboxed> first_of(const c10::OperatorHandle &op) {
  std::unique_ptr<Unboxed> found;
  ((found = Direct<Signatures>::make(op)) || ...);
  return found;
}

} // namespace

std::unique_ptr<Unboxed> unboxed(const c10::OperatorHandle &op) {
  return first_of<Tensor(const Tensor &),                                   // relu
                  Tensor(const Tensor &, const Tensor &),                   // mul
                  Tensor(const Tensor &, const Tensor &, const Scalar &),   // add
                  Tensor(const Tensor &, const Scalar &),                   // mul by a number
                  Tensor(const Tensor &, const Scalar &, const Scalar &),   // add a number
                  Tensor(const Tensor &, int64_t),                          // unsqueeze
                  Tensor(const Tensor &, int64_t, int64_t),                 // transpose
                  Tensor(const Tensor &, int64_t, bool),                    // logcumsumexp
                  Tensor(const Tensor &, int64_t, const Tensor &),          // index_select
                  Tensor(const Tensor &, const Tensor &, const Tensor &),   // where
                  Tensor &(Tensor &),                                       // relu_
                  Tensor &(Tensor &, const Tensor &),                       // mul_
                  Tensor &(Tensor &, const Tensor &, const Scalar &),       // add_
                  Tensor &(Tensor &, const Scalar &),                       // mul_ by a number
                  Tensor &(Tensor &, const Scalar &, const Scalar &)        // add_ a number
                  >(op);
}

} // namespace torchlit
