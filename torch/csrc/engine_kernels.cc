// What an engine does between its convolutions.
//
// libtorch has all of it, but a max-pool there also writes where each maximum was,
// eight bytes for each value; it takes no bytes as they are; and a mean of bf16
// comes back rounded to bf16. At 200 images a second the pool alone would be a
// tenth of the time.
//
// The loops run along the channels and leave the vector instructions to the
// compiler, which builds each kernel once for every level of x86-64 and picks when
// the library is loaded.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "engine.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TL_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define TL_CLONES
#endif
#define TL_INLINE inline __attribute__((always_inline))

namespace torchlit {
namespace {

// A bfloat16 is the upper half of a float.
struct Half {
  uint16_t bits;
};

TL_INLINE float value(float x) { return x; }
TL_INLINE float value(uint8_t x) { return x; }
TL_INLINE float value(Half x) {
  uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

// A key has the order of the numbers that are compared and a machine instruction for the
// larger of two. For bfloat16 it is the signed integer of its bits, those of negative ones
// turned round: on a struct of its own the compiler finds no vector instruction, and
// the pool took longer than all convolutions.
TL_INLINE float larger(float a, float b) { return a < b ? b : a; }
TL_INLINE uint8_t larger(uint8_t a, uint8_t b) { return a < b ? b : a; }
TL_INLINE int16_t larger(int16_t a, int16_t b) { return a < b ? b : a; }
TL_INLINE float key(float x) { return x; }
TL_INLINE uint8_t key(uint8_t x) { return x; }
TL_INLINE int16_t key(int16_t x) { return static_cast<int16_t>(x ^ ((x >> 15) & 0x7fff)); }

// Window is the rows of one output row's windows.
struct Window {
  int64_t rows, channels, width; // of the input
  int64_t out, kernel, stride, padding;
};

// max_row takes the maximum down the rows first, on whole rows, and then across. A byte
// may alias anything, so without __restrict the compiler would read the window's
// numbers again for each and compute one at a time.
template <class T>
TL_INLINE void max_row(const Window w, const T *const *rows, T *__restrict down, T *__restrict out) {
  const int64_t length = w.width * w.channels;
  const T *__restrict first = rows[0];
  for (int64_t i = 0; i < length; i++) down[i] = key(first[i]);
  for (int64_t r = 1; r < w.rows; r++) {
    const T *__restrict row = rows[r];
    for (int64_t i = 0; i < length; i++) down[i] = larger(down[i], key(row[i]));
  }
  for (int64_t x = 0; x < w.out; x++) {
    const int64_t left = x * w.stride - w.padding;
    const int64_t from = left < 0 ? 0 : left;
    const int64_t to = left + w.kernel < w.width ? left + w.kernel : w.width;
    T *__restrict dst = out + x * w.channels;
    std::memcpy(dst, down + from * w.channels, w.channels * sizeof(T));
    for (int64_t k = from + 1; k < to; k++) {
      const T *__restrict src = down + k * w.channels;
      for (int64_t c = 0; c < w.channels; c++) dst[c] = larger(dst[c], src[c]);
    }
    for (int64_t c = 0; c < w.channels; c++) dst[c] = key(dst[c]); // turned round twice: as it was
  }
}

TL_CLONES void max_row_float(const Window &w, const float *const *rows, float *down, float *out) {
  max_row(w, rows, down, out);
}
TL_CLONES void max_row_half(const Window &w, const int16_t *const *rows, int16_t *down, int16_t *out) {
  max_row(w, rows, down, out);
}
TL_CLONES void max_row_byte(const Window &w, const uint8_t *const *rows, uint8_t *down, uint8_t *out) {
  max_row(w, rows, down, out);
}
void max_of(const Window &w, const float *const *r, float *d, float *o) { max_row_float(w, r, d, o); }
void max_of(const Window &w, const Half *const *r, Half *d, Half *o) {
  max_row_half(w, reinterpret_cast<const int16_t *const *>(r), reinterpret_cast<int16_t *>(d), reinterpret_cast<int16_t *>(o));
}
void max_of(const Window &w, const uint8_t *const *r, uint8_t *d, uint8_t *o) { max_row_byte(w, r, d, o); }

// sum_channels adds n pixels of so many channels each up in sums.
template <class T>
TL_INLINE void sum_channels(const T *x, int64_t n, int64_t channels, float *__restrict sums) {
  for (int64_t p = 0; p < n; p++) {
    const T *__restrict pixel = x + p * channels;
    for (int64_t c = 0; c < channels; c++) sums[c] += value(pixel[c]);
  }
}

TL_CLONES void sum_float(const float *x, int64_t n, int64_t c, float *s) { sum_channels(x, n, c, s); }
TL_CLONES void sum_half(const Half *x, int64_t n, int64_t c, float *s) { sum_channels(x, n, c, s); }
TL_CLONES void sum_byte(const uint8_t *x, int64_t n, int64_t c, float *s) { sum_channels(x, n, c, s); }
void sum_of(const float *x, int64_t n, int64_t c, float *s) { sum_float(x, n, c, s); }
void sum_of(const Half *x, int64_t n, int64_t c, float *s) { sum_half(x, n, c, s); }
void sum_of(const uint8_t *x, int64_t n, int64_t c, float *s) { sum_byte(x, n, c, s); }

// Head is a linear layer with its weights in bf16, half as many bytes to fetch: for one
// image that is all the time it takes.
struct Head {
  const Half *weight; // [classes, channels]
  const float *bias, *means;
  int64_t channels, classes;
  float *logits;
};

// head_of computes classes from begin to end for images that lie side by side; the order of a sum
// does not depend on how many.
template <int Images> TL_INLINE void head_of(const Head h, int64_t begin, int64_t end, int64_t image) {
  constexpr int lanes = 16;
  const float *__restrict means = h.means + image * h.channels;
  for (int64_t o = begin; o < end; o++) {
    const Half *__restrict weight = h.weight + o * h.channels;
    float sums[Images][lanes] = {};
    int64_t c = 0;
    for (; c + lanes <= h.channels; c += lanes) {
      for (int i = 0; i < Images; i++) {
        for (int j = 0; j < lanes; j++) sums[i][j] += value(weight[c + j]) * means[i * h.channels + c + j];
      }
    }
    for (int i = 0; i < Images; i++) {
      float sum = h.bias[o];
      for (int j = 0; j < lanes; j++) sum += sums[i][j];
      for (int64_t k = c; k < h.channels; k++) sum += value(weight[k]) * means[i * h.channels + k];
      h.logits[(image + i) * h.classes + o] = sum;
    }
  }
}

TL_CLONES void head_one(const Head &h, int64_t begin, int64_t end, int64_t i) { head_of<1>(h, begin, end, i); }
TL_CLONES void head_four(const Head &h, int64_t begin, int64_t end, int64_t i) { head_of<4>(h, begin, end, i); }

// Adding 1.5 * 2^23 rounds to a whole number, halves to even, in the lowest bits: the
// processor's own rounding, which vectorises everywhere. The value is limited first.
template <class T>
TL_INLINE void to_bytes(const T *__restrict x, int64_t n, float inverse, float zero, uint8_t *__restrict out) {
  constexpr float magic = 12582912.0f;
  for (int64_t i = 0; i < n; i++) {
    float v = value(x[i]) * inverse + zero;
    v = v > 0.0f ? v : 0.0f; // NaN too
    v = v < 255.0f ? v : 255.0f;
    const float rounded = v + magic;
    int32_t bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    out[i] = static_cast<uint8_t>(bits);
  }
}

TL_CLONES void float_to_bytes(const float *x, int64_t n, float i, float z, uint8_t *o) { to_bytes(x, n, i, z, o); }
TL_CLONES void half_to_bytes(const Half *x, int64_t n, float i, float z, uint8_t *o) { to_bytes(x, n, i, z, o); }
void bytes_of(const float *x, int64_t n, float i, float z, uint8_t *o) { float_to_bytes(x, n, i, z, o); }
void bytes_of(const Half *x, int64_t n, float i, float z, uint8_t *o) { half_to_bytes(x, n, i, z, o); }
void bytes_of(const uint8_t *, int64_t, float, float, uint8_t *) { TORCH_CHECK(false, "BUG: bytes twice"); }

// A task of less work than this is not worth another thread's waking.
constexpr int64_t grain_elements = 1 << 15;

int64_t grain(int64_t elements) { return std::max<int64_t>(1, grain_elements / std::max<int64_t>(1, elements)); }

at::Tensor make(at::IntArrayRef sizes, at::ScalarType type) {
  return at::empty(sizes, type, std::nullopt, std::nullopt, std::nullopt, at::MemoryFormat::ChannelsLast);
}

// with calls f with x's data in its type. A convolution with one input channel may
// have chosen another layout.
template <class F> void with(const at::Tensor &tensor, F f) {
  const at::Tensor x = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  switch (x.scalar_type()) {
  case at::kFloat: return f(x.const_data_ptr<float>());
  case at::kBFloat16: return f(static_cast<const Half *>(x.const_data_ptr()));
  case at::kByte: return f(x.const_data_ptr<uint8_t>());
  default: TORCH_CHECK(false, "BUG: an activation of type ", x.scalar_type());
  }
}

template <class T> using Table = std::array<std::array<T, 256>, 3>;

// look_up_row is for pixels of a thread. Without __restrict the tables' addresses would be read again after each
// byte that is written.
template <class T>
void look_up_row(const Table<T> &table, const uint8_t *__restrict images, int64_t pixels, T *__restrict dst) {
  const T *__restrict red = table[0].data(), *__restrict green = table[1].data(), *__restrict blue = table[2].data();
  for (int64_t i = 0; i < 3 * pixels; i += 3) {
    dst[i] = red[images[i]];
    dst[i + 1] = green[images[i + 1]];
    dst[i + 2] = blue[images[i + 2]];
  }
}

template <class T> void look_up(const Table<T> &table, const uint8_t *images, int64_t pixels, T *dst) {
  at::parallel_for(0, pixels, grain_elements / 3, [&](int64_t begin, int64_t end) {
    look_up_row(table, images + 3 * begin, end - begin, dst + 3 * begin);
  });
}

template <class T> void max_rows(const T *x, const at::Tensor &y, const Step &s, int64_t height, int64_t width) {
  const int64_t channels = y.size(1), out_height = y.size(2), out_width = y.size(3);
  const bool convert = s.to.bytes() && !s.from.bytes();
  const float inverse = convert ? static_cast<float>(1 / s.to.scale) : 0;
  at::parallel_for(0, y.size(0) * out_height, grain(2 * width * channels), [&](int64_t begin, int64_t end) {
    Window window{0, channels, width, out_width, s.kernel, s.stride, s.padding};
    std::vector<const T *> rows(s.kernel);
    std::vector<T> down(width * channels), across(convert ? out_width * channels : 0);
    for (int64_t i = begin; i < end; i++) {
      const int64_t top = i % out_height * s.stride - s.padding;
      const T *image = x + i / out_height * height * width * channels;
      window.rows = 0;
      for (int64_t r = std::max<int64_t>(0, top); r < std::min(top + s.kernel, height); r++) {
        rows[window.rows++] = image + r * width * channels;
      }
      const int64_t length = out_width * channels;
      if (convert) {
        max_of(window, rows.data(), down.data(), across.data());
        bytes_of(across.data(), length, inverse, static_cast<float>(s.to.zero),
                 static_cast<uint8_t *>(y.data_ptr()) + i * length);
      } else {
        max_of(window, rows.data(), down.data(), static_cast<T *>(y.data_ptr()) + i * length);
      }
    }
  });
}

} // namespace

at::Tensor result_of(const at::Tensor &x, const at::Tensor &residual, const Shape &s) {
  if (residual.defined() && !residual.is_alias_of(x)) return residual;
  return make({x.size(0), s.c, s.h, s.w}, x.scalar_type());
}

void stage_pixels(const Pixels &p, const uint8_t *images, int64_t pixels, at::Tensor &dst) {
  switch (dst.scalar_type()) {
  case at::kFloat: return look_up(p.floats, images, pixels, dst.data_ptr<float>());
  case at::kBFloat16: return look_up(p.halves, images, pixels, static_cast<uint16_t *>(dst.data_ptr()));
  default: return look_up(p.bytes, images, pixels, dst.data_ptr<uint8_t>());
  }
}

void stage_blocks(const Pixels &p, const uint8_t *images, int64_t n, int64_t height, int64_t width, at::Tensor &dst) {
  const auto &[red, green, blue] = p.bytes;
  uint8_t *blocks = dst.data_ptr<uint8_t>();
  const int64_t rows = dst.size(2), row_bytes = dst.size(3) * Stem::channels;
  at::parallel_for(0, n * height, grain(3 * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t image = i / height, y = i % height;
      const uint8_t *src = images + i * width * 3;
      uint8_t *out = blocks + (image * rows + y / 2 + Stem::before) * row_bytes +
                     Stem::before * Stem::channels + y % 2 * 6;
      for (int64_t x = 0; x < width; x += 2, src += 6, out += Stem::channels) {
        out[0] = red[src[0]], out[1] = green[src[1]], out[2] = blue[src[2]];
        out[3] = red[src[3]], out[4] = green[src[4]], out[5] = blue[src[5]];
      }
    }
  });
}

at::Tensor max_pool(const at::Tensor &x, const Step &s) {
  at::Tensor y = make({x.size(0), x.size(1), s.shape.h, s.shape.w}, s.to.bytes() ? at::kByte : x.scalar_type());
  with(x, [&](auto *data) { max_rows(data, y, s, x.size(2), x.size(3)); });
  return y;
}

at::Tensor mean_pool(const at::Tensor &x, Storage from) {
  const int64_t channels = x.size(1), pixels = x.size(2) * x.size(3);
  at::Tensor y = at::empty({x.size(0), channels}, at::kFloat);
  float *means = y.data_ptr<float>();
  const double scale = from.bytes() ? from.scale / pixels : 1.0 / pixels;
  const double shift = from.bytes() ? -from.scale * from.zero : 0;
  with(x, [&](auto *data) {
    at::parallel_for(0, x.size(0), grain(pixels * channels), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        float *sums = means + i * channels;
        std::fill(sums, sums + channels, 0.0f);
        sum_of(data + i * pixels * channels, pixels, channels, sums);
        for (int64_t c = 0; c < channels; c++) sums[c] = static_cast<float>(sums[c] * scale + shift);
      }
    });
  });
  return y;
}

