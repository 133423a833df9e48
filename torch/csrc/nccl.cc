// Sums and broadcasts between GPUs by NVIDIA's NCCL, which is opened at run time.
//
// Operations are put on the calling thread's current stream of the tensors' device
// and return at once, as CUDA's do. That they go wrong, because a peer is gone,
// shows later or never: nccl_poll tells whether the last one is still under way, and
// NCCL's asynchronous error, for a watchdog that ends a stuck communicator with
// nccl_abort.
#include <dlfcn.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "guard.h"
#include "nccl_api.h"

namespace torchlit {
namespace {

struct Library {
  nccl::GetVersion get_version;
  nccl::GetUniqueId get_unique_id;
  nccl::CommInitRank comm_init_rank;
  nccl::CommAbort comm_abort;
  nccl::CommDestroy comm_destroy;
  nccl::CommGetAsyncError comm_get_async_error;
  nccl::GetErrorString get_error_string;
  nccl::GetLastError get_last_error;
  nccl::AllReduce all_reduce;
  nccl::Broadcast broadcast;
  nccl::GroupStart group_start;
  nccl::GroupEnd group_end;
};

template <class F> void find(void *handle, const char *name, F &out) {
  out = reinterpret_cast<F>(dlsym(handle, name));
  TORCH_CHECK(out, "the NCCL library lacks ", name);
}

Library open_library(const char *path) {
  void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!h) TORCH_CHECK(false, dlerror());
  Library l;
  find(h, "ncclGetVersion", l.get_version);
  find(h, "ncclGetUniqueId", l.get_unique_id);
  find(h, "ncclCommInitRank", l.comm_init_rank);
  find(h, "ncclCommAbort", l.comm_abort);
  find(h, "ncclCommDestroy", l.comm_destroy);
  find(h, "ncclCommGetAsyncError", l.comm_get_async_error);
  find(h, "ncclGetErrorString", l.get_error_string);
  find(h, "ncclGetLastError", l.get_last_error);
  find(h, "ncclAllReduce", l.all_reduce);
  find(h, "ncclBroadcast", l.broadcast);
  find(h, "ncclGroupStart", l.group_start);
  find(h, "ncclGroupEnd", l.group_end);
  return l;
}

std::optional<Library> opened; // never closed: its threads may outlive a communicator
std::mutex opening;

const Library &library() {
  std::lock_guard<std::mutex> lock(opening);
  TORCH_CHECK(opened, "BUG: NCCL is used before it was opened");
  return *opened;
}

void check(nccl::Result r, const char *what, nccl::Comm *comm = nullptr) {
  if (r == nccl::success || r == nccl::in_progress) return;
  const Library &l = library();
  const char *more = l.get_last_error(comm);
  TORCH_CHECK(false, what, ": ", l.get_error_string(r), more && *more ? ": " : "", more ? more : "");
}

nccl::DataType data_type(const at::Tensor &t) {
  switch (t.scalar_type()) {
  case at::kLong: return nccl::int64;
  case at::kHalf: return nccl::float16;
  case at::kFloat: return nccl::float32;
  case at::kDouble: return nccl::float64;
  case at::kBFloat16: return nccl::bfloat16;
  default: TORCH_CHECK(false, "NCCL does not add up tensors of type ", t.scalar_type());
  }
}

} // namespace
} // namespace torchlit

struct tl_nccl {
  // Null once aborted, which happens while an operation hangs in another thread, and
  // so without the mutex.
  std::atomic<torchlit::nccl::Comm *> comm{nullptr};
  at::Device device;
  std::mutex mutex; // held during an operation
  std::optional<c10::Event> last; // behind the newest operation
  tl_nccl(torchlit::nccl::Comm *c, at::Device d) : comm(c), device(d) {}
};

