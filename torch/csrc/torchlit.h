// The whole boundary between Torchlit's Go and libtorch's C++, in plain C.
//
// Rules that every function here keeps:
//
//  1. It returns 0, or a nonzero status with the reason written into the
//     tl_error that the caller passed in. There is no "last error" to ask for
//     afterwards: a goroutine may continue on another thread between two calls,
//     and would read someone else's.
//  2. No C++ exception leaves it.
//  3. It keeps no pointer to the caller's memory after it has returned.
//  4. Thread-local state of libtorch (grad mode, autocast, streams) is changed only by
//     the functions named *_mode, whose caller holds its thread until it has
//     restored what they returned.
//
// A tl_tensor is one reference to a libtorch tensor. Whoever got it frees it,
// once, with tensor_free.
#ifndef TORCHLIT_H
#define TORCHLIT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// TL_ABI changes whenever tl_api or a struct below does, so that a stale native
// library is refused with a sentence and not with a crash. headerABI in
// torch/internal/libtorch changes with it.
#define TL_ABI 8
#define TL_MAX_DIMS 16

typedef struct tl_tensor tl_tensor; // a c10::TensorImpl with one reference
typedef struct tl_op tl_op;         // a registered operator; lives for ever
typedef struct tl_engine tl_engine; // see engine.cc
typedef struct tl_generator tl_generator; // a c10::GeneratorImpl with one reference
typedef struct tl_module tl_module; // see jit.cc
typedef struct tl_mailbox tl_mailbox; // see mailbox.h
typedef struct tl_buckets tl_buckets; // see buckets.cc
typedef struct tl_nccl tl_nccl;     // a communicator of NCCL; see nccl.cc

typedef struct tl_error {
  char text[2048]; // NUL-terminated, cut when longer
} tl_error;

// What a tl_value holds. A list of n items is one value of a list kind with
// bits = n, followed by its n items as values of their own; a string of n bytes
// is one TL_STRING with bits = n, followed by its bytes, eight to a value's
// bits. So all arguments of a call lie in one flat array without a pointer into
// the caller's memory.
enum {
  TL_NONE = 0,
  TL_TENSOR = 1, // bits: tl_tensor *
  TL_INT = 2,
  TL_DOUBLE = 3, // bits: the double's own
  TL_BOOL = 4,
  TL_DEVICE = 5, // bits: type << 8 | index & 0xff, index 255 for "current"
  TL_STRING = 6,
  TL_INTS = 7,
  TL_DOUBLES = 8,
  TL_BOOLS = 9,
  TL_TENSORS = 10,
  TL_OPTIONAL_TENSORS = 11, // items TL_TENSOR or TL_NONE
  TL_SCALARS = 12,          // Scalar?[]; items TL_INT, TL_DOUBLE or TL_NONE
  TL_GENERATOR = 13,        // bits: tl_generator *

  // Only in arguments and results of TorchScript. A dictionary of n entries is
  // followed by n keys, each with its value behind it.
  TL_LIST = 14,    // items of any kind
  TL_TUPLE = 15,   // items of any kind
  TL_DICT = 16,
  TL_STRINGS = 17, // items TL_STRING
};

typedef struct tl_value {
  int64_t kind;
  int64_t bits;
} tl_value;

// A result of an operator. Tensors carry their size in bytes, for the caller's
// accounting. A list of tensors takes one result each.
typedef struct tl_result {
  int64_t kind; // TL_NONE, TL_TENSOR, TL_INT, TL_DOUBLE or TL_BOOL
  int64_t bits;
  int64_t bytes;
} tl_result;

// One of a device's streams: three numbers, which stay valid as long as the
// process.
typedef struct tl_stream {
  int64_t id;
  int64_t device_type;
  int64_t device_index;
} tl_stream;

typedef struct tl_memory {
  int64_t allocated, allocated_peak; // bytes in use by tensors
  int64_t reserved, reserved_peak;   // bytes held from the device
  int64_t allocations;               // that are live
  int64_t retries;                   // allocations that first emptied the cache
  int64_t failures;                  // allocations that failed
} tl_memory;

typedef struct tl_device_info {
  int64_t memory;     // bytes
  int64_t processors; // multiprocessors
  int64_t major, minor;
  char name[256];
} tl_device_info;

typedef struct tl_info {
  int64_t dtype; // c10::ScalarType
  int64_t device_type;
  int64_t device_index;
  int64_t numel;
  int64_t bytes;
  int64_t requires_grad;
  int64_t is_leaf;
  int64_t dims;
  int64_t sizes[TL_MAX_DIMS];
  int64_t strides[TL_MAX_DIMS];
} tl_info;

