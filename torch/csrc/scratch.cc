#include "scratch.h"

#include <cstdlib>
#include <new>

namespace torchlit {

void *scratch(size_t bytes) {
  struct Memory {
    void *data = nullptr;
    size_t size = 0;
    ~Memory() { std::free(data); }
  };
  thread_local Memory m;
  if (m.size < bytes) {
    std::free(m.data);
    m.size = 0; // should the next line fail
    m.data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!m.data) throw std::bad_alloc();
    m.size = bytes;
  }
  return m.data;
}

} // namespace torchlit
