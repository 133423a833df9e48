// When an activation's memory may serve the next: a question of the steps alone, the same
// for programs on the CPU and on a GPU.
#pragma once

#include <cstdint>
#include <vector>

#include "torchlit.h"

namespace torchlit {

// mark_dead tells each step which slots it is the last to need, so that their memory
// serves the next activations. A Step has a kind, an input, a residual, an output, and
// the list dead, all as in tl_step.
template <class Step> void mark_dead(std::vector<Step> &steps, int64_t slots) {
  std::vector<bool> needed(slots, false);
  for (auto s = steps.rbegin(); s != steps.rend(); ++s) {
    if (s->kind != TL_STEP_POOL_LINEAR) {
      if (!needed[s->output]) s->dead.push_back(s->output);
      needed[s->output] = false;
    }
    for (int64_t slot : {s->input, s->residual}) {
      if (slot < 0) continue;
      if (!needed[slot] && slot != s->output) s->dead.push_back(slot);
      needed[slot] = true;
    }
  }
}

} // namespace torchlit
