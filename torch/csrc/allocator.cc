// Memory of CPU tensors, kept for reuse.
//
// A training step allocates the same sizes as the step before. malloc gives blocks of
// a megabyte and more back to the kernel as they are freed, and on threads other than
// the first (where all of Go's work runs) the small ones too, once they add up; the
// next step then faults every page in again. Measured: three quarters of the time that
// an MLP's step took beyond PyTorch's. Small blocks suffer otherwise: they must be
// aligned to 64 bytes, and glibc's aligned allocation is several times slower than its
// plain one.
//
// So freed blocks go to a list of their size class, and the next tensor of that class
// takes one from there. Classes are eight to a doubling, so a block is at most an
// eighth too large.
//
// How much may lie idle? Large blocks obey one rule: what is in use and what lies idle
// are together never more than what has been in use at once. So the cache cannot make a
// process larger than it has been already, and needs no setting. A block that is not to
// be had from the lists makes room by giving idle ones back. allocator_trim gives all of
// them back, and malloc's with them, and forgets the high-water mark. Small blocks are bounded by a few
// megabytes in all and leave out the accounts.
//
// Under AddressSanitizer nothing is kept, so that it sees each tensor's death.
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/mman.h>

#include "guard.h"

namespace torchlit {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool keep_blocks = false;
#else
constexpr bool keep_blocks = true;
#endif

constexpr size_t alignment = 64;       // of data, and the size of a header
constexpr size_t small_limit = 8192;   // bytes of a small block
constexpr size_t small_idle = 1 << 18; // bytes idle in one class of small blocks
constexpr size_t huge_page = 2 << 20;
constexpr auto out_of_memory = "can't allocate memory: you tried to allocate ";

// A block is a header with the data behind it; an idle block's header links to the next.
struct alignas(alignment) Header {
  size_t size; // of the data: a class's size
  int32_t index;
  Header *next;
};
static_assert(sizeof(Header) == alignment);

constexpr int steps_log = 3; // eight classes to a doubling
constexpr int classes = (48 - 6) << steps_log;

// A lock for a handful of instructions, at half the price of a mutex.
class SpinLock {
public:
  void lock() {
    while (taken.exchange(true, std::memory_order_acquire))
      while (taken.load(std::memory_order_relaxed)) std::this_thread::yield();
  }
  void unlock() { taken.store(false, std::memory_order_release); }

private:
  std::atomic<bool> taken{false};
};

struct Class {
  SpinLock lock; // of a class of small blocks
  Header *idle = nullptr;
  size_t bytes = 0; // of the idle blocks
};

// index_of returns the class of the smallest blocks that hold n bytes; size_of, the
// size of a class's blocks. Sizes are 64 + 8, 16 … for the first doubling, and so on
// like a floating-point number with three bits behind its first.
int32_t index_of(size_t n) {
  if (n <= alignment) return 0;
  const int top = 63 - __builtin_clzll(n - 1);
  const int shift = top - steps_log;
  const auto step = static_cast<int32_t>((n - 1) >> shift) & ((1 << steps_log) - 1);
  return ((top - 6) << steps_log) + step + 1;
}

size_t size_of(int32_t index) {
  const int doubling = index >> steps_log, step = index & ((1 << steps_log) - 1);
  return (alignment << doubling) + (static_cast<size_t>(step) << (6 - steps_log + doubling));
}

class Cache {
public:
  void *take(size_t n) {
    const int32_t index = index_of(n);
    TORCH_CHECK(index < classes, out_of_memory, n, " bytes");
    const size_t size = size_of(index);
    Header *h = size <= small_limit ? take_small(index) : take_large(index, size);
    if (!h) h = fresh(index, size);
    return h + 1;
  }

  void give(void *data) {
    Header *h = static_cast<Header *>(data) - 1;
    if (h->size <= small_limit ? give_small(h) : give_large(h)) return;
    std::free(h);
  }

  void trim() {
    std::lock_guard<std::mutex> lock(large);
    make_room(0);
    peak = used;
    for (int32_t i = 0; size_of(i) <= small_limit; i++) {
      std::lock_guard<SpinLock> small(lists[i].lock);
      while (lists[i].idle) std::free(pop(lists[i]));
    }
  }

