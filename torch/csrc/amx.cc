// 3×3 convolutions of stride 1 in int8 and bf16 on Intel's AMX.
//
// Goal: AMX multiplies a tile of 16 rows of 64 bytes by another in 16 cycles, sixteen times what AVX-512
// does in fp32. A row is a pixel's channels, so a convolution is nine products, one
// for each place of the filter, summed up. The obvious way takes sixteen pixels from one row of the image: of
// an image of 7×7, nine of them are nothing, and of 28×28 the last four of every second tile.
//
// Here the pixels of the whole image, of several images even, lie in one line, with a zero
// between the rows and a row of zeros between the images:
//
//   0 0 0 0   In this line the pixel below is always as far away as the line is wide, so any sixteen
//   0 a b c   neighbours make a tile, whatever rows they belong to, and the nine places
//   0 d e f   are nine offsets. Of the results those in the column of zeros are nothing and not
//   0 0 0 0   stored: one of eight at 7×7, twice, and less of larger images.
//
// The line is copied, which costs a pass over the input, into memory of the thread's that stays
// in its cache: a part of 256 KB at most, one image or several. For these all weights of 32 output channels
// are gone through, then the next 32: so weights, 2.4 MB of the last layers, are read once for a
// part, not once for an image.
//
// Of larger images oneDNN's tiles are full as well, and it copies nothing: there it is as fast or
// faster, and stays. Measured, one core, batches of eight, ms an image, oneDNN / here:
//
//                   64 channels, 56×56   128, 28×28    256, 14×14    512, 7×7
//   int8              0.079 / 0.12       0.078 / 0.083  0.078 / 0.072   0.155 / 0.083
//   bf16              0.18  / 0.21       0.149 / 0.16   0.166 / 0.144   0.34  / 0.21
//
// The tiles' shape is a setting of the thread, which oneDNN sets as well and believes to know from then on: it
// is put back as it was.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#pragma GCC diagnostic ignored "-Wuninitialized" // GCC 12 says so of its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "amx.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>

#include "engine.h"
#include "scratch.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define TL_AMX 1
#include "finish.h"
#endif

namespace torchlit {
namespace {

constexpr int64_t tile_rows = 16, tile_bytes = 64; // of a row
constexpr int64_t pixels = 2 * tile_rows, channels = 2 * tile_rows; // that are computed at once
constexpr int64_t behind = 2 + pixels; // pixels that the last tile reads beyond the line

#if defined(TL_AMX)
// usable asks the kernel for AMX once.
bool usable(const char *feature) {
  static const bool allowed = std::string(at::get_cpu_capability()) == "AVX512" && cpu_has("amx_tile") && at::cpu::init_amx();
  return allowed && cpu_has(feature);
}
#else
bool usable(const char *) { return false; }
#endif

// pack brings a weight into the order in which compute reads it: 32 output channels, nine
// places, the bytes of a row, two tiles. Each row of a tile holds four bytes of each of 16 channels.
at::Tensor pack(const at::Tensor &weight, at::ScalarType type) {
  const int64_t element = type == at::kChar ? 1 : 2, together = 4 / element;
  const int64_t blocks = weight.size(1) * element / tile_bytes;
  return weight.contiguous()
      .view({weight.size(0) / channels, 2, tile_rows, blocks, tile_rows, together, 9})
      .permute({0, 6, 3, 1, 4, 2, 5})
      .contiguous()
      .to(type);
}

#if defined(TL_AMX)
#define TL_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-int8,amx-bf16")))

struct alignas(64) Shapes {
  uint8_t palette, start, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// GCC 12 does not know which memory the instructions for tiles read and write.
inline void settle_memory() { asm volatile("" ::: "memory"); }

// A thread's setting of its tiles, put back at the end.
class Setting {
public:
  TL_TARGET Setting() {
    asm volatile("sttilecfg %0" : "=m"(before_));
    Shapes s{};
    s.palette = 1;
    for (int i = 0; i < 8; i++) s.row_bytes[i] = tile_bytes, s.rows[i] = tile_rows;
    load(s);
  }
  TL_TARGET ~Setting() {
    if (before_.palette == 0) {
      _tile_release();
    } else {
      load(before_);
    }
  }
  Setting(const Setting &) = delete;
  Setting &operator=(const Setting &) = delete;

private:
  TL_TARGET static void load(const Shapes &s) {
    settle_memory();
    asm volatile("ldtilecfg %0" ::"m"(s));
  }

