#include "form.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <ATen/Parallel.h>

#include "amx.h"
#include "direct.h"
#include "engine.h"

namespace torchlit {

Epilogue Epilogue::halves(const at::Tensor &bias, bool relu) {
  return {{}, bias.contiguous(), 1, relu ? 0 : -std::numeric_limits<float>::infinity()};
}

Epilogue Epilogue::bytes(const at::Tensor &weight, const at::Tensor &weight_scale, const at::Tensor &bias, bool relu,
                         const Storage &input, const Storage &residual, const Storage &output) {
  const at::Tensor scale = weight_scale.to(at::kDouble).mul_(input.scale / output.scale);
  const at::Tensor zeros = weight.sum({1, 2, 3}, false, at::kDouble).mul_(input.zero).mul_(scale);
  const double theirs = residual.scale / output.scale;
  const at::Tensor steps = bias.to(at::kDouble).div_(output.scale).sub_(zeros).add_(output.zero - theirs * residual.zero);
  return {scale.to(at::kFloat), steps.to(at::kFloat), static_cast<float>(theirs), relu ? static_cast<float>(output.zero) : 0};
}

bool has_form(const tl_step &s, const Shape &in, int64_t out, at::ScalarType type) {
  return Amx::fits(s, in, out, type) || Direct::fits(s, out, type);
}

std::unique_ptr<Form> form_of(const tl_step &s, const Shape &in, const at::Tensor &weight, const Epilogue &e,
                              at::ScalarType type, int64_t zero) {
  const auto byte = static_cast<uint8_t>(zero);
  if (Amx::fits(s, in, weight.size(0), type)) return std::make_unique<Amx>(in, weight, e, type, byte);
  return std::make_unique<Direct>(s, in, weight, e, type, byte);
}

Form::Form(at::ScalarType type, int64_t in, const std::array<int64_t, 3> &out, at::Tensor weight, const Epilogue &e)
    : type_(type), weight_(std::move(weight)), epilogue_(e), width_(out[0]), rows_out_(out[1]), columns_out_(out[2]),
      in_bytes_(in * element_bytes(type)), out_bytes_(width_ * element_bytes(type)) {}

at::Tensor Form::operator()(const at::Tensor &input, const at::Tensor &residual) const {
  const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor add = residual.defined() ? residual.contiguous(at::MemoryFormat::ChannelsLast) : residual;
  const at::Tensor y = result_of(x, add, {width_, rows_out_, columns_out_});
  const std::vector<Task> all = tasks(x.size(0));
  at::parallel_for(0, static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      compute(all[i], static_cast<const char *>(x.const_data_ptr()),
              add.defined() ? static_cast<const char *>(add.const_data_ptr()) : nullptr, static_cast<char *>(y.data_ptr()));
    }
  });
  return y;
}

std::vector<Part> divide(int64_t n, int64_t image_bytes, int64_t rows, int64_t threads) {
  constexpr int64_t part_bytes = 256 << 10;
  std::vector<Part> parts;
  if (n < threads) {
    const int64_t blocks = std::min(rows, (threads + n - 1) / n);
    for (int64_t i = 0; i < n; i++) {
      for (int64_t b = 0; b < blocks; b++) {
        const int64_t top = b * rows / blocks;
        parts.push_back({i, 1, top, (b + 1) * rows / blocks - top});
      }
    }
    return parts;
  }
  const int64_t together = std::max<int64_t>(1, part_bytes / image_bytes);
  int64_t groups = (n + together - 1) / together;
  groups = std::min(n, (groups + threads - 1) / threads * threads);
  for (int64_t g = 0; g < groups; g++) {
    const int64_t first = g * n / groups;
    parts.push_back({first, (g + 1) * n / groups - first, 0, rows});
  }
  return parts;
}

} // namespace torchlit
