// The C interface of the second native library, which runs an engine's program on
// NVIDIA GPUs. The rules of torchlit.h hold here too: no exception crosses, every
// function but the getter fills an error, and nothing keeps a caller's pointer.
//
// The library is linked against libtorch_cuda and opened only where that is. Tensors
// in tl_step come from the first library: both use the same libtorch.
#ifndef TORCHLIT_CUDA_H
#define TORCHLIT_CUDA_H

#include "../torchlit.h"

#ifdef __cplusplus
extern "C" {
#endif

// TL_CUDA_ABI changes with anything below; see TL_ABI, which is checked as well.
#define TL_CUDA_ABI 2

typedef struct tl_cuda tl_cuda;           // a program on one device; see device.h
typedef struct tl_cuda_lane tl_cuda_lane; // what one thread runs it with; see lane.h

// What a function returns beside 0 for success and 1 for an error of the ordinary kind.
enum {
  TL_CUDA_LOST = 2,   // the device, or this process's use of it, is beyond repair
  TL_CUDA_MEMORY = 3, // the device's memory does not suffice
};

// How the first convolution, which reads the three channels of the images, is computed.
enum {
  TL_CUDA_STEM_MEASURED = 0, // as was fastest when the program was opened
  TL_CUDA_STEM_PLAIN = 1,    // on three channels
  TL_CUDA_STEM_PADDED = 2,   // on eight, five of them zero
  TL_CUDA_STEM_BLOCKS = 3,   // on 2x2 pixels, as a convolution of 4x4 in place of 7x7
};

typedef struct tl_cuda_options {
  int64_t device;          // its index; -1 runs on the CPU, for tests
  int64_t dtype;           // c10::ScalarType of activations: float, half or bfloat16
  int64_t max_batch;       // of every lane
  int64_t stem;            // TL_CUDA_STEM_MEASURED ...
  double temperature;      // of the softmax
  double benchmark_seconds; // that cuDNN may spend on trying its algorithms
} tl_cuda_options;

typedef struct tl_cuda_info {
  int64_t stem;     // that was chosen
  int64_t buckets;  // batch sizes that have a graph, of the newest lane
  int64_t measured; // of these, how many run algorithms that cuDNN has tried
  int64_t kernels;  // 1: kernels.cc is used for what it is there for
} tl_cuda_info;

typedef struct tl_cuda_api {
  int64_t abi;

  // open keeps copies of the weights on the device. close frees them with the last
  // lane; it never fails.
  int32_t (*open)(const tl_engine_config *, const tl_cuda_options *, const tl_step *,
                  int64_t nsteps, tl_cuda **, tl_error *);
  int32_t (*info)(const tl_cuda *, tl_cuda_info *, tl_error *);
  void (*close)(tl_cuda *);

  // A lane is used by one thread at a time. Its staging memory is page-locked and
  // holds max_batch images, [height, width, 3] bytes each.
  int32_t (*lane_new)(tl_cuda *, tl_cuda_lane **, uint8_t **staging, tl_error *);
  // lane_send begins to copy images [from, from + n) of the staging memory to the
  // device; they must not change before the next lane_run or lane_planes is over.
  int32_t (*lane_send)(tl_cuda_lane *, int64_t from, int64_t n, tl_error *);
  // lane_run classifies the first n images, all of which have been sent, and waits.
  // The answers, [n, classes], are probabilities, or logits when logits is nonzero.
  int32_t (*lane_run)(tl_cuda_lane *, int64_t n, int32_t logits, float *answers, tl_error *);
  // The same for [n, 3, height, width] floats that are normalised already.
  int32_t (*lane_planes)(tl_cuda_lane *, const float *planes, int64_t n, int32_t logits,
                         float *answers, tl_error *);
  void (*lane_close)(tl_cuda_lane *);

  // kernels.cc: whether the kernels can be compiled for a compute capability, which
  // needs no such device.
  int32_t (*compile)(int64_t major, int64_t minor, tl_error *);
} tl_cuda_api;

// tl_cuda_get_api returns the table, or NULL when the library was built from other
// headers.
__attribute__((visibility("default"))) const tl_cuda_api *tl_cuda_get_api(int64_t abi,
                                                                          int64_t torchlit_abi);

#ifdef __cplusplus
}
#endif
#endif
