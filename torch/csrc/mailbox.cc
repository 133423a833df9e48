// The mailbox between the backward pass and Go; mailbox.h says what it is for.
#include "mailbox.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace torchlit {
namespace {

constexpr const char *closed_text = "the group of ranks was closed before the sum was there";

c10::Stream current_stream(const at::Tensor &t) {
  return c10::impl::VirtualGuardImpl(t.device().type()).getStream(t.device());
}

void record(std::optional<c10::Event> &event, const at::Tensor &t) {
  if (t.device().is_cpu()) return;
  event.emplace(t.device().type());
  event->record(current_stream(t));
}

void block(const std::optional<c10::Event> &event, const at::Tensor &t) {
  if (event) event->block(current_stream(t));
}

} // namespace

std::shared_ptr<Letter> Mailbox::post(at::Tensor t) {
  auto letter = std::make_shared<Letter>();
  letter->tensor = std::move(t);
  record(letter->ready, letter->tensor);
  std::lock_guard<std::mutex> lock(mutex_);
  letter->id = next_++;
  if (closed_) {
    end(*letter, closed_text);
  } else {
    waiting_.push_back(letter);
    posted_.notify_one();
  }
  return letter;
}

std::string Mailbox::wait(Letter &letter) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    answered_.wait(lock, [&] { return letter.answered; });
  }
  block(letter.done, letter.tensor);
  return letter.error;
}

void Mailbox::exchange(at::Tensor t) {
  auto letter = post(std::move(t));
  std::string error = wait(*letter);
  TORCH_CHECK(error.empty(), error);
}

std::shared_ptr<Letter> Mailbox::take() {
  std::shared_ptr<Letter> letter;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    posted_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (closed_) return nullptr;
    letter = waiting_.front();
    waiting_.pop_front();
    taken_[letter->id] = letter;
  }
  block(letter->ready, letter->tensor);
  return letter;
}

void Mailbox::answer(int64_t id, std::string error) {
  std::shared_ptr<Letter> letter;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = taken_.find(id);
    if (found == taken_.end()) return; // close was quicker
    letter = found->second;
  }
  if (error.empty()) record(letter->done, letter->tensor);
  std::lock_guard<std::mutex> lock(mutex_);
  if (taken_.erase(id) == 1) end(*letter, std::move(error));
}

void Mailbox::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  for (auto &letter : waiting_) end(*letter, closed_text);
  for (auto &taken : taken_) end(*taken.second, closed_text);
  waiting_.clear();
  taken_.clear();
  posted_.notify_all();
}

// REQUIRES: mutex_ is held.
void Mailbox::end(Letter &letter, std::string error) {
  letter.error = std::move(error);
  letter.answered = true;
  answered_.notify_all();
}

int32_t mailbox_new(tl_mailbox **out, tl_error *err) {
  return guard(err, [&] { *out = new tl_mailbox{c10::make_intrusive<Mailbox>()}; });
}

int32_t mailbox_take(tl_mailbox *m, int64_t *id, tl_result *tensor, tl_error *err) {
  return guard(err, [&] {
    auto letter = m->box->take();
    *id = letter ? letter->id : -1;
    give(letter ? letter->tensor : at::Tensor(), tensor);
  });
}

int32_t mailbox_answer(tl_mailbox *m, int64_t id, const char *error, tl_error *err) {
  return guard(err, [&] { m->box->answer(id, error); });
}

int32_t mailbox_close(tl_mailbox *m, tl_error *err) {
  return guard(err, [&] { m->box->close(); });
}

int32_t mailbox_free(tl_mailbox *m, tl_error *err) {
  return guard(err, [&] {
    m->box->close();
    delete m;
  });
}

} // namespace torchlit
