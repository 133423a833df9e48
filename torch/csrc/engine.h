// An engine's program: the steps as engine_open checked and packed them.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "form.h"
#include "guard.h"
#include "winograd.h"

namespace torchlit {

// Storage is how an activation lies in memory: floats of the program's type, or
// bytes that stand for scale * (byte - zero).
struct Storage {
  double scale = 0; // 0: no bytes
  int64_t zero = 0;
  bool bytes() const { return scale != 0; }
};

// Shape is what one image has become: channels, height, width.
struct Shape {
  int64_t c = 0, h = 0, w = 0;
  int64_t bytes() const { return c * h * w * static_cast<int64_t>(sizeof(float)); }
};

// find looks up an operator that a libtorch may lack.
std::optional<c10::OperatorHandle> find(const char *name, const char *overload);

// cpu_has tells whether the processor has a feature, by libtorch's name for it.
bool cpu_has(const char *feature);

// Packings are a convolution's weight in the blocked layouts that oneDNN computes on.
//
// Which layout it asks for depends on the processor, the image, the number of threads
// and the batch: one with VNNI and AMX asks for the same whatever the batch, one with
// AVX2 alone for up to two, of which the second may be for every other small batch.
// On the wrong one oneDNN reorders the weight in each run, which for one image on two
// threads took two thirds of the time (ResNet18, 32 px: 31 ms instead of 9.5). So each size
// gets its own, and sizes that ask for the same share it. May be used by many threads
// at once.
class Packings {
public:
  // Of the operator that packs; arguments are all but the last, the input's shape. Its
  // first is the weight as it is, which is kept for sizes that come later.
  Packings(c10::OperatorHandle, torch::jit::Stack arguments, const Shape &in);

  // The weight for so many images, run on as many threads as the caller has.
  at::Tensor of(int64_t batch);

private:
  struct Layout {
    std::string description; // by oneDNN; empty: this libtorch does not tell
    at::Tensor weight;
  };
  std::mutex mutex_;
  std::vector<Layout> layouts_;
  std::map<std::pair<int, int64_t>, size_t> known_; // by threads and batch: its layout
  c10::OperatorHandle pack_;
  torch::jit::Stack arguments_;
  Shape in_;
};

// Convolution is a step's convolution in floating point, the addition of the residual
// and the rectifier included.
//
// oneDNN does all three in one pass over the output, which otherwise goes
// through memory three times. Its operators are private to libtorch (namespace
// mkldnn, absent where libtorch is built without oneDNN), so they are called
// through the dispatcher; when they are absent, or plain is asked for, the same
// is done with public ones. Where there is a form with fewer multiplications, that is
// taken (Winograd), and for bf16 one that suits the processor better (Amx, Direct).
class Convolution {
public:
  Convolution(const tl_step &, const Shape &in, at::ScalarType type, bool plain);

  // The weight with which so many images are to be convolved on this thread.
  at::Tensor weight(int64_t batch) const;

  // Computes x * weight + bias (+ residual) and rectifies. With a residual the
  // result may be the residual's own memory, overwritten.
  at::Tensor operator()(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &residual) const;

private:
  at::Tensor fused(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &residual) const;
  at::Tensor plain(const at::Tensor &x, const at::Tensor &residual) const;

  std::unique_ptr<Winograd> winograd_; // absent: it is none of its convolutions
  std::unique_ptr<Form> form_;         // likewise
  std::unique_ptr<Packings> packings_; // absent: plain
  at::Tensor weight_, bias_;           // the weight: plain
  int64_t stride_, padding_, groups_;
  bool relu_, residual_;
  std::optional<c10::OperatorHandle> op_; // absent: plain
  torch::jit::Stack arguments_;           // of op_, after its tensors x, residual and weight
};

// ByteConvolution is a step's convolution of bytes by int8 weights: see engine_int8.cc, and for
// the forms of our own amx.cc and direct.cc.
class ByteConvolution {
public:
  ByteConvolution(const tl_step &, const Shape &in, Storage input, Storage residual, Storage output,
                  at::ScalarType type, bool plain);

  at::Tensor weight(int64_t batch) const;

  // Computes as Convolution does. The result of a step that stores no bytes is of
  // the program's type.
  at::Tensor operator()(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &residual) const;

private:
  at::Tensor fused(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &residual) const;
  at::Tensor plain(const at::Tensor &x, const at::Tensor &residual) const;

