// Tensors as memory: made from bytes, read back, described, freed.
#include <sstream>

#include <ATen/core/Formatting.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "guard.h"

namespace torchlit {

int32_t tensor_free(const tl_value *tensors, int64_t n, tl_error *err) {
  return guard(err, [&] {
    for (int64_t i = 0; i < n; i++) {
      if (auto *p = impl(tensors[i])) Impl::reclaim(p);
    }
  });
}

int32_t tensor_info(const tl_tensor *t, tl_info *out, tl_error *err) {
  return guard(err, [&] {
    at::Tensor x = borrow(t);
    TORCH_CHECK(x.dim() <= TL_MAX_DIMS, "a tensor of ", x.dim(),
                " dimensions; at most ", TL_MAX_DIMS, " are supported");
    out->dtype = static_cast<int64_t>(x.scalar_type());
    out->device_type = static_cast<int64_t>(x.device().type());
    out->device_index = x.device().index();
    out->numel = x.numel();
    out->bytes = x.numel() * static_cast<int64_t>(x.element_size());
    out->requires_grad = x.requires_grad();
    out->is_leaf = x.is_leaf();
    out->dims = x.dim();
    bool strided = x.layout() == at::kStrided;
    for (int64_t i = 0; i < x.dim(); i++) {
      out->sizes[i] = x.size(i);
      out->strides[i] = strided ? x.stride(i) : 0;
    }
  });
}

// The caller's bytes as a tensor that must not outlive the call.
static at::Tensor view(const void *data, int64_t dtype, at::IntArrayRef sizes) {
  return at::from_blob(const_cast<void *>(data), sizes,
                       at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)));
}

int32_t tensor_from_data(const void *data, int64_t bytes, int64_t dtype,
                         const int64_t *sizes, int64_t dims, tl_result *out,
                         int64_t *scope, tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] {
    at::IntArrayRef shape(sizes, dims);
    at::Tensor t = at::empty(
        shape, at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)));
    int64_t want = t.numel() * static_cast<int64_t>(t.element_size());
    TORCH_CHECK(want == bytes, "shape ", shape, " needs ", want, " bytes; got ", bytes);
    if (bytes > 0) std::memcpy(t.data_ptr(), data, bytes);
    give(std::move(t), out);
  });
}

int32_t tensor_read(const tl_tensor *t, void *dst, int64_t bytes, tl_error *err) {
  return guard(err, [&] {
    at::Tensor x = borrow(t).detach().resolve_conj().resolve_neg();
    int64_t want = x.numel() * static_cast<int64_t>(x.element_size());
    TORCH_CHECK(want == bytes, "the tensor has ", want, " bytes; the destination ", bytes);
    if (x.device().is_cpu() && x.is_contiguous()) {
      if (bytes > 0) std::memcpy(dst, x.data_ptr(), bytes);
      return;
    }
    view(dst, static_cast<int64_t>(x.scalar_type()), x.sizes()).copy_(x);
  });
}

int32_t tensor_write(tl_tensor *t, const void *src, int64_t bytes, tl_error *err) {
  return guard(err, [&] {
    at::Tensor x = borrow(t).detach();
    int64_t want = x.numel() * static_cast<int64_t>(x.element_size());
    TORCH_CHECK(want == bytes, "the tensor has ", want, " bytes; the source ", bytes);
    if (x.device().is_cpu() && x.is_contiguous()) {
      if (bytes > 0) std::memcpy(x.data_ptr(), src, bytes);
      return;
    }
    x.copy_(view(src, static_cast<int64_t>(x.scalar_type()), x.sizes()));
  });
}

int32_t tensor_print(const tl_tensor *t, char *dst, int64_t cap, int64_t *len,
                     tl_error *err) {
  return guard(err, [&] {
    std::ostringstream text;
    at::print(text, borrow(t), 80);
    std::string s = text.str();
    *len = static_cast<int64_t>(s.size());
    std::memcpy(dst, s.data(), std::min<int64_t>(cap, *len));
  });
}

int32_t tensor_memory(tl_tensor *t, void **data, int64_t *bytes, tl_error *err) {
  return guard(err, [&] {
    at::Tensor x = borrow(t);
    TORCH_CHECK(x.device().is_cpu(), "the tensor is on ", x.device(), ", not on the CPU");
    TORCH_CHECK(x.is_non_overlapping_and_dense(), "the tensor's elements do not lie side by side");
    *data = x.data_ptr();
    *bytes = x.numel() * static_cast<int64_t>(x.element_size());
  });
}

} // namespace torchlit
