// A thread's memory for what lies between its loads and its results.
#pragma once

#include <cstddef>

namespace torchlit {

// scratch returns at least so many bytes, aligned to 64, which are the calling thread's until it
// asks again. They are kept until the thread ends; their contents are left over from before.
void *scratch(size_t bytes);

} // namespace torchlit