  Shapes before_;
};

// A sum's place: [32 pixels][32 channels] of 32-bit integers or floats.
using Sums = int32_t[pixels][channels];

// Done are the sums of 32 pixels of a part for 32 channels, and what is to become of them.
struct Done {
  const Sums *sums;
  const Finish *how;
  const int64_t *places; // where each pixel's first channel lies, in bytes; less than 0: nowhere
  const char *add;       // null: no residual
  char *y;
};

// finish_all makes the results for channels from first to first + 16.
template <bool Bytes> TL_TARGET inline void finish_all(const Done &d, int64_t first) {
  const int64_t offset = first * (Bytes ? 1 : 2);
  for (int64_t i = 0; i < pixels; i++) {
    if (d.places[i] < 0) continue;
    const int64_t place = d.places[i] + offset;
    store<Bytes>(d.y + place, finish<Bytes>(*d.how, _mm512_loadu_si512(&(*d.sums)[i][first]), first, d.add ? d.add + place : nullptr));
  }
}

// sum computes 32 pixels' sums of products for 32 channels; line is so many bytes from the
// pixel above to the one below.
template <bool Bytes>
TL_TARGET void sum(const char *x, int64_t pixel, int64_t line, const char *weight, Sums &sums) {
  settle_memory();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t place = 0; place < 9; place++) {
    const char *a = x + place / 3 * line + place % 3 * pixel;
    for (int64_t k = 0; k < pixel; k += tile_bytes, weight += 2 * tile_rows * tile_bytes) {
      _tile_loadd(4, a + k, pixel);
      _tile_loadd(6, weight, tile_bytes);
      _tile_loadd(5, a + tile_rows * pixel + k, pixel);
      _tile_loadd(7, weight + tile_rows * tile_bytes, tile_bytes);
      if constexpr (Bytes) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
      } else {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, &sums[0][0], sizeof sums[0]);
  _tile_stored(1, &sums[0][tile_rows], sizeof sums[0]);
  _tile_stored(2, &sums[tile_rows][0], sizeof sums[0]);
  _tile_stored(3, &sums[tile_rows][tile_rows], sizeof sums[0]);
  settle_memory();
}

// Work is a part made ready: its pixels in a line, and where its results go.
struct Work {
  const char *padded;
  const int64_t *places; // of the first channel, for each pixel of the line
  int64_t total;         // pixels of the line that results are computed for
  int64_t pixel, line;   // bytes from one to the next, and to the one below
};

// convolve computes 32 channels of a part.
template <bool Bytes>
TL_TARGET void convolve(const Work &w, const char *weight, const Finish &f, const char *add, char *y) {
  alignas(64) Sums sums;
  for (int64_t q = 0; q < w.total; q += pixels) {
    sum<Bytes>(w.padded + q * w.pixel, w.pixel, w.line, weight, sums);
    const Done done{&sums, &f, w.places + q, add, y};
    finish_all<Bytes>(done, 0);
    finish_all<Bytes>(done, tile_rows);
  }
}
#endif

} // namespace

bool Amx::fits(const tl_step &s, const Shape &in, int64_t out, at::ScalarType type) {
  const bool bytes = type == at::kByte;
  return usable(bytes ? "amx_int8" : "amx_bf16") && in.w < tile_rows && s.kernel == 3 && s.stride == 1 && s.padding == 1 &&
         s.groups == 1 && in.c * element_bytes(type) % tile_bytes == 0 && out % channels == 0;
}

Amx::Amx(const Shape &in, const at::Tensor &weight, const Epilogue &e, at::ScalarType type, uint8_t zero)
    : Form(type, in.c, {weight.size(0), in.h, in.w}, pack(weight, type == at::kByte ? at::kChar : at::kBFloat16), e), zero_(zero) {}

std::vector<Task> Amx::tasks(int64_t n) const {
  std::vector<Task> tasks;
  for (const Part &p : divide(n, (rows_out_ + 1) * (columns_out_ + 1) * in_bytes_, rows_out_, at::get_num_threads())) {
    tasks.push_back({p, 0, width_ / channels});
  }
  return tasks;
}

// pad copies a part's pixels into a line, with what is around them.
void Amx::pad(const Part &p, const char *x, char *to) const {
  const int64_t line = (columns_out_ + 1) * in_bytes_, row_bytes = columns_out_ * in_bytes_;
  const int64_t rows = p.images * (p.rows + 1) + 1;
  for (int64_t r = 0; r < rows; r++, to += line) {
    // Between whole images lies nothing; above and below a block of rows, more of its image.
    const bool last = r == rows - 1;
    const int64_t image = last ? p.images - 1 : r / (p.rows + 1);
    const int64_t row = p.top + (last ? p.rows : r % (p.rows + 1) - 1);
    if (row < 0 || row >= rows_out_) {
      std::memset(to, zero_, line);
      continue;
    }
    std::memset(to, zero_, in_bytes_);
    std::memcpy(to + in_bytes_, x + ((p.image + image) * rows_out_ + row) * row_bytes, row_bytes);
  }
  std::memset(to, zero_, behind * in_bytes_);
}

// place says where the results of each pixel of the line go.
void Amx::place(const Part &p, int64_t total, int64_t *places) const {
  const int64_t line = columns_out_ + 1;
  for (int64_t q = 0; q < total; q++) {
    const int64_t row = q / line, column = q % line, image = row / (p.rows + 1), y = row % (p.rows + 1);
    const bool nothing = column == columns_out_ || y == p.rows;
    places[q] = nothing ? -1 : (((p.image + image) * rows_out_ + p.top + y) * columns_out_ + column) * out_bytes_;
  }
  std::fill(places + total, places + total + pixels, -1);
}

void Amx::compute(const Task &t, const char *x, const char *add, char *y) const {
#if defined(TL_AMX)
  const Part &p = t.part;
  const int64_t line = columns_out_ + 1, rows = p.images * (p.rows + 1) + 1;
  const int64_t total = (rows - 2) * line; // pixels, the zeros between them included
  const int64_t padded_bytes = ((rows * line + behind) * in_bytes_ + 63) / 64 * 64;
  char *padded = static_cast<char *>(scratch(padded_bytes + (total + pixels) * sizeof(int64_t)));
  auto *places = reinterpret_cast<int64_t *>(padded + padded_bytes);
  pad(p, x, padded);
  place(p, total, places);

  const bool bytes = type_ == at::kByte;
  const Work work{padded, places, total, in_bytes_, line * in_bytes_};
  const int64_t weight_bytes = channels * 9 * in_bytes_, result = element_bytes(type_);
  const char *weight = static_cast<const char *>(weight_.const_data_ptr()) + t.first * weight_bytes;
  const Setting setting;
  for (int64_t c = t.first * channels; c < t.last * channels; c += channels, weight += weight_bytes) {
    const Finish f(epilogue_, c);
    const char *residual = add ? add + c * result : nullptr;
    if (bytes) {
      convolve<true>(work, weight, f, residual, y + c * result);
    } else {
      convolve<false>(work, weight, f, residual, y + c * result);
    }
  }
#else
  (void)t, (void)x, (void)add, (void)y;
  TORCH_CHECK(false, "BUG: no AMX was compiled in");
#endif
}

} // namespace torchlit
