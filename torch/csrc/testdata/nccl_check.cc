// Compiled against NVIDIA's own nccl.h, this tells whether nccl_api.h still
// declares the same thing. It is never run.
#include <tuple>
#include <type_traits>

#include <nccl.h>

#include "../nccl_api.h"

namespace ours = torchlit::nccl;

// A type as it is passed: enums are integers of their size, handles are pointers.
template <class T> struct passed {
  using type = std::conditional_t<std::is_enum_v<T>, int, T>;
  static_assert(!std::is_enum_v<T> || sizeof(T) == sizeof(int));
};
template <> struct passed<ours::UniqueId> { using type = ncclUniqueId; };
template <> struct passed<ours::Comm *> { using type = ncclComm_t; };
template <> struct passed<ours::Stream *> { using type = cudaStream_t; };
template <class T> struct passed<T *> { using type = typename passed<T>::type *; };
template <> struct passed<const void *> { using type = const void *; };
template <> struct passed<const char *> { using type = const char *; };
template <> struct passed<ncclComm_t> { using type = ncclComm_t; };
template <> struct passed<cudaStream_t> { using type = cudaStream_t; };

template <class F> struct signature;
template <class R, class... A> struct signature<R (*)(A...)> {
  using type = std::tuple<typename passed<R>::type, typename passed<A>::type...>;
};

template <class Ours, class Theirs>
constexpr bool same = std::is_same_v<typename signature<Ours>::type, typename signature<Theirs>::type>;

static_assert(same<ours::GetVersion, decltype(&ncclGetVersion)>);
static_assert(same<ours::GetUniqueId, decltype(&ncclGetUniqueId)>);
static_assert(same<ours::CommInitRank, decltype(&ncclCommInitRank)>);
static_assert(same<ours::CommAbort, decltype(&ncclCommAbort)>);
static_assert(same<ours::CommDestroy, decltype(&ncclCommDestroy)>);
static_assert(same<ours::CommGetAsyncError, decltype(&ncclCommGetAsyncError)>);
static_assert(same<ours::GetErrorString, decltype(&ncclGetErrorString)>);
static_assert(same<ours::GetLastError, decltype(&ncclGetLastError)>);
static_assert(same<ours::AllReduce, decltype(&ncclAllReduce)>);
static_assert(same<ours::Broadcast, decltype(&ncclBroadcast)>);
static_assert(same<ours::GroupStart, decltype(&ncclGroupStart)>);
static_assert(same<ours::GroupEnd, decltype(&ncclGroupEnd)>);

static_assert(sizeof(ours::UniqueId) == sizeof(ncclUniqueId));
static_assert(int(ours::success) == int(ncclSuccess) && int(ours::in_progress) == int(ncclInProgress));
static_assert(int(ours::int64) == int(ncclInt64) && int(ours::float16) == int(ncclFloat16));
static_assert(int(ours::float32) == int(ncclFloat32) && int(ours::float64) == int(ncclFloat64));
static_assert(int(ours::bfloat16) == int(ncclBfloat16) && int(ours::sum) == int(ncclSum));