// What module_list lists.
enum {
  TL_MODULE_METHODS = 0,
  TL_MODULE_PARAMETERS = 1,
  TL_MODULE_BUFFERS = 2,
};

// What set_switch turns on and off, for the whole process.
enum {
  TL_DETERMINISTIC = 0,   // operators that give the same bits each time, or an error
  TL_CUDNN_BENCHMARK = 1, // try cuDNN's algorithms for each new shape, keep the fastest
  TL_TF32 = 2,            // CUDA: multiply float32 with 10 bits behind the point
  TL_ANOMALY = 3,         // backward passes check for NaN
};

// One step of an engine's program: see engine.cc for what each means.
enum {
  TL_STEP_CONV = 0,
  TL_STEP_MAXPOOL = 1,
  TL_STEP_POOL_LINEAR = 2,
  TL_STEP_AVGPOOL = 3,
};

typedef struct tl_step {
  int64_t kind;
  int64_t input;    // slot read
  int64_t residual; // slot added before the activation and overwritten; -1 none
  int64_t output;   // slot written
  int64_t kernel, stride, padding, groups;
  int64_t relu;      // 1: rectify the result
  tl_tensor *weight; // conv [out,in/groups,k,k], linear [out,in]; float32
  tl_tensor *bias;   // [out], float32
  // TL_INT8 alone: the result is kept as bytes, value = scale * (byte - zero).
  // A scale of 0 keeps it in floating point.
  double scale;
  int64_t zero;
} tl_step;

// What activations and weights are computed in.
enum {
  TL_FP32 = 0,
  TL_BF16 = 1,
  TL_INT8 = 2, // where a step gives a scale; elsewhere bf16 if the CPU has it, or fp32
};

typedef struct tl_engine_config {
  int64_t height, width;    // of the images it takes
  int64_t classes;          // length of one image's logits
  int64_t slots;            // activations alive at once; slot 0 holds the images
  int64_t plain;            // 1: use no fused operator (the yardstick of tests)
  int64_t precision;        // TL_FP32 ...
  double scale;             // of the images, as of a step's result
  int64_t zero;
  float mean[3], std[3];    // of pixels scaled to 0..1, per channel R, G, B
} tl_engine_config;

