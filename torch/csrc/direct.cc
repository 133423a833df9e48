// Convolutions in int8 and bf16 on AVX-512's dot products, VNNI and BF16.
//
// Goal: vpdpbusd adds the products of four bytes of a pixel and four int8 weights to each of 16 sums,
// vdpbf16ps those of two bf16, and a core starts two of them a cycle if nothing is in their way. So that
// nothing is, 6 pixels × 64 channels of sums stay in 24 registers: for each dword of a filter's row four
// registers of weights are loaded and six dwords of pixels broadcast, ten loads for 24 dot products.
//
// oneDNN's kernel does the same. What it spends beside it is the point here:
//
//   - A filter's row is one run of bytes, kernel × channels, for every pixel alike. Where a part of the filter lies
//     outside of the image the run is shorter: pixels are put into tiles with others of the same
//     border, whatever row or image they are of, so that no loop knows a border and nothing is multiplied
//     by padding, a fifth of the products of 7×7 images. Nothing is copied.
//   - Of images with three channels a row is 21 bytes, which the last dword fills up with weights of 0: 42 dwords for
//     7×7, where oneDNN takes 49 or, in blocks of 2×2 pixels, 64. These are copied with their padding around them, as are
//     bytes whose zero is another than 0, which outside of the image count as well.
//   - The pixels of a border are shared out evenly to tiles of at most six. Three are enough to keep both
//     units busy, so hardly a tile is wasted.
//   - For the pixels of a part, one image or several of 256 KB together, all weights of 64 channels are
//     gone through, then the next 64: the part and those weights stay in the core's own cache, and while they
//     are used the next ones are fetched from farther away.
//
// Not for processors with AMX, whose tiles do eight times as much and which oneDNN and Amx compute on.
//
// Measured on a core of an AMD EPYC with AVX-512 (Zen 5) that does 8 to 8.3 billion dot products a second, batches of
// eight, ms an image, oneDNN's convolution alone / here; around each of oneDNN's libtorch spends some µs more:
//
//           7×7 stride 2   64 channels, 56×56   128, 28×28     256, 14×14     512, 7×7
//   int8     0.46 / 0.29     0.233 / 0.225      0.224 / 0.218  0.209 / 0.205  0.209 / 0.184
//   whole network, images a second: int8 245 / 274, bf16 126 / 138
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#pragma GCC diagnostic ignored "-Wuninitialized" // GCC 12 says so of its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "direct.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/constant_pad_nd.h>

#include "engine.h"
#include "scratch.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define TL_DIRECT 1
#include "finish.h"
#endif

namespace torchlit {
namespace {

constexpr int64_t block = 64; // channels out
constexpr int64_t dword = 4;  // bytes
constexpr int64_t most = 6;   // pixels of a tile

int64_t outputs(const tl_step &s, int64_t in) { return (in + 2 * s.padding - s.kernel) / s.stride + 1; }

int64_t run_of(const tl_step &s, const Shape &in, at::ScalarType type) {
  return (s.kernel * in.c * element_bytes(type) + dword - 1) / dword * dword;
}

bool usable(at::ScalarType type) {
#if defined(TL_DIRECT)
  static const bool wide = std::string(at::get_cpu_capability()) == "AVX512";
  static const bool bytes = wide && cpu_has("avx512_vnni") && !cpu_has("amx_int8");
  static const bool halves = wide && cpu_has("avx512_bf16") && !cpu_has("amx_bf16");
  return type == at::kByte ? bytes : halves;
#else
  (void)type;
  return false;
#endif
}

// pack brings a weight into the order in which compute_tile reads it: 64 output channels, rows of the
// filter, dwords of a row, and of each dword all 64 channels.
at::Tensor pack(const at::Tensor &weight, at::ScalarType type, int64_t run) {
  const int64_t out = weight.size(0), kernel = weight.size(2), together = dword / element_bytes(type);
  const at::Tensor rows = weight.permute({0, 2, 3, 1}).reshape({out, kernel, -1});
  const int64_t more = run / element_bytes(type) - rows.size(2);
  return at::constant_pad_nd(rows, {0, more})
      .view({out / block, block, kernel, run / dword, together})
      .permute({0, 2, 3, 1, 4})
      .contiguous()
      .to(type == at::kByte ? at::kChar : at::kBFloat16);
}

#if defined(TL_DIRECT)
#define TL_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")))
#define TL_INLINE inline __attribute__((always_inline))

constexpr int vectors = 4; // of sums for a pixel

// dot adds the products of a dword of a pixel and those of 16 channels to their sums. Of the intrinsics GCC 12
// copies the sums to and fro, and takes more than twice the time.
template <bool Bytes> TL_TARGET TL_INLINE void dot(__m512i &sums, __m512i pixel, __m512i weight) {
  if constexpr (Bytes) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(pixel), "v"(weight));
  } else {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(pixel), "v"(weight));
  }
}

