// TorchScript modules: programs that PyTorch has saved together with their
// weights, run by libtorch's own interpreter.
//
// Arguments are read by the types that the method declares, as Python's are: a
// list of numbers becomes a List[int] or a List[float] as needed. Results tell
// their kinds themselves.
#include <cstdlib>
#include <sstream>

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "value.h"

struct tl_module {
  torch::jit::Module module;
};

namespace torchlit {
namespace {

// read takes one argument of a type from the flat array.
IValue read(Reader &r, const c10::TypePtr &type);

IValue read_list(Reader &r, int64_t n, const c10::TypePtr &item) {
  c10::impl::GenericList list(item);
  for (int64_t i = 0; i < n; i++) list.push_back(read(r, item));
  return IValue(std::move(list));
}

IValue read_tuple(Reader &r, int64_t n, const c10::ArrayRef<c10::TypePtr> &items) {
  TORCH_CHECK(n == static_cast<int64_t>(items.size()), "a tuple of ", n,
              " values where the method takes one of ", items.size());
  std::vector<IValue> values;
  for (const auto &item : items) values.push_back(read(r, item));
  return c10::ivalue::Tuple::create(std::move(values));
}

IValue read_dict(Reader &r, int64_t n, const c10::TypePtr &key, const c10::TypePtr &value) {
  c10::impl::GenericDict dict(key, value);
  for (int64_t i = 0; i < n; i++) {
    IValue k = read(r, key);
    dict.insert(std::move(k), read(r, value));
  }
  return IValue(std::move(dict));
}

bool is_list(int64_t kind) {
  return (kind >= TL_INTS && kind <= TL_TENSORS) || kind == TL_LIST || kind == TL_TUPLE ||
         kind == TL_STRINGS;
}

// untyped reads what is passed where the method takes any value.
IValue untyped(Reader &r) {
  const tl_value v = *r.at;
  const auto any = c10::AnyType::get();
  switch (v.kind) {
  case TL_LIST: r.next(); return read_list(r, v.bits, any);
  case TL_STRINGS: r.next(); return read_list(r, v.bits, c10::StringType::get());
  case TL_TUPLE: r.next(); return read_tuple(r, v.bits, std::vector<c10::TypePtr>(v.bits, any));
  case TL_DICT: r.next(); return read_dict(r, v.bits, c10::StringType::get(), any);
  }
  return r.value();
}

IValue read(Reader &r, const c10::TypePtr &type) {
  TORCH_CHECK(r.at < r.end, "BUG: the argument array ends inside a list");
  const tl_value v = *r.at;
  if (auto optional = type->cast<c10::OptionalType>())
    return v.kind == TL_NONE ? r.value() : read(r, optional->getElementType());
  if (auto list = type->cast<c10::ListType>(); list && is_list(v.kind)) {
    r.next();
    return read_list(r, v.bits, list->getElementType());
  }
  if (auto tuple = type->cast<c10::TupleType>(); tuple && is_list(v.kind)) {
    r.next();
    return read_tuple(r, v.bits, tuple->elements());
  }
  if (auto dict = type->cast<c10::DictType>(); dict && v.kind == TL_DICT) {
    r.next();
    return read_dict(r, v.bits, dict->getKeyType(), dict->getValueType());
  }
  if (type->kind() == c10::FloatType::Kind && v.kind == TL_INT)
    return IValue(static_cast<double>(r.next().bits));
  // The method checks its arguments, but not what is in a list that calls itself one
  // of the right type.
  IValue value = untyped(r);
  TORCH_CHECK(value.type()->isSubtypeOf(*type), "a value of type ", value.type()->annotation_str(),
              " where the method takes one of type ", type->annotation_str());
  return value;
}

// Results collects values; what is not released is taken back.
struct Results {
  std::vector<tl_result> list;

  ~Results() {
    for (const tl_result &r : list) take_back(r);
  }

  void plain(int64_t kind, int64_t bits) { list.push_back({kind, bits, 0}); }

  void tensor(at::Tensor t) {
    list.emplace_back();
    give(std::move(t), &list.back());
  }

  void string(const std::string &s) {
    plain(TL_STRING, static_cast<int64_t>(s.size()));
    for (size_t i = 0; i < s.size(); i += 8) {
      int64_t word = 0;
      std::memcpy(&word, s.data() + i, std::min<size_t>(8, s.size() - i));
      plain(TL_INT, word);
    }
  }

  template <class List> void values(int64_t kind, const List &items) {
    plain(kind, static_cast<int64_t>(items.size()));
    for (const auto &item : items) value(item);
  }