void linear(const at::Tensor &means, const Step &s, float *logits) {
  if (s.weight.scalar_type() == at::kFloat) {
    const at::Tensor y = at::linear(means, s.weight, s.bias);
    std::copy_n(y.const_data_ptr<float>(), y.numel(), logits);
    return;
  }
  const int64_t n = means.size(0);
  const Head head{static_cast<const Half *>(s.weight.const_data_ptr()), s.bias.const_data_ptr<float>(),
                  means.const_data_ptr<float>(), means.size(1), s.weight.size(0), logits};
  at::parallel_for(0, head.classes, grain(head.channels), [&](int64_t begin, int64_t end) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) head_four(head, begin, end, i);
    for (; i < n; i++) head_one(head, begin, end, i);
  });
}

at::Tensor quantize(const at::Tensor &tensor, Storage to) {
  const at::Tensor x = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y = make(x.sizes(), at::kByte);
  uint8_t *bytes = y.data_ptr<uint8_t>();
  with(x, [&](auto *data) {
    at::parallel_for(0, x.numel(), grain_elements, [&](int64_t begin, int64_t end) {
      bytes_of(data + begin, end - begin, static_cast<float>(1 / to.scale), static_cast<float>(to.zero), bytes + begin);
    });
  });
  return y;
}

void quantize(const float *x, int64_t n, Storage to, uint8_t *bytes) {
  bytes_of(x, n, static_cast<float>(1 / to.scale), static_cast<float>(to.zero), bytes);
}

at::Tensor dequantize(const at::Tensor &x, Storage from) {
  at::Tensor y = make(x.sizes(), at::kFloat);
  float *floats = y.data_ptr<float>();
  with(x, [&](auto *data) {
    for (int64_t i = 0; i < x.numel(); i++) {
      floats[i] = from.bytes() ? static_cast<float>(from.scale * (value(data[i]) - from.zero)) : value(data[i]);
    }
  });
  return y;
}

} // namespace torchlit