// Work is what tiles of one border have in common, for 64 channels.
struct Work {
  const char *weight;        // of the first place of the filter that lies on the image
  int64_t rows, run;         // of the filter: how many lie on the image, bytes of each
  int64_t line, weight_line; // bytes from one row of pixels, and of weights, to the next
  const char *ahead;         // weights that are wanted next
  const char *x, *add;       // add: null without a residual
  char *y;
  Finish how;
};

// Tile is where the windows of up to six pixels begin and where their results go, from x and y on.
struct Tile {
  int64_t from[most], to[most];
  const char *ahead; // weights to fetch meanwhile, a quarter as many bytes as it reads
};

// store_block writes a pixel's results for 64 channels.
template <bool Bytes>
TL_TARGET TL_INLINE void store_block(const Finish &f, const __m512i *sums, const char *add, char *y) {
  __m512 v[vectors];
#pragma GCC unroll 4
  for (int i = 0; i < vectors; i++) v[i] = finish<Bytes>(f, sums[i], 16 * i, add ? add + 16 * i * (Bytes ? 1 : 2) : nullptr);
  if constexpr (Bytes) { // packing works on quarters of a register, which are put in order at last
    const __m512i low = _mm512_packs_epi32(_mm512_cvtps_epi32(v[0]), _mm512_cvtps_epi32(v[1]));
    const __m512i high = _mm512_packs_epi32(_mm512_cvtps_epi32(v[2]), _mm512_cvtps_epi32(v[3]));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(y, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high)));
  } else {
    _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]));
    _mm512_storeu_si512(y + 64, (__m512i)_mm512_cvtne2ps_pbh(v[3], v[2]));
  }
}

// compute_tile computes so many pixels.
template <bool Bytes, int Pixels> TL_TARGET void compute_tile(const Work &w, const Tile &t) {
  __m512i sums[Pixels][vectors];
  const char *from[Pixels];
#pragma GCC unroll 8
  for (int p = 0; p < Pixels; p++) {
    from[p] = w.x + t.from[p];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sums[p][v] = _mm512_setzero_si512();
  }
  const char *line = w.weight, *ahead = t.ahead;
  for (int64_t row = 0; row < w.rows; row++, line += w.weight_line) {
    const char *weight = line;
    for (int64_t k = 0; k < w.run; k += dword, weight += block * dword, ahead += 64) {
      _mm_prefetch(ahead, _MM_HINT_T1);
      __m512i weights[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) weights[v] = _mm512_loadu_si512(weight + 64 * v);
#pragma GCC unroll 8
      for (int p = 0; p < Pixels; p++) {
        int32_t bits;
        std::memcpy(&bits, from[p] + k, sizeof bits);
        const __m512i pixel = _mm512_set1_epi32(bits);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) dot<Bytes>(sums[p][v], pixel, weights[v]);
      }
    }
#pragma GCC unroll 8
    for (int p = 0; p < Pixels; p++) from[p] += w.line;
  }
