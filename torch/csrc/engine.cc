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

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>
#include <c10/core/InferenceMode.h>

#include "engine.h"

// tl_engine is what one thread needs to run a program that it may share.
struct tl_engine {
  std::shared_ptr<const torchlit::Program> program;
  at::Tensor staging; // [chunk, 3, H, W] float32, channels last
};

namespace torchlit {
namespace {

// make_room makes the staging tensor hold n images.
void make_room(tl_engine &e, int64_t n) {
  const tl_engine_config &c = e.program->config;
  if (!e.staging.defined() || e.staging.size(0) < n) {
    e.staging = at::empty({n, 3, c.height, c.width}, at::kFloat, std::nullopt, std::nullopt,
                          std::nullopt, at::MemoryFormat::ChannelsLast);
  }
}

// stage writes n images into the staging tensor as normalised floats, and
// returns the part that it wrote. A table of 256 floats a channel gives exactly
// the value that dividing, subtracting and dividing again would.
at::Tensor stage(tl_engine &e, const uint8_t *images, int64_t n) {
  const Program &p = *e.program;
  make_room(e, n);
  float *dst = e.staging.data_ptr<float>();
  const auto &[red, green, blue] = p.normalized;
  const int64_t pixels = n * p.config.height * p.config.width;
  for (int64_t i = 0; i < pixels; i++) {
    dst[3 * i] = red[images[3 * i]];
    dst[3 * i + 1] = green[images[3 * i + 1]];
    dst[3 * i + 2] = blue[images[3 * i + 2]];
  }
  return e.staging.narrow(0, 0, n);
}

// The other stage takes planes, which are normalised already: it changes their
// layout alone.
at::Tensor stage(tl_engine &e, const float *planes, int64_t n) {
  const tl_engine_config &c = e.program->config;
  make_room(e, n);
  at::Tensor staged = e.staging.narrow(0, 0, n);
  staged.copy_(at::from_blob(const_cast<float *>(planes), {n, 3, c.height, c.width}, at::kFloat));
  return staged;
}

template <class Value>
void run_chunk(tl_engine &e, const Value *images, int64_t n, float *logits) {
  const Program &p = *e.program;
  std::vector<at::Tensor> slots(p.config.slots);
  slots[0] = stage(e, images, n);
  for (const Step &s : p.steps) {
    const at::Tensor &x = slots[s.input];
    switch (s.kind) {
    case TL_STEP_CONV: {
      at::Tensor residual = s.residual < 0 ? at::Tensor() : slots[s.residual];
      slots[s.output] = (*s.convolution)(x, residual);
      break;
    }
    case TL_STEP_MAXPOOL: {
      const int64_t kernel[] = {s.kernel, s.kernel}, stride[] = {s.stride, s.stride};
      const int64_t padding[] = {s.padding, s.padding};
      slots[s.output] = at::max_pool2d(x, kernel, stride, padding);
      break;
    }
    case TL_STEP_AVGPOOL: {
      const int64_t kernel[] = {s.kernel, s.kernel}, stride[] = {s.stride, s.stride};
      const int64_t padding[] = {0, 0};
      slots[s.output] = at::avg_pool2d(x, kernel, stride, padding, /*ceil_mode=*/true,
                                       /*count_include_pad=*/false);
      break;
    }
    case TL_STEP_POOL_LINEAR: {
      const int64_t image[] = {2, 3};
      at::from_blob(logits, {n, p.config.classes}, at::kFloat)
          .copy_(at::linear(x.mean(image), s.weight, s.bias));
      break;
    }
    }
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
      run_chunk(*engine, images, part, logits);
      images += part * c.height * c.width * 3;
      logits += part * c.classes;
      n -= part;
    }
  });
}

} // namespace

int32_t engine_open(const tl_engine_config *config, const tl_step *steps, int64_t nsteps,
                    tl_engine **out, tl_error *err) {
  return guard(err, [&] {
    c10::InferenceMode inference;
    *out = new tl_engine{std::make_shared<const Program>(*config, steps, nsteps), {}};
  });
}

int32_t engine_share(const tl_engine *engine, tl_engine **out, tl_error *err) {
  return guard(err, [&] { *out = new tl_engine{engine->program, {}}; });
}

int32_t engine_run(tl_engine *engine, const uint8_t *images, int64_t n, float *logits,
                   tl_error *err) {
  return run(engine, images, n, logits, err);
}

int32_t engine_run_planes(tl_engine *engine, const float *planes, int64_t n, float *logits,
                          tl_error *err) {
  return run(engine, planes, n, logits, err);
}

int32_t engine_close(tl_engine *engine, tl_error *err) {
  return guard(err, [&] { delete engine; });
}

} // namespace torchlit
