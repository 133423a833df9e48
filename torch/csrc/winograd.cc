// Winograd's convolution, F(4×4, 3×3), in fp32.
//
// Goal: ResNet18 spends four fifths of its multiplications in 3×3 convolutions of stride 1.
// The direct form takes 144 for 4×4 results of one channel from another. Winograd's
// takes 36: transform the 6×6 pixels below them (B' d B) and the filter (G g G'), multiply
// value by value, sum over the channels, and transform the sums back (A' m A). The transforms
// are additions, and of each pixel and result once, whatever the number of channels
// on the other side; what remains are 36 products of matrices, [tiles, in] × [in, out].
//
// The obvious way is to transform the whole input, multiply, and transform the whole output.
// Then 2.25 times the input and the output go through memory twice, which costs as much as the
// multiplications save. So a thread takes a block of tiles at a time through all three:
//
//   pixels ──transform_in──▶ v[36][tiles][in] ──multiply by u[36]──▶ m[36][tiles][out] ──transform_out──▶ results
//
//   - v and m of a block stay in the core's own cache, as far as they can;
//   - u, four times the filter's size (36 MB for 512 channels), comes from a farther one, once for
//     each block: so a block has at least 48 tiles, where there are as many, twice as many for 512 channels,
//     and with very few tiles the direct form is better (pays);
//   - each of the 36 parts of v and m begins a cache line later than a multiple of 4 KB, without
//     which all 36 stores of a transform would fall into the same set of the cache.
//
// Accuracy: the transforms' factors are up to 8, so sums lose about three bits more than
// in the direct form: a layer's results are up to 5e-6 of the largest away from it, where
// another order of the sums makes 5e-7. In bf16 that would be all there is, and int8 has no room
// for the transforms' range.
//
// Measured, one core of a Xeon with AVX-512 at about 100 GFLOP/s: 2.3 ms a layer in the direct form by oneDNN,
// 0.65 ms with 64 or 128 channels, 0.9 with 256, 1.0 to 1.8 with 512.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

#include <algorithm>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>

#include "engine.h"
#include "scratch.h"
#include "winograd.h"

namespace torchlit {
namespace {

// Image is one image as [height, width, channels].
struct Image {
  float *data;
  int64_t height, width, channels;
};

constexpr int64_t parts = 36, tile = 4;
constexpr int64_t line = 64 / sizeof(float);

} // namespace

struct Winograd::Kernels {
  int64_t lanes, panel; // floats of a vector, and of the results that multiply takes at once
  void (*transform_in)(const Image &, int64_t row, int64_t column, float *v, int64_t stride);
  void (*multiply)(const float *v, const float *u, float *m, int64_t tiles, int64_t depth, int64_t width);
  void (*transform_out)(const float *m, int64_t stride, const float *bias, bool relu, const float *add, const Image &,
                        int64_t row, int64_t column);