typedef struct tl_api {
  int64_t abi;

  // info.cc
  const char *(*libtorch_version)(void);
  const char *(*cpu_capability)(void);
  int32_t (*set_num_threads)(int64_t n, tl_error *);
  int32_t (*num_threads)(int64_t *n, tl_error *);
  int32_t (*manual_seed)(uint64_t seed, tl_error *);
  int32_t (*set_switch)(int64_t which, int32_t on, tl_error *); // TL_DETERMINISTIC …

  // tensor.cc
  int32_t (*tensor_free)(const tl_value *tensors, int64_t n, tl_error *);
  int32_t (*tensor_info)(const tl_tensor *, tl_info *, tl_error *);
  int32_t (*tensor_from_data)(const void *data, int64_t bytes, int64_t dtype,
                              const int64_t *sizes, int64_t dims, tl_result *,
                              int64_t *scope, tl_error *);
  int32_t (*tensor_read)(const tl_tensor *, void *dst, int64_t bytes, tl_error *);
  int32_t (*tensor_write)(tl_tensor *, const void *src, int64_t bytes, tl_error *);
  int32_t (*tensor_print)(const tl_tensor *, char *dst, int64_t cap, int64_t *len,
                          tl_error *);
  // tensor_memory tells where the elements of a CPU tensor without gaps lie, as long
  // as the tensor does.
  int32_t (*tensor_memory)(tl_tensor *, void **data, int64_t *bytes, tl_error *);

  // op.cc
  int32_t (*op_find)(const char *name, const char *overload, tl_op **, tl_error *);
  int32_t (*op_call)(const tl_op *, const tl_value *args, int64_t nargs,
                     tl_result *results, int64_t cap, int64_t *nresults,
                     int64_t *scope, tl_error *);

  // autograd.cc
  int32_t (*backward)(const tl_tensor *root, const tl_tensor *gradient,
                      int32_t retain_graph, int32_t create_graph, tl_error *);
  int32_t (*grad)(const tl_tensor *, tl_result *, int64_t *scope, tl_error *);
  int32_t (*set_grad)(tl_tensor *, const tl_tensor *gradient, tl_error *);
  int32_t (*clear_grads)(const tl_value *tensors, int64_t n, tl_error *);
  int32_t (*set_requires_grad)(tl_tensor *, int32_t on, tl_error *);
  int32_t (*set_data)(tl_tensor *, const tl_tensor *data, tl_error *);
  int32_t (*grad_mode)(int32_t on, int32_t *before, tl_error *);
  int32_t (*autocast_mode)(int64_t device_type, int32_t on, int64_t dtype,
                           int32_t *before, int64_t *dtype_before, tl_error *);
  int32_t (*scope_mode)(int64_t scope, int64_t *before, tl_error *);

  // grad_of gives the gradient of each input, TL_NONE for an unused one.
  // gradients has one value for each output, TL_NONE for that of a scalar.
  int32_t (*grad_of)(const tl_value *outputs, const tl_value *gradients,
                     int64_t noutputs, const tl_value *inputs, int64_t ninputs,
                     int32_t retain_graph, int32_t create_graph,
                     int32_t allow_unused, tl_result *results, int64_t *scope,
                     tl_error *);
  // grad_fn writes the name of the operator that made the tensor, such as
  // "AddBackward0"; an empty one for a leaf. len is its whole length.
  int32_t (*grad_fn)(const tl_tensor *, char *dst, int64_t cap, int64_t *len,
                     tl_error *);

  // generator.cc. Each call locks the generator. Whoever got one frees it once.
  int32_t (*generator_new)(int64_t device_type, int64_t device_index,
                           tl_generator **, tl_error *);
  int32_t (*generator_free)(tl_generator *, tl_error *);
  int32_t (*generator_set_seed)(tl_generator *, uint64_t seed, tl_error *);
  // generator_seed takes a fresh seed from the system when fresh is nonzero, and
  // tells the one in use.
  int32_t (*generator_seed)(tl_generator *, int32_t fresh, uint64_t *seed, tl_error *);
  int32_t (*generator_state)(const tl_generator *, tl_result *, int64_t *scope,
                             tl_error *);
  int32_t (*generator_set_state)(tl_generator *, const tl_tensor *, tl_error *);

  // device.cc. An index of -1 is the current device of its type. Errors say why
  // there is no such device.
  int32_t (*device_count)(int64_t device_type, int64_t *n, tl_error *);
  int32_t (*has_cudnn)(int32_t *, tl_error *);
  int32_t (*device_info)(int64_t device_type, int64_t device_index, tl_device_info *,
                         tl_error *);
  int32_t (*stream_current)(int64_t device_type, int64_t device_index, tl_stream *,
                            tl_error *);
  int32_t (*stream_new)(int64_t device_type, int64_t device_index, tl_stream *,
                        tl_error *);
  // stream_mode makes the stream its device's current one for the calling thread.
  int32_t (*stream_mode)(const tl_stream *, tl_stream *before, tl_error *);
  int32_t (*stream_query)(const tl_stream *, int32_t *done, tl_error *);
  int32_t (*stream_synchronize)(const tl_stream *, tl_error *);
  int32_t (*device_synchronize)(int64_t device_type, int64_t device_index, tl_error *);
  int32_t (*memory_stats)(int64_t device_type, int64_t device_index, tl_memory *,
                          tl_error *);
  int32_t (*memory_reset_peaks)(int64_t device_type, int64_t device_index, tl_error *);
  int32_t (*memory_empty_cache)(int64_t device_type, tl_error *);

  // jit.cc. A module may be called by several threads at once, as far as its own
  // code allows. Results are one flat array of the kinds above; the array is
  // freed with results_free, the tensors in it are the caller's. The bytes of a
  // TL_DICT are 1 when it is declared to be from strings to tensors.
  int32_t (*module_load)(const char *path, int64_t device_type, int64_t device_index,
                         tl_module **, tl_error *); // device_type -1: where saved
  int32_t (*module_free)(tl_module *, tl_error *);
  int32_t (*module_save)(const tl_module *, const char *path, tl_error *);
  int32_t (*module_to)(tl_module *, int64_t device_type, int64_t device_index,
                       tl_error *);
  int32_t (*module_train)(tl_module *, int32_t on, tl_error *);
  int32_t (*module_call)(tl_module *, const char *method, const tl_value *args,
                         int64_t nargs, tl_result **results, int64_t *nresults,
                         int64_t *scope, tl_error *);
  // module_list gives a dictionary: of methods' names and schemas, or of the
  // names and tensors of parameters or buffers.
  int32_t (*module_list)(const tl_module *, int64_t what, tl_result **results,
                         int64_t *nresults, int64_t *scope, tl_error *);
  void (*results_free)(tl_result *);

  // engine.cc. An engine is run by one thread at a time; engine_share makes
  // another for another thread, with the same weights. The images are
  // [n, height, width, 3] bytes, the logits [n, classes].
  int32_t (*engine_open)(const tl_engine_config *, const tl_step *, int64_t nsteps,
                         tl_engine **, tl_error *);
  int32_t (*engine_share)(const tl_engine *, tl_engine **, tl_error *);
  int32_t (*engine_run)(tl_engine *, const uint8_t *images, int64_t n,
                        float *logits, tl_error *);
  // The same for [n, 3, height, width] floats that are normalised already.
  int32_t (*engine_run_planes)(tl_engine *, const float *planes, int64_t n,
                               float *logits, tl_error *);
  // engine_shapes writes channels, height and width of each step's result on one
  // image; of the linear layer classes, 1, 1. engine_trace is engine_run that writes
  // every step's result as floats, one step behind the other, each
  // [n, height, width, channels].
  int32_t (*engine_shapes)(const tl_engine *, int64_t *shapes, int64_t n, tl_error *);

  // engine_chunk writes how many images are computed at once: a larger batch runs in
  // several pieces, and is no faster for each image.
  int32_t (*engine_chunk)(const tl_engine *, int64_t *n, tl_error *);
  int32_t (*engine_trace)(tl_engine *, const uint8_t *images, int64_t n, float *results,
                          int64_t length, tl_error *);
  // Whether this library and CPU can run a precision, and run it well.
  int32_t (*engine_precision)(int64_t precision, int32_t *runs, int32_t *fast, tl_error *);
  int32_t (*engine_close)(tl_engine *, tl_error *);

  // engine_resize.cc: 8-bit RGB, row-major; bilinear unless bicubic is nonzero. The
  // extents are the part of src, from its upper left corner, that becomes dst.
  int32_t (*image_resize)(const uint8_t *src, int64_t height, int64_t width,
                          double extent_height, double extent_width, uint8_t *dst, int64_t dst_height, int64_t dst_width,
                          int32_t bicubic, tl_error *);

  // mailbox.cc. mailbox_take waits for the next letter and gives the tensor in it;
  // the number is -1, without a tensor, once the mailbox is closed. Each letter is
  // answered by its number, with an empty error when it was done. mailbox_free
  // REQUIRES that nobody waits in mailbox_take.
  int32_t (*mailbox_new)(tl_mailbox **, tl_error *);
  int32_t (*mailbox_take)(tl_mailbox *, int64_t *letter, tl_result *tensor, tl_error *);
  int32_t (*mailbox_answer)(tl_mailbox *, int64_t letter, const char *error, tl_error *);
  int32_t (*mailbox_close)(tl_mailbox *, tl_error *);
  int32_t (*mailbox_free)(tl_mailbox *, tl_error *);

  // buckets.cc. bucket_of has the number of each parameter's bucket. scale multiplies
  // each gradient. buckets_wait ends a step; buckets_sync tells whether the passes to
  // come belong to one that ends.
  int32_t (*buckets_new)(const tl_value *params, const int64_t *bucket_of, int64_t n,
                         int64_t nbuckets, double scale, tl_mailbox *, tl_buckets **,
                         tl_error *);
  int32_t (*buckets_sync)(tl_buckets *, int32_t on, tl_error *);
  int32_t (*buckets_wait)(tl_buckets *, tl_error *);
  int32_t (*buckets_free)(tl_buckets *, tl_error *);

  // syncnorm.cc. The table goes from one to the other, added up over the ranks.
  int32_t (*syncnorm_local)(const tl_tensor *input, int64_t rank, int64_t ranks,
                            tl_result *table, int64_t *scope, tl_error *);
  int32_t (*syncnorm_apply)(const tl_tensor *input, const tl_tensor *weight,
                            const tl_tensor *bias, const tl_tensor *table,
                            tl_tensor *running_mean, tl_tensor *running_var,
                            double momentum, double eps, tl_mailbox *, tl_result *,
                            int64_t *scope, tl_error *);

  // nccl.cc. The id has 128 bytes. Operations are in place, on the current stream of
  // the communicator's device.
  int32_t (*nccl_open)(const char *path, int64_t *version, tl_error *);
  int32_t (*nccl_unique_id)(char *id, tl_error *);
  int32_t (*nccl_new)(const char *id, int64_t rank, int64_t size, int64_t device_type,
                      int64_t device_index, tl_nccl **, tl_error *);
  int32_t (*nccl_all_reduce)(tl_nccl *, const tl_value *tensors, int64_t n, tl_error *);
  int32_t (*nccl_broadcast)(tl_nccl *, const tl_value *tensors, int64_t n, int64_t root,
                            tl_error *);
  int32_t (*nccl_poll)(tl_nccl *, int32_t *busy, tl_error *);
  int32_t (*nccl_abort)(tl_nccl *, tl_error *);
  int32_t (*nccl_free)(tl_nccl *, tl_error *);
} tl_api;

// tl_get_api returns the table, or NULL when the library was built from another
// header.
__attribute__((visibility("default"))) const tl_api *tl_get_api(int64_t abi);

#ifdef __cplusplus
}
#endif
#endif
