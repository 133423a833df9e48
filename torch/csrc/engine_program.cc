// From the caller's steps to a program: every shape is worked out and checked
// here, once, so that a run has nothing left to check but its own arguments.
#include <algorithm>

#include "engine.h"

namespace torchlit {
namespace {

// A chunk's largest activation stays below this. Two reasons, both measured with
// ResNet18 at 224 px: beyond it glibc takes each activation from the kernel anew
// (its threshold for that ends at 32 MiB) and zeroing those pages costs 10 to
// 20 % of the time; and smaller activations are still in the last-level cache
// when the next step reads them.
constexpr int64_t max_activation_bytes = 30 << 20;

struct Builder {
  const tl_engine_config &config;
  std::vector<Shape> slots;
  int64_t largest = 0;

  explicit Builder(const tl_engine_config &c) : config(c), slots(c.slots) {
    TORCH_CHECK(c.height > 0 && c.width > 0 && c.classes > 0 && c.slots > 0,
                "height, width, classes and slots must be positive");
    put(0, {3, c.height, c.width});
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

  Shape add(const tl_step &s, bool last) {
    TORCH_CHECK((s.kind == TL_STEP_POOL_LINEAR) == last,
                "the linear layer must be the last step, and the last only");
    Shape in = get(s.input);
    switch (s.kind) {
    case TL_STEP_CONV: convolution(s); break;
    case TL_STEP_MAXPOOL: put(s.output, shrink(s, in, in.c)); break;
    case TL_STEP_AVGPOOL: put(s.output, average(s, in)); break;
    case TL_STEP_POOL_LINEAR: linear(s); break;
    default: TORCH_CHECK(false, "a step of unknown kind ", s.kind);
    }
    return in;
  }
};

// mark_dead tells each step which slots it is the last to need, so that their
// memory serves the next activations.
void mark_dead(std::vector<Step> &steps, int64_t slots) {
  std::vector<bool> needed(slots, false);
  for (auto s = steps.rbegin(); s != steps.rend(); ++s) {
    if (s->kind != TL_STEP_POOL_LINEAR) {
      if (!needed[s->output]) s->dead.push_back(s->output);
      needed[s->output] = false;
    }
    for (int64_t slot : {s->input, s->residual}) {
      if (slot < 0) continue;
      if (!needed[slot] && slot != s->output) s->dead.push_back(slot);
      needed[slot] = true;
    }
  }
}

} // namespace

Program::Program(const tl_engine_config &c, const tl_step *list, int64_t n) : config(c) {
  TORCH_CHECK(n > 0, "a program without steps");
  Builder builder(c);
  std::vector<Shape> inputs;
  for (int64_t i = 0; i < n; i++) {
    try {
      inputs.push_back(builder.add(list[i], i == n - 1));
    } catch (const c10::Error &e) {
      TORCH_CHECK(false, "step ", i, ": ", e.what_without_backtrace());
    }
  }
  chunk = std::max<int64_t>(1, max_activation_bytes / builder.largest);

  for (int64_t i = 0; i < n; i++) {
    const tl_step &s = list[i];
    Step step{s.kind, s.input, -1, s.output, s.kernel, s.stride, s.padding, {}, {}, {}, {}};
    if (s.kind == TL_STEP_CONV) {
      step.residual = s.residual;
      step.convolution.emplace(s, inputs[i], std::min<int64_t>(chunk, 8), c.plain != 0);
    } else if (s.kind == TL_STEP_POOL_LINEAR) {
      step.weight = borrow(s.weight).detach().clone();
      step.bias = borrow(s.bias).detach().clone();
    }
    steps.push_back(std::move(step));
  }
  mark_dead(steps, c.slots);

  for (int channel = 0; channel < 3; channel++) {
    for (int byte = 0; byte < 256; byte++) {
      normalized[channel][byte] =
          (static_cast<float>(byte) / 255.0f - c.mean[channel]) / c.std[channel];
    }
  }
}

} // namespace torchlit