namespace torchlit {
namespace {

nccl::Stream *native(const c10::Stream &s) {
  return static_cast<nccl::Stream *>(s.native_handle());
}

// each runs op for all the tensors in one group of NCCL's, on the current stream.
template <class Op>
void each(tl_nccl *c, const tl_value *tensors, int64_t n, const char *what, Op op) {
  const Library &l = library();
  std::lock_guard<std::mutex> lock(c->mutex);
  nccl::Comm *comm = c->comm;
  TORCH_CHECK(comm, what, ": the communicator was aborted");
  std::optional<c10::Stream> stream;
  if (!c->device.is_cpu())
    stream = c10::impl::VirtualGuardImpl(c->device.type()).getStream(c->device);
  check(l.group_start(), what, comm);
  nccl::Result first = nccl::success;
  for (int64_t i = 0; i < n && first == nccl::success; i++) {
    at::Tensor t = borrow(impl(tensors[i]));
    TORCH_CHECK(t.device() == c->device, what, ": the tensor is on ", t.device(),
                ", the communicator on ", c->device);
    TORCH_CHECK(t.is_non_overlapping_and_dense(), what, ": the tensor has gaps");
    first = op(l, t, comm, stream ? native(*stream) : nullptr);
  }
  const nccl::Result last = l.group_end();
  check(first == nccl::success ? last : first, what, comm);
  if (stream) {
    c->last.emplace(c->device.type());
    c->last->record(*stream);
  }
}

} // namespace

int32_t nccl_open(const char *path, int64_t *version, tl_error *err) {
  return guard(err, [&] {
    {
      std::lock_guard<std::mutex> lock(opening);
      if (!opened) opened = open_library(path);
    }
    int v = 0;
    check(library().get_version(&v), "ncclGetVersion");
    *version = v;
  });
}

int32_t nccl_unique_id(char *id, tl_error *err) {
  return guard(err, [&] {
    nccl::UniqueId u;
    check(library().get_unique_id(&u), "ncclGetUniqueId");
    std::memcpy(id, u.internal, sizeof u.internal);
  });
}

int32_t nccl_new(const char *id, int64_t rank, int64_t size, int64_t device_type,
                 int64_t device_index, tl_nccl **out, tl_error *err) {
  return guard(err, [&] {
    nccl::UniqueId u;
    std::memcpy(u.internal, id, sizeof u.internal);
    auto type = static_cast<at::DeviceType>(device_type);
    at::Device d(type, static_cast<at::DeviceIndex>(type == at::kCPU ? -1 : device_index));
    c10::OptionalDeviceGuard current;
    if (!d.is_cpu()) current.reset_device(d);
    nccl::Comm *comm = nullptr;
    check(library().comm_init_rank(&comm, static_cast<int>(size), u, static_cast<int>(rank)),
          "ncclCommInitRank");
    *out = new tl_nccl(comm, d);
  });
}

int32_t nccl_all_reduce(tl_nccl *c, const tl_value *tensors, int64_t n, tl_error *err) {
  return guard(err, [&] {
    each(c, tensors, n, "ncclAllReduce",
         [](const Library &l, const at::Tensor &t, nccl::Comm *comm, nccl::Stream *s) {
           return l.all_reduce(t.data_ptr(), t.data_ptr(), t.numel(), data_type(t), nccl::sum,
                               comm, s);
         });
  });
}

int32_t nccl_broadcast(tl_nccl *c, const tl_value *tensors, int64_t n, int64_t root, tl_error *err) {
  return guard(err, [&] {
    each(c, tensors, n, "ncclBroadcast",
         [&](const Library &l, const at::Tensor &t, nccl::Comm *comm, nccl::Stream *s) {
           return l.broadcast(t.data_ptr(), t.data_ptr(), t.numel(), data_type(t),
                              static_cast<int>(root), comm, s);
         });
  });
}

int32_t nccl_poll(tl_nccl *c, int32_t *busy, tl_error *err) {
  return guard(err, [&] {
    nccl::Comm *comm = c->comm;
    *busy = 0;
    if (!comm) return;
    nccl::Result later = nccl::success;
    check(library().comm_get_async_error(comm, &later), "ncclCommGetAsyncError", comm);
    check(later, "NCCL", comm);
    std::unique_lock<std::mutex> lock(c->mutex, std::try_to_lock);
    *busy = !lock || (c->last && !c->last->query());
  });
}

int32_t nccl_abort(tl_nccl *c, tl_error *err) {
  return guard(err, [&] {
    if (nccl::Comm *comm = c->comm.exchange(nullptr))
      check(library().comm_abort(comm), "ncclCommAbort");
  });
}

int32_t nccl_free(tl_nccl *c, tl_error *err) {
  return guard(err, [&] {
    nccl::Comm *comm = c->comm;
    delete c;
    if (comm) check(library().comm_destroy(comm), "ncclCommDestroy");
  });
}

} // namespace torchlit