  static const Kernels *fastest();
};

namespace {

#if defined(__x86_64__) && defined(__GNUC__)
#define TL_INLINE inline __attribute__((always_inline))
#define TL_ROWS 6 // with four vectors each, 24 of AVX-512's 32 registers; with two, 12 of AVX2's 16

namespace avx512 {
#define TL_LANES 16
#define TL_COLUMNS 4
#define TL_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#include "winograd_kernels.h"
#undef TL_LANES
#undef TL_COLUMNS
#undef TL_TARGET
constexpr Winograd::Kernels kernels{16, 64, transform_in, multiply, transform_out};
} // namespace avx512

namespace avx2 {
#define TL_LANES 8
#define TL_COLUMNS 2
#define TL_TARGET __attribute__((target("avx2,fma")))
#include "winograd_kernels.h"
constexpr Winograd::Kernels kernels{8, 16, transform_in, multiply, transform_out};
} // namespace avx2
#endif

} // namespace

// libtorch knows what the processor has, and listens to ATEN_CPU_CAPABILITY, by which tests
// run the other kernels too.
const Winograd::Kernels *Winograd::Kernels::fastest() {
#if defined(__x86_64__) && defined(__GNUC__)
  const std::string has = at::get_cpu_capability();
  if (has == "AVX512") return &avx512::kernels;
  if (has == "AVX2") return &avx2::kernels; // and FMA
#endif
  return nullptr;
}

std::unique_ptr<Winograd> Winograd::make(const tl_step &s, const Shape &in, const at::Tensor &weight, const at::Tensor &bias) {
  static const Kernels *kernels = Kernels::fastest();
  if (!kernels || s.kernel != 3 || s.stride != 1 || s.padding != 1 || s.groups != 1 || in.c % kernels->lanes != 0 ||
      weight.size(0) % kernels->panel != 0) {
    return nullptr;
  }
  return std::unique_ptr<Winograd>(new Winograd(*kernels, weight, bias, s.relu != 0, in));
}

Winograd::Winograd(const Kernels &kernels, const at::Tensor &weight, const at::Tensor &bias, bool relu, const Shape &in)
    : kernels_(kernels), plain_(weight.contiguous()), bias_(bias.contiguous()), relu_(relu), depth_(in.c),
      width_(weight.size(0)), height_(in.h), columns_(in.w), down_((in.h + tile - 1) / tile),
      across_((in.w + tile - 1) / tile) {}

// The least tiles of a thread, from four to twelve, were found with 64 to 512 channels: the
// fewer there are, the more of the time goes into fetching the weight.
bool Winograd::pays(int64_t batch) const {
  const int64_t least = std::clamp<int64_t>(depth_ * width_ >> 13, 4, 12);
  return batch * down_ * across_ >= least * at::get_num_threads();
}

// weight computes G g G' of all filters as one product with G's product with itself,
// [36, 9] × [9, in · out], the latter in the order in which multiply reads its panels.
at::Tensor Winograd::weight() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (weight_.defined()) return weight_;
  constexpr double g[6][3] = {{1. / 4, 0, 0},          {-1. / 6, -1. / 6, -1. / 6},  {-1. / 6, 1. / 6, -1. / 6},
                              {1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6}, {0, 0, 1}};
  at::Tensor twice = at::empty({parts, 9}, at::kFloat);
  float *out = twice.data_ptr<float>();
  for (auto &down : g) {
    for (auto &across : g) {
      for (int i = 0; i < 9; i++) *out++ = static_cast<float>(down[i / 3] * across[i % 3]);
    }
  }
  const int64_t panel = kernels_.panel;
  const at::Tensor filters = plain_.view({width_ / panel, panel, depth_, 9}).permute({3, 0, 2, 1}).reshape({9, -1});
  return weight_ = at::matmul(twice, filters);
}

at::Tensor Winograd::operator()(const at::Tensor &input, const at::Tensor &weight, const at::Tensor &residual) const {
  const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor add = residual.defined() ? residual.contiguous(at::MemoryFormat::ChannelsLast) : residual;
  const at::Tensor y = result_of(x, add, {width_, height_, columns_});
  const int64_t tiles = x.size(0) * down_ * across_, threads = at::get_num_threads();
  const int64_t most = 48 * std::max<int64_t>(1, std::max(depth_, width_) / 256);
  int64_t blocks = (tiles + most - 1) / most;
  blocks = (blocks + threads - 1) / threads * threads;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) {
      compute({b * tiles / blocks, (b + 1) * tiles / blocks}, x.const_data_ptr<float>(), weight.const_data_ptr<float>(),
              add.defined() ? add.const_data_ptr<float>() : nullptr, y.data_ptr<float>());
    }
  });
  return y;
}

void Winograd::compute(Span span, const float *x, const float *u, const float *add, float *y) const {
  const int64_t n = span.end - span.begin;
  if (n == 0) return;
  const int64_t v_part = n * depth_ + line, m_part = n * width_ + line; // of different sets of the cache
  float *v = static_cast<float *>(scratch(parts * (v_part + m_part) * sizeof(float))), *m = v + parts * v_part;
  const int64_t pixels = height_ * columns_;
  for (int64_t i = 0; i < n; i++) {
    const int64_t t = span.begin + i, image = t / (down_ * across_), row = t / across_ % down_, column = t % across_;
    const Image from{const_cast<float *>(x) + image * pixels * depth_, height_, columns_, depth_};
    kernels_.transform_in(from, row * tile - 1, column * tile - 1, v + i * depth_, v_part);
  }
  for (int64_t p = 0; p < parts; p++) {
    kernels_.multiply(v + p * v_part, u + p * depth_ * width_, m + p * m_part, n, depth_, width_);
  }
  for (int64_t i = 0; i < n; i++) {
    const int64_t t = span.begin + i, image = t / (down_ * across_), row = t / across_ % down_, column = t % across_;
    const int64_t offset = image * pixels * width_;
    kernels_.transform_out(m + i * width_, m_part, bias_.const_data_ptr<float>(), relu_, add ? add + offset : nullptr,
                           {y + offset, height_, columns_, width_}, row * tile, column * tile);
  }
}

} // namespace torchlit
