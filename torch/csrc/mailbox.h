// How the backward pass asks Go to communicate, without calling into Go.
//
// While Go waits in torch::autograd::backward, two things of the pass want the other
// ranks: a bucket of gradients that is full (buckets.cc), which should travel while
// the pass goes on, and a synchronised batch normalisation (syncnorm.cc), which must
// not go on before the sum over all ranks is there. But what can talk to the other
// ranks (TCP, MPI, NCCL) is chosen and driven by Go.
//
// The obvious way is a callback from C into Go. It would need a Go function pointer
// kept by C, a cgo callback on a thread that Go does not know (libtorch's device
// threads run the pass on CUDA), and would hold a scheduler slot of Go for the whole
// pass. Instead there is a mailbox, which only C touches: the pass posts a letter
// with a tensor in it; a goroutine, whose call of take waits in C for the next one,
// reduces the tensor in place and answers. Who needs the sum waits for the answer.
//
// Invariants: a letter that was posted is answered exactly once, by the goroutine or
// by close, with an error if need be: whoever waits never waits for ever. Letters
// are taken in the order in which they were posted, which is the same on all ranks.
//
// On a device nothing waits for the device: a letter carries an event that says when
// its tensor is ready, and the answer one that says when the sum is; the streams
// wait for each other. On the CPU both are absent.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include <ATen/core/ivalue.h>
#include <c10/core/Event.h>

#include "guard.h"

namespace torchlit {

struct Letter {
  int64_t id;
  at::Tensor tensor;
  std::optional<c10::Event> ready, done;
  bool answered = false;
  std::string error; // empty when the answer is good
};

class Mailbox : public torch::CustomClassHolder {
public:
  // post hands a tensor over to whoever takes it. It is not to be touched until
  // the letter is answered.
  std::shared_ptr<Letter> post(at::Tensor);

  // wait returns when the letter is answered: with the reason when it could not be
  // done. The calling thread's stream then waits for the sum.
  std::string wait(Letter &);

  // exchange posts a tensor, waits, and throws the reason when it could not be done.
  void exchange(at::Tensor);

  // take waits for the next letter; null once the mailbox is closed. The calling
  // thread's stream waits until the tensor is ready.
  std::shared_ptr<Letter> take();

  // answer ends a letter; error is empty when it was done on the calling thread's
  // stream.
  void answer(int64_t id, std::string error);

  // close answers all letters that are left, and those to come, with an error.
  void close();

private:
  void end(Letter &, std::string error);

  std::mutex mutex_;
  std::condition_variable posted_, answered_;
  std::deque<std::shared_ptr<Letter>> waiting_;
  std::unordered_map<int64_t, std::shared_ptr<Letter>> taken_;
  int64_t next_ = 0;
  bool closed_ = false;
};

} // namespace torchlit

struct tl_mailbox {
  c10::intrusive_ptr<torchlit::Mailbox> box;
};