  tl_memory stats() {
    std::lock_guard<std::mutex> lock(large);
    tl_memory m{};
    m.allocated = static_cast<int64_t>(used);
    m.allocated_peak = static_cast<int64_t>(peak);
    m.reserved = static_cast<int64_t>(used + idle);
    m.reserved_peak = m.allocated_peak;
    m.allocations = count;
    return m;
  }

private:
  static Header *pop(Class &c) {
    Header *h = c.idle;
    if (h) {
      c.idle = h->next;
      c.bytes -= h->size;
    }
    return h;
  }

  static void push(Class &c, Header *h) {
    h->next = c.idle;
    c.idle = h;
    c.bytes += h->size;
  }

  Header *take_small(int32_t index) {
    std::lock_guard<SpinLock> lock(lists[index].lock);
    return pop(lists[index]);
  }

  bool give_small(Header *h) {
    Class &c = lists[h->index];
    std::lock_guard<SpinLock> lock(c.lock);
    if (!keep_blocks || c.bytes + h->size > small_idle) return false;
    push(c, h);
    return true;
  }

  Header *take_large(int32_t index, size_t size) {
    std::lock_guard<std::mutex> lock(large);
    Header *h = pop(lists[index]);
    if (h) idle -= size;
    used += size;
    count++;
    if (used > peak) peak = used;
    make_room(peak - used);
    return h;
  }

  bool give_large(Header *h) {
    std::lock_guard<std::mutex> lock(large);
    used -= h->size;
    count--;
    if (!keep_blocks) return false;
    idle += h->size;
    push(lists[h->index], h);
    return true;
  }

  // make_room gives idle large blocks back, the largest first, until no more than
  // limit bytes are idle. Its caller holds large.
  void make_room(size_t limit) {
    for (int32_t i = classes - 1; idle > limit && size_of(i) > small_limit; i--)
      while (idle > limit && lists[i].idle) {
        Header *h = pop(lists[i]);
        idle -= h->size;
        std::free(h);
      }
  }

  Header *fresh(int32_t index, size_t size) {
    void *p = memory(size);
    if (!p) { // perhaps there is enough in blocks of other sizes
      trim();
      p = memory(size);
    }
    if (!p) {
      if (size > small_limit) forget(size);
      TORCH_CHECK(false, out_of_memory, size, " bytes");
    }
    auto *h = static_cast<Header *>(p);
    h->size = size;
    h->index = index;
    h->next = nullptr;
    return h;
  }

  // memory returns a block with room for its header; null when there is none. Large
  // ones ask for huge pages, which convolutions walk with fewer misses of the TLB.
  static void *memory(size_t size) {
    void *p = nullptr;
    const bool huge = size >= 2 * huge_page;
    if (posix_memalign(&p, huge ? huge_page : alignment, size + sizeof(Header)) != 0)
      return nullptr;
#ifdef MADV_HUGEPAGE
    if (huge) madvise(p, size + sizeof(Header), MADV_HUGEPAGE);
#endif
    return p;
  }

  void forget(size_t size) {
    std::lock_guard<std::mutex> lock(large);
    used -= size;
    count--;
  }

  Class lists[classes]; // those of large blocks are guarded by large, not by their own
  std::mutex large;
  size_t used = 0, idle = 0, peak = 0; // bytes of large blocks
  int64_t count = 0;                   // of large blocks in use
};

Cache &cache() {
  static auto *c = new Cache; // tensors may be freed after static destructors have run
  return *c;
}

void give_back(void *data) {
  if (data) cache().give(data);
}

class Allocator final : public c10::Allocator {
public:
  c10::DataPtr allocate(size_t n) override {
    void *p = n == 0 ? nullptr : cache().take(n);
    return {p, p, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void *dest, const void *src, size_t n) const override {
    default_copy_data(dest, src, n);
  }
};

} // namespace

void use_allocator() {
  static Allocator a;
  c10::SetCPUAllocator(&a, 1);
}

tl_memory allocator_stats() { return cache().stats(); }
void allocator_trim() {
  cache().trim();
#if defined(__GLIBC__)
  // oneDNN's packed weights and everything smaller are malloc's. It keeps what was freed
  // in the arenas of the threads that had it: a server that reloads its model would
  // hold twice what it holds afresh.
  malloc_trim(0);
#endif
}

} // namespace torchlit