#pragma GCC unroll 8
  for (int p = 0; p < Pixels; p++) {
    store_block<Bytes>(w.how, sums[p], w.add ? w.add + t.to[p] : nullptr, w.y + t.to[p]);
  }
}

template <bool Bytes> void compute_tile(int64_t pixels, const Work &w, const Tile &t) {
  switch (pixels) {
  case 6: return compute_tile<Bytes, 6>(w, t);
  case 5: return compute_tile<Bytes, 5>(w, t);
  case 4: return compute_tile<Bytes, 4>(w, t);
  case 3: return compute_tile<Bytes, 3>(w, t);
  case 2: return compute_tile<Bytes, 2>(w, t);
  default: return compute_tile<Bytes, 1>(w, t);
  }
}

// Area is pixels of some images that have the same border, and where they lie.
struct Area {
  int64_t images, rows, columns;
  int64_t from, from_image, from_row, from_column; // bytes from x to the first pixel's window, and to the next one's
  int64_t to, to_image, to_row, to_column;         // likewise of results
};

// compute_area shares an area's pixels out to tiles of about the same size.
void compute_area(const Area &a, const Work &w, bool bytes) {
  const int64_t pixels = a.images * a.rows * a.columns, tiles = (pixels + most - 1) / most;
  int64_t image = 0, row = 0, column = 0;
  for (int64_t i = 0; i < tiles; i++) {
    const int64_t count = (i + 1) * pixels / tiles - i * pixels / tiles;
    Tile t;
    t.ahead = w.ahead + i % 4 * (w.rows * w.run * block / 4);
    for (int64_t k = 0; k < count; k++) {
      t.from[k] = a.from + image * a.from_image + row * a.from_row + column * a.from_column;
      t.to[k] = a.to + image * a.to_image + row * a.to_row + column * a.to_column;
      if (++column < a.columns) continue;
      column = 0;
      if (++row == a.rows) row = 0, image++;
    }
    bytes ? compute_tile<true>(count, w, t) : compute_tile<false>(count, w, t);
  }
}
#endif

} // namespace

bool Direct::fits(const tl_step &s, int64_t out, at::ScalarType type) {
  return usable(type) && s.groups == 1 && out % block == 0;
}

Direct::Direct(const tl_step &s, const Shape &in, const at::Tensor &weight, const Epilogue &e, at::ScalarType type, uint8_t zero)
    : Form(type, in.c, {weight.size(0), outputs(s, in.h), outputs(s, in.w)}, pack(weight, type, run_of(s, in, type)), e),
      kernel_(s.kernel), stride_(s.stride), padding_(s.padding), height_(in.h), columns_(in.w), run_(run_of(s, in, type)),
      zero_(zero), copies_((padding_ > 0 && zero != 0) || in_bytes_ % dword != 0), down_(ranges(height_, rows_out_)),
      across_(ranges(columns_, columns_out_)) {}

std::vector<Direct::Range> Direct::ranges(int64_t in, int64_t out) const {
  if (copies_) return {{0, out, 0, kernel_}};
  std::vector<Range> ranges;
  for (int64_t o = 0; o < out; o++) {
    const int64_t at = o * stride_ - padding_;
    const int64_t first = std::max<int64_t>(0, -at), last = std::min(kernel_, in - at);
    if (!ranges.empty() && ranges.back().first == first && ranges.back().last == last) {
      ranges.back().end = o + 1;
    } else {
      ranges.push_back({o, o + 1, first, last});
    }
  }
  return ranges;
}

