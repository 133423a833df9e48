#include "kernels.h"

#include <dlfcn.h>

#include <vector>

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <cuda.h>
#include <nvrtc.h>

namespace torchlit::cuda {
namespace {

// What the kernels' source stands on, on a device. PTX's own instructions, as the
// headers for float16 need not be where this runs.
constexpr const char *prelude = R"(
#define KERNEL extern "C" __global__
struct __align__(16) Eight { unsigned int pair[4]; };
__device__ long thread() { return (long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ unsigned short narrow(float f, int bf16) {
  unsigned short r;
  if (bf16) asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(f));
  else asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(f));
  return r;
}
__device__ void put(Eight *e, int i, unsigned short value) {
  e->pair[i / 2] |= (unsigned int)value << i % 2 * 16;
}
__device__ void larger(Eight *a, const Eight *b, int bf16) {
  for (int i = 0; i < 4; i++) {
    if (bf16) asm("max.NaN.bf16x2 %0, %0, %1;" : "+r"(a->pair[i]) : "r"(b->pair[i]));
    else asm("max.NaN.f16x2 %0, %0, %1;" : "+r"(a->pair[i]) : "r"(b->pair[i]));
  }
}
)";

#define KERNELS(...) #__VA_ARGS__
constexpr const char *source =
#include "kernels.inc"
    ;
#undef KERNELS

// The same on the CPU, where a kernel's threads run one after the other.
namespace host {

struct alignas(16) Eight {
  uint16_t value[8];
};
thread_local long current;
long thread() { return current; }

float widen(uint16_t bits, int bf16) {
  if (bf16) return c10::BFloat16(bits, c10::BFloat16::from_bits());
  return c10::Half(bits, c10::Half::from_bits());
}

uint16_t narrow(float f, int bf16) { return bf16 ? c10::BFloat16(f).x : c10::Half(f).x; }

// put writes where nothing was.
void put(Eight *e, int i, uint16_t value) { e->value[i] = value; }

void larger(Eight *a, const Eight *b, int bf16) {
  for (int i = 0; i < 8; i++)
    if (widen(b->value[i], bf16) > widen(a->value[i], bf16)) a->value[i] = b->value[i];
}

#define KERNEL
#define KERNELS(...) __VA_ARGS__
#include "kernels.inc"
#undef KERNELS
#undef KERNEL

template <class... Parameters, class... Arguments>
void run(void (*kernel)(Parameters...), long count, Arguments... arguments) {
  for (current = 0; current < count; current++) kernel(static_cast<Parameters>(arguments)...);
}

} // namespace host

int bf16(const at::Tensor &t) { return t.scalar_type() == at::kBFloat16; }

template <class F> F find(void *library, const char *name) {
  void *f = dlsym(library, name);
  TORCH_CHECK(f, "cannot find ", name, " in NVIDIA's libraries");
  return reinterpret_cast<F>(f);
}

void *open(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) TORCH_CHECK(false, dlerror());
  return library;
}

#define TL_FIND(library, name) decltype(&::name) name = find<decltype(&::name)>(library, #name)

struct Compiler {
  void *library = open();
  TL_FIND(library, nvrtcCreateProgram);
  TL_FIND(library, nvrtcCompileProgram);
  TL_FIND(library, nvrtcDestroyProgram);
  TL_FIND(library, nvrtcGetProgramLogSize);
  TL_FIND(library, nvrtcGetProgramLog);
  TL_FIND(library, nvrtcGetCUBINSize);
  TL_FIND(library, nvrtcGetCUBIN);
  TL_FIND(library, nvrtcVersion);

  // NVRTC opens a library of its own by its bare name, which the loader knows once it
  // was opened from beside NVRTC.
  Compiler() {
    Dl_info where;
    int major = 0, minor = 0;
    if (!dladdr(reinterpret_cast<void *>(nvrtcCompileProgram), &where) ||
        nvrtcVersion(&major, &minor) != NVRTC_SUCCESS)
      return;
    const std::string path = where.dli_fname;
    const std::string name = path.substr(0, path.rfind('/') + 1) + "libnvrtc-builtins.so." +
                             std::to_string(major) + "." + std::to_string(minor);
    dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  }

  // NVRTC lies where libtorch's stub of it finds it, which also asks for the driver; on
  // a machine without one it is found beside libtorch alone.
  static void *open() {
    if (void *stub = dlopen("libcaffe2_nvrtc.so", RTLD_NOW | RTLD_LOCAL)) return stub;
    return torchlit::cuda::open("libnvrtc.so.13");
  }
};

struct Driver {
  void *library = open("libcuda.so.1");
  TL_FIND(library, cuModuleLoadData);
  TL_FIND(library, cuModuleUnload);
  TL_FIND(library, cuModuleGetFunction);
  TL_FIND(library, cuLaunchKernel);
};

#undef TL_FIND