  static int64_t list_kind(const IValue &v) {
    if (v.isTensorList()) return TL_TENSORS;
    if (v.isIntList()) return TL_INTS;
    if (v.isDoubleList()) return TL_DOUBLES;
    if (v.isBoolList()) return TL_BOOLS;
    const bool strings = v.toList().elementType()->kind() == c10::StringType::Kind;
    return strings ? TL_STRINGS : TL_LIST;
  }

  void value(const IValue &v) {
    if (v.isNone()) plain(TL_NONE, 0);
    else if (v.isTensor()) tensor(v.toTensor());
    else if (v.isInt()) plain(TL_INT, v.toInt());
    else if (v.isBool()) plain(TL_BOOL, v.toBool());
    else if (v.isDouble()) plain(TL_DOUBLE, double_bits(v.toDouble()));
    else if (v.isString()) string(v.toStringRef());
    else if (v.isTuple()) values(TL_TUPLE, v.toTupleRef().elements());
    else if (v.isList()) values(list_kind(v), v.toListRef());
    else if (v.isGenericDict()) {
      auto dict = v.toGenericDict();
      const bool tensors = dict.keyType()->kind() == c10::StringType::Kind &&
                           dict.valueType()->kind() == c10::TensorType::Kind;
      list.push_back({TL_DICT, static_cast<int64_t>(dict.size()), tensors});
      for (const auto &entry : dict) {
        value(entry.key());
        value(entry.value());
      }
    } else {
      TORCH_CHECK(false, "the method returns a ", v.type()->annotation_str(),
                  "; only tensors, numbers, strings, lists, tuples and dictionaries can be returned");
    }
  }

  void release(tl_result **out, int64_t *n) {
    *out = static_cast<tl_result *>(std::malloc(list.size() * sizeof(tl_result) + 1));
    TORCH_CHECK(*out, "out of memory");
    std::copy(list.begin(), list.end(), *out);
    *n = static_cast<int64_t>(list.size());
    list.clear();
  }
};

template <class Named> void put_named(Results &results, const Named &named) {
  results.list.push_back({TL_DICT, 0, 1});
  int64_t n = 0;
  for (const auto &entry : named) {
    results.string(entry.name);
    results.tensor(entry.value);
    n++;
  }
  results.list.front().bits = n;
}

} // namespace

int32_t module_load(const char *path, int64_t device_type, int64_t device_index,
                    tl_module **out, tl_error *err) {
  return guard(err, [&] {
    std::optional<c10::Device> device;
    if (device_type >= 0)
      device.emplace(static_cast<c10::DeviceType>(device_type),
                     static_cast<c10::DeviceIndex>(device_index));
    *out = new tl_module{torch::jit::load(path, device, /*load_debug_files=*/false)};
  });
}

int32_t module_free(tl_module *m, tl_error *err) {
  return guard(err, [&] { delete m; });
}

int32_t module_save(const tl_module *m, const char *path, tl_error *err) {
  return guard(err, [&] { m->module.save(path); });
}

int32_t module_to(tl_module *m, int64_t device_type, int64_t device_index, tl_error *err) {
  return guard(err, [&] {
    m->module.to(c10::Device(static_cast<c10::DeviceType>(device_type),
                             static_cast<c10::DeviceIndex>(device_index)));
  });
}

int32_t module_train(tl_module *m, int32_t on, tl_error *err) {
  return guard(err, [&] { m->module.train(on != 0); });
}

int32_t module_call(tl_module *m, const char *method, const tl_value *args, int64_t nargs,
                    tl_result **out, int64_t *nout, int64_t *scope, tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] {
    auto found = m->module.find_method(method);
    TORCH_CHECK(found, "the module has no method ", method);
    const auto &declared = found->function().getSchema().arguments();
    std::vector<IValue> stack;
    Reader reader{args, args + nargs};
    while (reader.at < reader.end) {
      const size_t i = stack.size() + 1; // self comes first
      TORCH_CHECK(i < declared.size(), "the method ", method, " takes ", declared.size() - 1,
                  " arguments; more were given");
      stack.push_back(read(reader, declared[i].type()));
    }
    Results results;
    results.value((*found)(std::move(stack)));
    results.release(out, nout);
  });
}

int32_t module_list(const tl_module *m, int64_t what, tl_result **out, int64_t *nout,
                    int64_t *scope, tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] {
    Results results;
    if (what == TL_MODULE_PARAMETERS) {
      put_named(results, m->module.named_parameters());
    } else if (what == TL_MODULE_BUFFERS) {
      put_named(results, m->module.named_buffers());
    } else {
      const auto methods = m->module.get_methods();
      results.plain(TL_DICT, static_cast<int64_t>(methods.size()));
      for (const auto &method : methods) {
        std::ostringstream schema;
        schema << method.function().getSchema();
        results.string(method.name());
        results.string(schema.str());
      }
    }
    results.release(out, nout);
  });
}

void results_free(tl_result *results) { std::free(results); }

} // namespace torchlit
