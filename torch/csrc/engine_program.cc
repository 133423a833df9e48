// From the caller's steps to a program: every shape is worked out and checked
// here, once, so that a run has nothing left to check but its own arguments.
#include <algorithm>
#include <cmath>

#include <c10/util/BFloat16.h>

#include "dead.h"
#include "engine.h"

namespace torchlit {
namespace {

// A chunk's largest activation, as floats, stays below this. Two reasons, both measured
// with ResNet18 at 224 px: beyond it glibc takes each activation from the kernel anew
// (its threshold for that ends at 32 MiB) and zeroing those pages costs 10 to
// 20 % of the time; and smaller activations are still in the last-level cache
// when the next step reads them.
constexpr int64_t max_activation_bytes = 30 << 20;

struct Builder {
  const tl_engine_config &config;
  std::vector<Shape> slots;
  std::vector<Storage> stored; // likewise of each slot
  int64_t largest = 0;

  explicit Builder(const tl_engine_config &c) : config(c), slots(c.slots), stored(c.slots) {
    TORCH_CHECK(c.height > 0 && c.width > 0 && c.classes > 0 && c.slots > 0,
                "height, width, classes and slots must be positive");
    put(0, {3, c.height, c.width});
    stored[0] = storage(c.scale, c.zero);
  }

  Storage storage(double scale, int64_t zero) const {
    if (config.precision != TL_INT8) return {};
    TORCH_CHECK(scale >= 0 && std::isfinite(scale) && std::isfinite(static_cast<float>(1 / scale)) == (scale > 0),
                "a scale of ", scale, "; it must be positive, or 0 to keep floating point");
    TORCH_CHECK(zero >= 0 && zero <= 255, "a zero of ", zero, " is no byte");
    return {scale, zero};
  }

  const Shape &get(int64_t slot) const {
    TORCH_CHECK(slot >= 0 && slot < config.slots, "there is no slot ", slot);
    TORCH_CHECK(slots[slot].c > 0, "slot ", slot, " is read before it is written");
    return slots[slot];
  }

  void put(int64_t slot, Shape shape) {
    TORCH_CHECK(slot >= 0 && slot < config.slots, "there is no slot ", slot);
    TORCH_CHECK(shape.h > 0 && shape.w > 0, "the image is too small: nothing is left of it");
    slots[slot] = shape;
    largest = std::max(largest, shape.bytes());
  }

  static at::Tensor tensor(const tl_tensor *t, const char *what, int64_t dims) {
    at::Tensor x = borrow(t).detach();
    TORCH_CHECK(x.scalar_type() == at::kFloat && x.device().is_cpu() && x.dim() == dims,
                "its ", what, " must be a float32 CPU tensor of ", dims,
                " dimensions; got ", x.toString(), " ", x.sizes());
    return x;
  }

  static void check_bias(const at::Tensor &bias, int64_t want) {
    TORCH_CHECK(bias.size(0) == want, "its bias has ", bias.size(0), " values; want ", want);
  }

  static Shape shrink(const tl_step &s, const Shape &in, int64_t channels) {
    TORCH_CHECK(s.kernel > 0 && s.stride > 0 && s.padding >= 0, "bad kernel, stride or padding");
    auto out = [&](int64_t n) { return (n + 2 * s.padding - s.kernel) / s.stride + 1; };
    return {channels, out(in.h), out(in.w)};
  }

  // An average pool keeps what is left at the lower and right edge (ceil_mode).
  static Shape average(const tl_step &s, const Shape &in) {
    TORCH_CHECK(s.kernel > 0 && s.stride > 0 && s.stride <= s.kernel && s.padding == 0,
                "bad kernel, stride or padding");
    auto out = [&](int64_t n) { return n < s.kernel ? 1 : (n - s.kernel + s.stride - 1) / s.stride + 1; };
    return {in.c, out(in.h), out(in.w)};
  }

  void convolution(const tl_step &s) {
    Shape in = get(s.input);
    at::Tensor weight = tensor(s.weight, "weight", 4), bias = tensor(s.bias, "bias", 1);
    TORCH_CHECK(s.groups > 0 && weight.size(1) * s.groups == in.c &&
                    weight.size(2) == s.kernel && weight.size(3) == s.kernel,
                "its weight ", weight.sizes(), " does not fit ", in.c, " channels, kernel ",
                s.kernel, ", groups ", s.groups);
    check_bias(bias, weight.size(0));
    Shape out = shrink(s, in, weight.size(0));
    if (s.residual >= 0) {
      Shape other = get(s.residual);
      TORCH_CHECK(other.c == out.c && other.h == out.h && other.w == out.w,
                  "its residual has another shape than its result");
      TORCH_CHECK(stored[s.residual].bytes() == stored[s.input].bytes() &&
                      (config.precision != TL_INT8 || stored[s.input].bytes() == (s.scale != 0)),
                  "its residual, input and result must all be bytes, or none of them");
    }
    put(s.output, out);
  }

  void linear(const tl_step &s) {
    at::Tensor weight = tensor(s.weight, "weight", 2), bias = tensor(s.bias, "bias", 1);
    TORCH_CHECK(weight.size(1) == get(s.input).c && weight.size(0) == config.classes,
                "its weight ", weight.sizes(), " does not fit ", get(s.input).c,
                " channels and ", config.classes, " classes");
    check_bias(bias, config.classes);
  }