  std::unique_ptr<Form> form_;         // absent: there is none of our own for it
  std::unique_ptr<Packings> packings_; // absent: plain
  at::Tensor weight_, scales_, bias_;  // the weight: plain, its values as floats
  int64_t stride_, padding_, groups_;
  bool relu_, residual_;
  Storage input_, added_, output_;
  at::ScalarType type_;
  std::optional<c10::OperatorHandle> op_; // absent: plain
  torch::jit::Stack arguments_;           // of op_, after x
};

// Step is one operation on the slots, which hold the activations.
struct Step {
  int64_t kind, input, residual, output;
  int64_t kernel, stride, padding;
  Shape shape;      // of its result on one image
  Storage from, to; // of what it reads and of its result
  std::variant<std::monostate, Convolution, ByteConvolution> convolution;
  at::Tensor weight, bias;   // of the linear layer
  std::vector<int64_t> dead; // slots that no later step reads
};

// Pixels turns bytes of a channel into what the staging tensor holds.
struct Pixels {
  std::array<std::array<float, 256>, 3> floats;
  std::array<std::array<uint16_t, 256>, 3> halves; // bf16
  std::array<std::array<uint8_t, 256>, 3> bytes;
};

// Stem is the form in which a 7×7 convolution of stride 2 of bytes is computed: as a
// 4×4 convolution of stride 1 of 2×2 pixels each, which lie beside each other as
// channels. oneDNN needs channels by the dozen to fill its registers; with three of
// them it takes nearly twice as long for the same sums (one thread, VNNI and AMX,
// 224 px: 0.50 against 0.28 ms). The staging tensor has the padding inside. A form of our own needs none of it.
//
//   filter row 2a + b - 1 of 7 (the row before the first is 0) is row a of 4 and row b
//   of the 2×2 pixels
struct Stem {
  static constexpr int64_t channels = 16; // twelve, and four that are nothing
  static constexpr int64_t before = 2, after = 1; // blocks of padding

  static bool fits(const tl_step &, const Shape &in, int64_t out);
  static Shape shape(const Shape &in) {
    return {channels, in.h / 2 + before + after, in.w / 2 + before + after};
  }
  static at::Tensor weight(const at::Tensor &);
};

// Program is immutable once built, but for packings that are added, so any number of
// engines may run it at once.
struct Program {
  Program(const tl_engine_config &, const tl_step *, int64_t n);

  tl_engine_config config;
  at::ScalarType type; // of activations that are no bytes
  Storage images;
  std::vector<Step> steps;
  Pixels pixels;
  bool stem = false; // images are staged as Stem says
  int64_t chunk;     // images run at once

  at::ScalarType staged() const { return images.bytes() ? at::kByte : type; }
};

// result_of is where a convolution's results of such a shape go, of x's type: the residual's
// own memory, unless there is none or it is x's, whose neighbours are still to be read.
at::Tensor result_of(const at::Tensor &x, const at::Tensor &residual, const Shape &);

// has_form tells whether there is a form of our own for a convolution to so many channels in at::kByte or
// at::kBFloat16 on this processor.
bool has_form(const tl_step &, const Shape &in, int64_t out, at::ScalarType);

// form_of makes it. zero is the byte that stands for 0.
std::unique_ptr<Form> form_of(const tl_step &, const Shape &in, const at::Tensor &weight, const Epilogue &,
                              at::ScalarType, int64_t zero);

// What engine_kernels.cc does in the layout [n, height, width, channels], on all
// threads. Types are float, bfloat16 and bytes.

// stage_pixels writes pixels of RGB images as what Pixels says.
void stage_pixels(const Pixels &, const uint8_t *images, int64_t pixels, at::Tensor &dst);
// stage_blocks writes n images of bytes, of such a height and width, as Stem says.
void stage_blocks(const Pixels &, const uint8_t *images, int64_t n, int64_t height, int64_t width, at::Tensor &dst);
// max_pool also turns floating point into bytes where to says so.
at::Tensor max_pool(const at::Tensor &x, const Step &);
// mean over height and width, [n, channels], float.
at::Tensor mean_pool(const at::Tensor &x, Storage from);
// linear writes logits, [n, classes], of means [n, channels]; with a weight in float or bfloat16.
void linear(const at::Tensor &means, const Step &, float *logits);
// quantize makes bytes of floating point: nearest, halves to even.
at::Tensor quantize(const at::Tensor &x, Storage to);
void quantize(const float *x, int64_t n, Storage to, uint8_t *bytes);
at::Tensor dequantize(const at::Tensor &x, Storage from); // to float

} // namespace torchlit