// compile makes machine code for one architecture. It needs no GPU.
std::vector<char> compile(int64_t major, int64_t minor) {
  static const Compiler c;
  const std::string text = std::string(prelude) + source;
  const std::string architecture =
      "--gpu-architecture=sm_" + std::to_string(major) + std::to_string(minor);
  nvrtcProgram program;
  TORCH_CHECK(c.nvrtcCreateProgram(&program, text.c_str(), "kernels.inc", 0, nullptr, nullptr) ==
                  NVRTC_SUCCESS,
              "cannot create a program of NVRTC");
  const char *options[] = {architecture.c_str(), "--std=c++17"};
  const nvrtcResult compiled = c.nvrtcCompileProgram(program, 2, options);
  size_t size = 0;
  std::vector<char> code;
  std::string log;
  if (compiled == NVRTC_SUCCESS && c.nvrtcGetCUBINSize(program, &size) == NVRTC_SUCCESS) {
    code.resize(size);
    c.nvrtcGetCUBIN(program, code.data());
  } else if (c.nvrtcGetProgramLogSize(program, &size) == NVRTC_SUCCESS) {
    log.resize(size);
    c.nvrtcGetProgramLog(program, log.data());
  }
  c.nvrtcDestroyProgram(&program);
  TORCH_CHECK(!code.empty(), "cannot compile the kernels for ", architecture, ": ", log);
  return code;
}

} // namespace

struct Kernels::Module {
  at::Device device;
  CUmodule module = nullptr;
  CUfunction stage_blocks, stage_pixels, max_pool;

  explicit Module(at::Device d) : device(d) {
    c10::cuda::CUDAGuard current(device);
    int major = 0, minor = 0;
    C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, d.index()));
    C10_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, d.index()));
    TORCH_CHECK(major >= 8, "float16 and bfloat16 as the kernels use them came with sm_80");
    const std::vector<char> code = compile(major, minor);
    C10_CUDA_CHECK(cudaFree(nullptr)); // makes the device's context
    check(driver().cuModuleLoadData(&module, code.data()), "cuModuleLoadData");
    check(driver().cuModuleGetFunction(&stage_blocks, module, "stage_blocks"), "stage_blocks");
    check(driver().cuModuleGetFunction(&stage_pixels, module, "stage_pixels"), "stage_pixels");
    check(driver().cuModuleGetFunction(&max_pool, module, "max_pool"), "max_pool");
  }

  static const Driver &driver() {
    static const Driver d;
    return d;
  }

  ~Module() {
    if (module) driver().cuModuleUnload(module);
  }

  static void check(CUresult r, const char *what) {
    TORCH_CHECK(r == CUDA_SUCCESS, what, " failed with error ", static_cast<int>(r), " of the driver");
  }

  // launch runs count threads on the current stream. The arguments are those of the
  // kernel's signature, in their very types.
  template <class... Arguments>
  void launch(CUfunction f, long count, Arguments... arguments) const {
    constexpr long threads = 256;
    // The driver wants the device's context on the calling thread, which libtorch need
    // not have put there.
    C10_CUDA_CHECK(cudaSetDevice(device.index()));
    void *pointers[] = {&arguments...};
    check(driver().cuLaunchKernel(f, static_cast<unsigned>((count + threads - 1) / threads), 1, 1,
                                   threads, 1, 1, 0,
                                   c10::cuda::getCurrentCUDAStream(device.index()).stream(), pointers,
                                   nullptr),
          "cuLaunchKernel");
  }
};

void compile_kernels(int64_t major, int64_t minor) { compile(major, minor); }

Kernels::Kernels(at::Device device) {
  if (device.is_cuda()) module_ = std::make_unique<Module>(device);
}

Kernels::~Kernels() = default;

void Kernels::stage(const Stage &s, const at::Tensor &images, at::Tensor &staged) const {
  const auto *from = images.const_data_ptr<uint8_t>();
  auto *to = static_cast<unsigned short *>(staged.data_ptr());
  const auto *scale = s.scale.const_data_ptr<float>(), *shift = s.shift.const_data_ptr<float>();
  const int height = static_cast<int>(images.size(1)), width = static_cast<int>(images.size(2));
  const long pixels = images.numel() / 3;
  const int channels = static_cast<int>(staged.size(1)), b = bf16(staged);
  if (s.blocks) {
    const long count = pixels / 4;
    if (module_) module_->launch(module_->stage_blocks, count, from, to, scale, shift, height, width, count, b);
    else host::run(host::stage_blocks, count, from, to, scale, shift, height, width, count, b);
    return;
  }
  if (module_) module_->launch(module_->stage_pixels, pixels, from, to, scale, shift, channels, pixels, b);
  else host::run(host::stage_pixels, pixels, from, to, scale, shift, channels, pixels, b);
}

bool Kernels::pools(const at::Tensor &x) {
  return (x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16) && x.size(1) % 8 == 0 &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor Kernels::max_pool(const at::Tensor &x, int64_t kernel, int64_t stride, int64_t padding) const {
  auto out = [&](int64_t n) { return (n + 2 * padding - kernel) / stride + 1; };
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3), oh = out(h), ow = out(w);
  at::Tensor y = at::empty({n, oh, ow, c}, x.options()).permute({0, 3, 1, 2});
  const long count = n * oh * ow * (c / 8);
  auto run = [&](auto &&go, auto *from, auto *to) {
    go(count, from, to, int(h), int(w), int(c / 8), int(oh), int(ow), int(kernel), int(stride),
       int(padding), count, bf16(x));
  };
  using host::Eight;
  const auto *from = static_cast<const Eight *>(x.const_data_ptr());
  auto *to = static_cast<Eight *>(y.data_ptr());
  if (module_) {
    run([&](auto... a) { module_->launch(module_->max_pool, a...); }, from, to);
  } else {
    run([&](auto... a) { host::run(host::max_pool, a...); }, from, to);
  }
  return y;
}

} // namespace torchlit::cuda
