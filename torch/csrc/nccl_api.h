// The part of NCCL's C API that nccl.cc calls, declared once more, so that Torchlit
// builds without NCCL and finds it at run time. The names and values are those of
// nccl.h 2.x, which NVIDIA keeps binary compatible; testdata/nccl_check.cc compares
// them with the real header.
#pragma once

#include <cstddef>

namespace torchlit::nccl {

struct Comm;   // ncclComm_t points to one
struct Stream; // cudaStream_t points to one

using Result = int; // ncclResult_t
constexpr Result success = 0;
constexpr Result in_progress = 7;

struct UniqueId { // ncclUniqueId
  char internal[128];
};

enum DataType { int64 = 4, float16 = 6, float32 = 7, float64 = 8, bfloat16 = 9 };
enum RedOp { sum = 0 };

using GetVersion = Result (*)(int *version);
using GetUniqueId = Result (*)(UniqueId *);
using CommInitRank = Result (*)(Comm **, int nranks, UniqueId, int rank);
using CommAbort = Result (*)(Comm *);
using CommDestroy = Result (*)(Comm *);
using CommGetAsyncError = Result (*)(Comm *, Result *);
using GetErrorString = const char *(*)(Result);
using GetLastError = const char *(*)(Comm *);
using AllReduce = Result (*)(const void *send, void *receive, size_t count, DataType, RedOp,
                             Comm *, Stream *);
using Broadcast = Result (*)(const void *send, void *receive, size_t count, DataType, int root,
                             Comm *, Stream *);
using GroupStart = Result (*)();
using GroupEnd = Result (*)();

} // namespace torchlit::nccl
