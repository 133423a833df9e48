// Random number generators. A handle is the bare GeneratorImpl pointer that an
// intrusive_ptr holds, as tensors have it.
//
// libtorch's operators lock a generator while they draw from it, and expect the
// same of whoever else touches it.
#include <mutex>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include "guard.h"

namespace torchlit {
namespace {

using Handle = c10::intrusive_ptr<c10::GeneratorImpl>;

c10::GeneratorImpl *impl(const tl_generator *g) {
  return reinterpret_cast<c10::GeneratorImpl *>(const_cast<tl_generator *>(g));
}

at::Generator borrow(const tl_generator *g) { return at::Generator(Handle::reclaim_copy(impl(g))); }

at::Generator create(at::Device device) {
  if (device.is_cpu()) return at::make_generator<at::CPUGeneratorImpl>();
  return at::globalContext()
      .getAcceleratorHooksInterface(device.type())
      .getNewGenerator(device.index());
}

} // namespace

int32_t generator_new(int64_t device_type, int64_t device_index, tl_generator **out,
                      tl_error *err) {
  return guard(err, [&] {
    at::Generator g = create({static_cast<at::DeviceType>(device_type),
                              static_cast<at::DeviceIndex>(device_index)});
    *out = reinterpret_cast<tl_generator *>(g.unsafeReleaseGeneratorImpl());
  });
}

int32_t generator_free(tl_generator *g, tl_error *err) {
  return guard(err, [&] { Handle::reclaim(impl(g)); });
}

int32_t generator_set_seed(tl_generator *g, uint64_t seed, tl_error *err) {
  return guard(err, [&] {
    std::lock_guard<std::mutex> lock(impl(g)->mutex_);
    impl(g)->set_current_seed(seed);
  });
}

int32_t generator_seed(tl_generator *g, int32_t fresh, uint64_t *seed, tl_error *err) {
  return guard(err, [&] {
    std::lock_guard<std::mutex> lock(impl(g)->mutex_);
    *seed = fresh ? impl(g)->seed() : impl(g)->current_seed();
  });
}

int32_t generator_state(const tl_generator *g, tl_result *out, int64_t *scope,
                        tl_error *err) {
  *scope = current_scope();
  return guard(err, [&] {
    at::Generator generator = borrow(g);
    std::lock_guard<std::mutex> lock(generator.mutex());
    give(generator.get_state(), out);
  });
}

int32_t generator_set_state(tl_generator *g, const tl_tensor *state, tl_error *err) {
  return guard(err, [&] {
    at::Generator generator = borrow(g);
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(torchlit::borrow(state));
  });
}

} // namespace torchlit
