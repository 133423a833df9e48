// Between the flat arrays of torchlit.h and libtorch's IValue.
#pragma once

#include <algorithm>

#include <ATen/core/Generator.h>
#include <ATen/core/ivalue.h>

#include "guard.h"

namespace torchlit {

using c10::IValue;

inline c10::Device device(int64_t bits) {
  auto index = static_cast<int64_t>(bits & 0xff);
  return c10::Device(static_cast<c10::DeviceType>(bits >> 8),
                     static_cast<c10::DeviceIndex>(index == 255 ? -1 : index));
}

inline double as_double(int64_t bits) {
  double d;
  std::memcpy(&d, &bits, sizeof d);
  return d;
}

inline int64_t double_bits(double d) {
  int64_t bits;
  std::memcpy(&bits, &d, sizeof bits);
  return bits;
}

// take_back frees a tensor that was given to a caller who will not get it.
inline void take_back(const tl_result &r) {
  if (r.kind == TL_TENSOR)
    Impl::reclaim(reinterpret_cast<c10::TensorImpl *>(static_cast<uintptr_t>(r.bits)));
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

} // namespace torchlit