// tasks shares the batch out: with more threads than images, the channels if there are enough
// of them, so that each thread reads only its weights, and otherwise the rows.
std::vector<Task> Direct::tasks(int64_t n) const {
  const int64_t threads = at::get_num_threads(), blocks = width_ / block, shares = (threads + n - 1) / n;
  const int64_t image_bytes = (height_ + 2 * padding_) * (columns_ + 2 * padding_) * in_bytes_;
  const bool by_channels = n < threads && blocks >= shares;
  const int64_t times = by_channels ? shares : 1;
  std::vector<Task> tasks;
  for (const Part &p : divide(n, image_bytes, rows_out_, by_channels ? n : threads)) {
    for (int64_t i = 0; i < times; i++) tasks.push_back({p, i * blocks / times, (i + 1) * blocks / times});
  }
  return tasks;
}

// pad copies what a part reads, with what is around it.
void Direct::pad(const Part &p, const char *x, char *to) const {
  const int64_t edge = padding_ * in_bytes_, inner = columns_ * in_bytes_;
  const int64_t first = p.top * stride_ - padding_, rows = (p.rows - 1) * stride_ + kernel_;
  for (int64_t image = 0; image < p.images; image++) {
    for (int64_t row = first; row < first + rows; row++, to += inner + 2 * edge) {
      if (row < 0 || row >= height_) {
        std::memset(to, zero_, inner + 2 * edge);
        continue;
      }
      std::memset(to, zero_, edge);
      std::memcpy(to + edge, x + (image * height_ + row) * inner, inner);
      std::memset(to + edge + inner, zero_, edge);
    }
  }
  std::memset(to, 0, dword); // read by the last run, times 0
}

void Direct::compute(const Task &t, const char *x, const char *add, char *y) const {
#if defined(TL_DIRECT)
  const Part &p = t.part;
  int64_t columns = columns_, image_rows = height_; // of what is read
  x += p.image * height_ * columns_ * in_bytes_;
  if (copies_) {
    columns += 2 * padding_, image_rows = (p.rows - 1) * stride_ + kernel_;
    char *copy = static_cast<char *>(scratch(p.images * image_rows * columns * in_bytes_ + dword));
    pad(p, x, copy);
    x = copy;
  }
  const int64_t line = columns * in_bytes_, line_out = columns_out_ * out_bytes_;
  const int64_t begin = p.image * rows_out_ * line_out;
  const int64_t filter = kernel_ * run_ * block;
  for (int64_t b = t.first; b < t.last; b++) {
    const char *weight = static_cast<const char *>(weight_.const_data_ptr()) + b * filter;
    const int64_t channel = begin + b * block * element_bytes(type_);
    const char *ahead = b + 1 < t.last ? weight + filter : weight;
    for (const Range &down : down_) {
      const int64_t first = std::max(down.begin, p.top), last = std::min(down.end, p.top + p.rows);
      if (first >= last) continue;
      for (const Range &across : across_) {
        const int64_t run = copies_ ? run_ : (across.last - across.first) * in_bytes_;
        const Work work{weight + (down.first * run_ + across.first * in_bytes_) * block, down.last - down.first, run, line,
                        run_ * block, ahead, x, add ? add + channel : nullptr, y + channel, {epilogue_, b * block}};
        Area area{};
        area.images = p.images, area.rows = last - first, area.columns = across.end - across.begin;
        const int64_t row = copies_ ? (first - p.top) * stride_ : first * stride_ - padding_ + down.first;
        const int64_t column = copies_ ? 0 : across.begin * stride_ - padding_ + across.first;
        area.from = row * line + column * in_bytes_;
        area.from_image = image_rows * line, area.from_row = stride_ * line, area.from_column = stride_ * in_bytes_;
        area.to = first * line_out + across.begin * out_bytes_;
        area.to_image = rows_out_ * line_out, area.to_row = line_out, area.to_column = out_bytes_;
        compute_area(area, work, type_ == at::kByte);
      }
    }
  }
#else
  (void)t, (void)x, (void)add, (void)y;
  TORCH_CHECK(false, "BUG: no dot products were compiled in");
#endif
}

} // namespace torchlit
