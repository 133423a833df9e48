// Kernels of our own, for the two operators that ATen's are slow at.
//
// ATen normalises bytes into float16 one element at a time, by a kernel that works out
// each one's place and converts between types that it learns at run time. And its
// max-pool also writes where each maximum was, eight bytes for every two: of the traffic
// of ResNet18's largest layer that is nearly half. Both wait for memory only, so together
// they would take a tenth of a large batch's time.
//
// There is no CUDA compiler where Torchlit is built, so the source is compiled by NVRTC,
// which comes with libtorch, when a program is opened. It is used only if on the device
// at hand it gives what ATen's operators give; else, and in float32, ATen's run.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

namespace torchlit::cuda {

struct Stage { // what a staging kernel is told
  at::Tensor scale, shift; // [3]
  bool blocks;             // as Stem::blocks; else on all channels of staged
};

// compile_kernels throws unless NVRTC compiles the kernels for such a device. It needs
// none.
void compile_kernels(int64_t major, int64_t minor);

class Kernels {
public:
  // The kernels of a device; on the CPU their source as C++. It throws where they cannot
  // be compiled or loaded.
  explicit Kernels(at::Device);
  ~Kernels();

  // images is [n, height, width, 3], staged [n, c, h, w] channels last.
  void stage(const Stage &, const at::Tensor &images, at::Tensor &staged) const;
  at::Tensor max_pool(const at::Tensor &x, int64_t kernel, int64_t stride, int64_t padding) const;

  // Whether the kernel takes such a tensor: half or bfloat16, channels by the eight.
  static bool pools(const at::Tensor &x);

private:
  struct Module;
  std::unique_ptr<Module> module_; // null on the CPU
};

} // namespace torchlit::cuda
