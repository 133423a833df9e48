// Devices other than the CPU: how many, their streams, their memory.
//
// Nothing here names CUDA's own functions or needs its headers: libtorch reaches
// every kind of device through tables that the device's library fills in when it
// is loaded. One build of this file so serves with and without CUDA.
#include <dlfcn.h>

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "guard.h"

namespace torchlit {

// Why CUDA could not be loaded; nullptr when it was, or nobody tried.
static const char *cuda_missing = nullptr;

// load_accelerators loads the device libraries that lie beside libtorch. They are
// not linked, as a libtorch without CUDA has none. It runs once, from tl_get_api.
void load_accelerators() {
  static const std::string why = []() -> std::string {
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_LOCAL)) return "";
    const char *text = dlerror();
    return text ? text : "no reason given";
  }();
  if (!why.empty()) cuda_missing = why.c_str();
}

namespace {

using c10::impl::VirtualGuardImpl;

const at::AcceleratorHooksInterface &hooks(at::DeviceType type) {
  return at::globalContext().getAcceleratorHooksInterface(type);
}

// accelerator checks that there is such a device, and wakes its type up.
at::Device accelerator(int64_t device_type, int64_t device_index) {
  auto type = static_cast<at::DeviceType>(device_type);
  TORCH_CHECK(type != at::kCPU, "the CPU has no streams, and no peaks to reset; use a CUDA device");
  const int64_t n = hooks(type).deviceCount();
  TORCH_CHECK(n > 0, "there is no ", at::DeviceTypeName(type, true), " device: ",
              cuda_missing ? cuda_missing : "the machine has none, or no driver for it");
  TORCH_CHECK(device_index >= -1 && device_index < n, "there is no ",
              at::DeviceTypeName(type, true), " device ", device_index, "; there are ", n);
  at::globalContext().lazyInitDevice(type);
  return at::Device(type, static_cast<at::DeviceIndex>(device_index));
}

// numbered replaces the index -1 by that of the current device.
at::Device numbered(at::Device d) {
  return d.has_index() ? d : VirtualGuardImpl(d.type()).getDevice();
}

tl_stream pack(const c10::Stream &s) {
  return {s.id(), static_cast<int64_t>(s.device_type()), s.device_index()};
}

c10::Stream unpack(const tl_stream *s) {
  return c10::Stream(c10::Stream::UNSAFE, accelerator(s->device_type, s->device_index), s->id);
}

c10::DeviceAllocator *allocator(at::Device d) { return c10::getDeviceAllocator(d.type()); }

// name_nvidia asks NVIDIA's driver, whose functions have had the same C signatures
// since CUDA 3. It is loaded already, and counts devices as libtorch does.
void name_nvidia(at::Device d, tl_device_info *out) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) return;
  auto name = reinterpret_cast<int (*)(char *, int, int)>(dlsym(driver, "cuDeviceGetName"));
  auto attribute =
      reinterpret_cast<int (*)(int *, int, int)>(dlsym(driver, "cuDeviceGetAttribute"));
  auto ask = [&](int which) -> int64_t {
    int value = 0;
    return attribute && attribute(&value, which, d.index()) == 0 ? value : 0;
  };
  if (name) name(out->name, sizeof out->name, d.index());
  out->processors = ask(16);
  out->major = ask(75);
  out->minor = ask(76);
}

} // namespace

int32_t device_count(int64_t device_type, int64_t *n, tl_error *err) {
  return guard(err, [&] { *n = hooks(static_cast<at::DeviceType>(device_type)).deviceCount(); });
}

int32_t has_cudnn(int32_t *has, tl_error *err) {
  return guard(err, [&] { *has = at::Context::hasCuDNN(); });
}

int32_t device_info(int64_t device_type, int64_t device_index, tl_device_info *out,
                    tl_error *err) {
  return guard(err, [&] {
    at::Device d = numbered(accelerator(device_type, device_index));
    *out = {};
    out->memory = static_cast<int64_t>(allocator(d)->getMemoryInfo(d.index()).second);
    if (d.is_cuda()) name_nvidia(d, out);
  });
}

int32_t stream_current(int64_t device_type, int64_t device_index, tl_stream *out,
                       tl_error *err) {
  return guard(err, [&] {
    at::Device d = accelerator(device_type, device_index);
    *out = pack(VirtualGuardImpl(d.type()).getStream(d));
  });
}

int32_t stream_new(int64_t device_type, int64_t device_index, tl_stream *out, tl_error *err) {
  return guard(err, [&] {
    at::Device d = accelerator(device_type, device_index);
    *out = pack(VirtualGuardImpl(d.type()).getStreamFromGlobalPool(d));
  });
}

int32_t stream_mode(const tl_stream *s, tl_stream *before, tl_error *err) {
  return guard(err, [&] {
    c10::Stream stream = unpack(s);
    *before = pack(VirtualGuardImpl(stream.device_type()).exchangeStream(stream));
  });
}

int32_t stream_query(const tl_stream *s, int32_t *done, tl_error *err) {
  return guard(err, [&] { *done = unpack(s).query(); });
}

int32_t stream_synchronize(const tl_stream *s, tl_error *err) {
  return guard(err, [&] { unpack(s).synchronize(); });
}

int32_t device_synchronize(int64_t device_type, int64_t device_index, tl_error *err) {
  return guard(err, [&] {
    at::Device d = numbered(accelerator(device_type, device_index));
    VirtualGuardImpl(d.type()).synchronizeDevice(d.index());
  });
}

int32_t memory_stats(int64_t device_type, int64_t device_index, tl_memory *out,
                     tl_error *err) {
  return guard(err, [&] {
    if (device_type == static_cast<int64_t>(at::kCPU)) {
      *out = allocator_stats();
      return;
    }
    at::Device d = numbered(accelerator(device_type, device_index));
    auto stats = allocator(d)->getDeviceStats(d.index());
    constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *out = {stats.allocated_bytes[all].current, stats.allocated_bytes[all].peak,
            stats.reserved_bytes[all].current,  stats.reserved_bytes[all].peak,
            stats.allocation[all].current,      stats.num_alloc_retries,
            stats.num_ooms};
  });
}

int32_t memory_reset_peaks(int64_t device_type, int64_t device_index, tl_error *err) {
  return guard(err, [&] {
    at::Device d = numbered(accelerator(device_type, device_index));
    allocator(d)->resetPeakStats(d.index());
  });
}

int32_t memory_empty_cache(int64_t device_type, tl_error *err) {
  return guard(err, [&] {
    if (device_type == static_cast<int64_t>(at::kCPU)) allocator_trim();
    else allocator(accelerator(device_type, -1))->emptyCache();
  });
}

} // namespace torchlit
