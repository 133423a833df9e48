// Resizing of 8-bit images as Pillow does it, by libtorch's antialiasing
// operators.
//
// Decode workers call this from whatever thread they are on. On x86-64 the
// operators are serial for bytes. Elsewhere they would start a team of threads
// for each calling thread, and keep it: so each thread is told to work alone.
#include <ATen/Parallel.h>
#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include "guard.h"

// libtorch's own OpenMP; linking another would make two. Only ELF has references
// that may stay unresolved.
#ifdef __ELF__
extern "C" {
__attribute__((weak)) void omp_set_num_threads(int);
__attribute__((weak)) int omp_get_max_threads();
}
#else
static void (*const omp_set_num_threads)(int) = nullptr;
static int (*const omp_get_max_threads)() = nullptr;
#endif

namespace torchlit {
namespace {

// Alone limits the calling thread to itself while it lives. at::set_num_threads
// would change the default of all other threads too.
struct Alone {
  int before = 0;
  Alone() {
    if (!omp_set_num_threads || !omp_get_max_threads) return;
    at::internal::lazy_init_num_threads();
    before = omp_get_max_threads();
    omp_set_num_threads(1);
  }
  ~Alone() {
    if (before > 0) omp_set_num_threads(before);
  }
};

// One RGB image in the caller's memory as a [1, 3, height, width] tensor.
at::Tensor view(uint8_t *pixels, int64_t height, int64_t width) {
  const int64_t sizes[] = {1, 3, height, width};
  const int64_t strides[] = {height * width * 3, 1, width * 3, 3};
  return at::from_blob(pixels, sizes, strides, at::kByte);
}

} // namespace

// A filter's width and its steps come from the scales alone, so a picture whose
// last row or column stands for less than a pixel is scaled by what it stands for.
int32_t image_resize(const uint8_t *src, int64_t height, int64_t width, double extent_height,
                     double extent_width, uint8_t *dst, int64_t dst_height, int64_t dst_width,
                     int32_t bicubic, tl_error *err) {
  return guard(err, [&] {
    c10::InferenceMode inference;
    Alone alone;
    at::Tensor in = view(const_cast<uint8_t *>(src), height, width);
    at::Tensor out = view(dst, dst_height, dst_width);
    const int64_t size[] = {dst_height, dst_width};
    // Without a scale libtorch divides the sizes, in float.
    auto scale = [](int64_t to, double extent, int64_t from) {
      return extent == static_cast<double>(from) ? std::optional<double>() : to / extent;
    };
    const auto vertical = scale(dst_height, extent_height, height);
    const auto horizontal = scale(dst_width, extent_width, width);
    if (bicubic) {
      at::_upsample_bicubic2d_aa_out(out, in, size, false, vertical, horizontal);
    } else {
      at::_upsample_bilinear2d_aa_out(out, in, size, false, vertical, horizontal);
    }
  });
}

} // namespace torchlit