  // Pools keep the bytes that they read as they are; the larger of two is the same in
  // every scale.
  Storage pooled(const tl_step &s) const {
    Storage from = stored[s.input], to = storage(s.scale, s.zero);
    TORCH_CHECK(!from.bytes() || (from.scale == to.scale && from.zero == to.zero),
                "a pool cannot change the scale of bytes");
    TORCH_CHECK(from.bytes() || !to.bytes() || s.kind == TL_STEP_MAXPOOL,
                "an average pool cannot make bytes of floating point");
    return to;
  }

  // add checks a step and returns it without its weights. in becomes the shape of
  // what it reads.
  Step add(const tl_step &s, bool last, Shape &in, Storage &residual) {
    TORCH_CHECK((s.kind == TL_STEP_POOL_LINEAR) == last,
                "the linear layer must be the last step, and the last only");
    in = get(s.input);
    Step step{s.kind, s.input, -1, s.output, s.kernel, s.stride, s.padding, {}, stored[s.input], {}, {}, {}, {}, {}};
    switch (s.kind) {
    case TL_STEP_CONV:
      convolution(s);
      step.residual = s.residual;
      if (s.residual >= 0) residual = stored[s.residual];
      step.to = storage(s.scale, s.zero);
      break;
    case TL_STEP_MAXPOOL: put(s.output, shrink(s, in, in.c)), step.to = pooled(s); break;
    case TL_STEP_AVGPOOL: put(s.output, average(s, in)), step.to = pooled(s); break;
    case TL_STEP_POOL_LINEAR:
      linear(s);
      step.shape = {config.classes, 1, 1};
      return step;
    default: TORCH_CHECK(false, "a step of unknown kind ", s.kind);
    }
    step.shape = slots[s.output];
    stored[s.output] = step.to;
    return step;
  }
};

// float_type is what activations that are no bytes are kept in.
at::ScalarType float_type(int64_t precision) {
  int32_t bf16 = 0, fast = 0;
  tl_error error;
  TORCH_CHECK(engine_precision(TL_BF16, &bf16, &fast, &error) == 0, error.text);
  switch (precision) {
  case TL_FP32: return at::kFloat;
  case TL_BF16: return at::kBFloat16;
  case TL_INT8: return bf16 ? at::kBFloat16 : at::kFloat;
  default: TORCH_CHECK(false, "there is no precision ", precision);
  }
}

void fill(Pixels &p, const tl_engine_config &c, Storage images) {
  for (int channel = 0; channel < 3; channel++) {
    for (int byte = 0; byte < 256; byte++) {
      const float x = (static_cast<float>(byte) / 255.0f - c.mean[channel]) / c.std[channel];
      p.floats[channel][byte] = x;
      p.halves[channel][byte] = c10::BFloat16(x).x;
    }
    // By the very function that rounds images which come as floats: a value between two bytes goes the same way in both.
    if (images.bytes()) quantize(p.floats[channel].data(), 256, images, p.bytes[channel].data());
  }
}

} // namespace

Program::Program(const tl_engine_config &c, const tl_step *list, int64_t n)
    : config(c), type(float_type(c.precision)) {
  TORCH_CHECK(n > 0, "a program without steps");
  Builder builder(c);
  images = builder.stored[0];
  std::vector<Shape> inputs(n);
  std::vector<Storage> residuals(n);
  for (int64_t i = 0; i < n; i++) {
    try {
      steps.push_back(builder.add(list[i], i == n - 1, inputs[i], residuals[i]));
    } catch (const c10::Error &e) {
      TORCH_CHECK(false, "step ", i, ": ", e.what_without_backtrace());
    }
  }
  chunk = std::max<int64_t>(1, max_activation_bytes / builder.largest);

  mark_dead(steps, c.slots);
  const std::vector<int64_t> &dead = steps[0].dead; // the images must be: Stem has another shape
  stem = images.bytes() && !c.plain && Stem::fits(list[0], inputs[0], steps[0].shape.c) &&
         std::find(dead.begin(), dead.end(), 0) != dead.end();
  for (int64_t i = 0; i < n; i++) {
    tl_step s = list[i];
    Step &step = steps[i];
    at::Tensor blocks;
    if (i == 0 && stem) {
      blocks = Stem::weight(borrow(s.weight).detach());
      s.weight = reinterpret_cast<tl_tensor *>(blocks.unsafeGetTensorImpl());
      s.kernel = 4, s.stride = 1, s.padding = 0;
      inputs[0] = Stem::shape(inputs[0]);
    }
    if (s.kind == TL_STEP_CONV && step.from.bytes()) {
      step.convolution.emplace<ByteConvolution>(s, inputs[i], step.from, residuals[i], step.to, type, c.plain != 0);
    } else if (s.kind == TL_STEP_CONV) {
      step.convolution.emplace<Convolution>(s, inputs[i], type, c.plain != 0);
    } else if (s.kind == TL_STEP_POOL_LINEAR) {
      step.weight = borrow(s.weight).detach().to(c.plain ? at::kFloat : type, false, /*copy=*/true).contiguous();
      step.bias = borrow(s.bias).detach().clone().contiguous();
    }
  }
  fill(pixels, c, images);
}

} // namespace torchlit
