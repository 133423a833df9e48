// The inference engine: one call takes a batch of images as bytes and writes
// their logits.
//
// Calling libtorch operator by operator from Go would cost a boundary crossing
// and a tensor handle for each of ResNet18's sixty operators; and a graph
// compiled ahead of time would need Python. So Go describes the network once, as
// a short list of steps on numbered slots, with BatchNorm already folded into
// the convolutions (package predict), and a run is one loop over that list.
//
// A batch larger than the program's chunk runs as several chunks of nearly equal
// size: see max_activation_bytes.
#include <algorithm>
#include <map>
#include <numeric>

#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include "engine.h"

// tl_engine is what one thread needs to run a program that it may share.
struct tl_engine {
  std::shared_ptr<const torchlit::Program> program;
  at::Tensor staging; // [chunk, 3, H, W], channels last

  // The convolutions' weights by threads, batch and step; made when a batch of a size
  // is first run on so many threads.
  std::map<int, std::vector<std::vector<at::Tensor>>> packed;
};

namespace torchlit {
namespace {

// room is the staging tensor for n images.
at::Tensor room(tl_engine &e, int64_t n) {
  const Program &p = *e.program;
  if (!e.staging.defined() || e.staging.size(0) < n) {
    Shape s{3, p.config.height, p.config.width};
    if (p.stem) s = Stem::shape(s);
    e.staging = at::empty({n, s.c, s.h, s.w}, p.staged(), std::nullopt, std::nullopt, std::nullopt,
                          at::MemoryFormat::ChannelsLast);
    if (p.stem) e.staging.fill_(p.images.zero); // padding, which stays
  }
  return e.staging.narrow(0, 0, n);
}

// stage writes n images into the staging tensor, normalised. A table of 256 values
// a channel gives exactly what dividing, subtracting and dividing again would.
at::Tensor stage(tl_engine &e, const uint8_t *images, int64_t n) {
  const Program &p = *e.program;
  at::Tensor staged = room(e, n);
  if (p.stem) {
    stage_blocks(p.pixels, images, n, p.config.height, p.config.width, staged);
    return staged;
  }
  stage_pixels(p.pixels, images, n * p.config.height * p.config.width, staged);
  return staged;
}

Pixels as_they_are() {
  Pixels p{};
  for (auto &channel : p.bytes) std::iota(channel.begin(), channel.end(), 0);
  return p;
}

// The other stage takes planes, which are normalised already: it changes their
// layout and type alone.
at::Tensor stage(tl_engine &e, const float *planes, int64_t n) {
  const Program &p = *e.program;
  at::Tensor x = at::from_blob(const_cast<float *>(planes), {n, 3, p.config.height, p.config.width}, at::kFloat);
  if (!p.images.bytes()) return room(e, n).copy_(x);
  x = quantize(x, p.images);
  if (!p.stem) return x;
  static const Pixels same = as_they_are();
  at::Tensor staged = room(e, n);
  stage_blocks(same, x.const_data_ptr<uint8_t>(), n, p.config.height, p.config.width, staged);
  return staged;
}

// packed returns the weights of the steps for n images.
const std::vector<at::Tensor> &packed(tl_engine &e, int64_t n) {
  std::vector<std::vector<at::Tensor>> &sizes = e.packed[at::get_num_threads()];
  if (static_cast<int64_t>(sizes.size()) <= n) sizes.resize(n + 1);
  if (!sizes[n].empty()) return sizes[n];
  std::vector<at::Tensor> weights;
  for (const Step &s : e.program->steps) {
    weights.emplace_back();
    if (auto *c = std::get_if<Convolution>(&s.convolution)) weights.back() = c->weight(n);
    if (auto *c = std::get_if<ByteConvolution>(&s.convolution)) weights.back() = c->weight(n);
  }
  return sizes[n] = std::move(weights);
}

at::Tensor convolve(const Step &s, const at::Tensor &x, const at::Tensor &weight, const at::Tensor &residual) {
  if (auto *bytes = std::get_if<ByteConvolution>(&s.convolution)) return (*bytes)(x, weight, residual);
  at::Tensor y = std::get<Convolution>(s.convolution)(x, weight, residual);
  return s.to.bytes() ? quantize(y, s.to) : y;
}

// average_pool averages bytes as floats, which no layer of a network with much to do
// asks for.
at::Tensor average_pool(const Step &s, const at::Tensor &x) {
  const int64_t kernel[] = {s.kernel, s.kernel}, stride[] = {s.stride, s.stride};
  const int64_t padding[] = {0, 0};
  at::Tensor y = at::avg_pool2d(s.from.bytes() ? dequantize(x, s.from) : x, kernel, stride, padding,
                                /*ceil_mode=*/true, /*count_include_pad=*/false);
  return s.to.bytes() ? quantize(y, s.to) : y;
}

// Every step's result of a run, for whoever compares or measures them.
struct Trace {
  float *next; // where the next result goes; null: none is wanted
  void add(const at::Tensor &y, Storage from) {
    if (!next) return;
    const at::Tensor floats = dequantize(y, from);
    std::copy_n(floats.const_data_ptr<float>(), floats.numel(), next);
    next += floats.numel();
  }
};

template <class Value>
void run_chunk(tl_engine &e, const Value *images, int64_t n, float *logits, Trace trace) {
  const Program &p = *e.program;
  std::vector<at::Tensor> slots(p.config.slots);
  slots[0] = stage(e, images, n);
  auto weight = packed(e, n).begin();
  for (const Step &s : p.steps) {
    const at::Tensor &x = slots[s.input], &w = *weight++;
    switch (s.kind) {
    case TL_STEP_CONV: {
      at::Tensor residual = s.residual < 0 ? at::Tensor() : slots[s.residual];
      slots[s.output] = convolve(s, x, w, residual);
      break;
    }
    case TL_STEP_MAXPOOL: slots[s.output] = max_pool(x, s); break;
    case TL_STEP_AVGPOOL: slots[s.output] = average_pool(s, x); break;
    case TL_STEP_POOL_LINEAR: {
      linear(mean_pool(x, s.from), s, logits);
      if (trace.next) trace.add(at::from_blob(logits, {n, p.config.classes, 1, 1}, at::kFloat), {});
      break;
    }
    }
    if (s.kind != TL_STEP_POOL_LINEAR) trace.add(slots[s.output], s.to);
    for (int64_t slot : s.dead) slots[slot].reset();
  }
}

// run runs a batch chunk by chunk. A Value is a byte of a pixel or a float of a
// plane; an image has as many of either.
template <class Value>
int32_t run(tl_engine *engine, const Value *images, int64_t n, float *logits, tl_error *err) {
  return guard(err, [&] {
    c10::InferenceMode inference;
    const tl_engine_config &c = engine->program->config;
    const int64_t chunk = engine->program->chunk;
    for (int64_t chunks = (n + chunk - 1) / chunk; chunks > 0; chunks--) {
      const int64_t part = (n + chunks - 1) / chunks;
      run_chunk(*engine, images, part, logits, {nullptr});
      images += part * c.height * c.width * 3;
      logits += part * c.classes;
      n -= part;
    }
  });
}

} // namespace

bool cpu_has(const char *feature) {
  static const auto cpu = at::cpu::get_cpu_capabilities();
  auto found = cpu.find(feature);
  return found != cpu.end() && found->second.isBool() && found->second.toBool();
}

int32_t engine_open(const tl_engine_config *config, const tl_step *steps, int64_t nsteps,
                    tl_engine **out, tl_error *err) {
  return guard(err, [&] {
    c10::InferenceMode inference;
    *out = new tl_engine{std::make_shared<const Program>(*config, steps, nsteps), {}, {}};
  });
}

int32_t engine_share(const tl_engine *engine, tl_engine **out, tl_error *err) {
  return guard(err, [&] { *out = new tl_engine{engine->program, {}, {}}; });
}

int32_t engine_run(tl_engine *engine, const uint8_t *images, int64_t n, float *logits,
                   tl_error *err) {
  return run(engine, images, n, logits, err);
}

int32_t engine_run_planes(tl_engine *engine, const float *planes, int64_t n, float *logits,
                          tl_error *err) {
  return run(engine, planes, n, logits, err);
}

int32_t engine_shapes(const tl_engine *engine, int64_t *shapes, int64_t n, tl_error *err) {
  return guard(err, [&] {
    const std::vector<Step> &steps = engine->program->steps;
    TORCH_CHECK(n == static_cast<int64_t>(steps.size()), "there are ", steps.size(), " steps, not ", n);
    for (const Step &s : steps) {
      *shapes++ = s.shape.c;
      *shapes++ = s.shape.h;
      *shapes++ = s.shape.w;
    }
  });
}

int32_t engine_chunk(const tl_engine *engine, int64_t *n, tl_error *err) {
  return guard(err, [&] { *n = engine->program->chunk; });
}

int32_t engine_trace(tl_engine *engine, const uint8_t *images, int64_t n, float *results,
                     int64_t length, tl_error *err) {
  return guard(err, [&] {
    c10::InferenceMode inference;
    int64_t want = 0;
    for (const Step &s : engine->program->steps) want += n * s.shape.c * s.shape.h * s.shape.w;
    TORCH_CHECK(length == want, "the results of ", n, " images are ", want, " floats, not ", length);
    std::vector<float> logits(n * engine->program->config.classes);
    run_chunk(*engine, images, n, logits.data(), {results});
  });
}

int32_t engine_precision(int64_t precision, int32_t *runs, int32_t *fast, tl_error *err) {
  return guard(err, [&] {
    switch (precision) {
    case TL_FP32: *runs = *fast = 1; break;
    case TL_BF16: {
      auto supported = find("mkldnn::_is_mkldnn_bf16_supported", "");
      torch::jit::Stack stack;
      if (supported) supported->callBoxed(stack);
      *runs = supported && stack[0].toBool();
      *fast = *runs && (cpu_has("avx512_bf16") || cpu_has("amx_bf16"));
      break;
    }
    case TL_INT8:
      *runs = find("onednn::qconv_prepack", "") && find("onednn::qconv2d_pointwise", "") &&
              find("onednn::qconv2d_pointwise", "binary") && cpu_has("avx2");
      *fast = *runs && (cpu_has("avx512_vnni") || cpu_has("avx_vnni") || cpu_has("amx_int8"));
      break;
    default: TORCH_CHECK(false, "there is no precision ", precision);
    }
  });
}

int32_t engine_close(tl_engine *engine, tl_error *err) {
  return guard(err, [&] { delete engine; });
}

} // namespace torchlit
