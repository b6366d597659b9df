#include "pool.h"

#include <algorithm>
#include <system_error>

namespace reflink {

// Never destroyed: the threads wait in it until the process ends.
Pool& Pool::instance() {
  static Pool* pool = new Pool();
  return *pool;
}

// As many as processors: more only wait for each other at the file system's locks. Two at least, as one may wait for the disk.
Pool::Pool() : wanted_(std::max(2u, std::thread::hardware_concurrency())) {}

void Pool::set_threads(size_t count) {
  std::lock_guard<std::mutex> hold(mutex_);
  wanted_ = std::max<size_t>(1, count);
  wake_.notify_all();
}

void Pool::submit(Batch* batch) {
  std::unique_lock<std::mutex> hold(mutex_);
  // Threads beyond wanted_ sleep; they are not taken down, so a raised number finds them again.
  while (started_ < wanted_) {
    try {
      std::thread(&Pool::work, this, started_).detach();
    } catch (const std::system_error&) {
      // No more threads (a limit of the container): fewer do the work, too.
      if (started_ > 0) break;
      throw;
    }
    started_++;
  }
  if (batch->urgent()) {
    queue_.push_front(batch);
  } else {
    queue_.push_back(batch);
  }
  // A thread that may not work would sleep on, and the one woken be lost.
  const bool one = batch->count_ == 1 && started_ == wanted_;
  hold.unlock();
  if (one) {
    wake_.notify_one();
  } else {
    wake_.notify_all();
  }
}

void Pool::work(size_t index) {
  std::unique_lock<std::mutex> hold(mutex_);
  for (;;) {
    wake_.wait(hold, [&] { return !queue_.empty() && index < wanted_; });
    Batch* batch = queue_.front();
    const size_t item = batch->next_++;
    if (batch->next_ == batch->count_) queue_.pop_front();
    hold.unlock();
    if (!batch->abandoned()) batch->run(item);
    hold.lock();
    if (++batch->done_ == batch->count_) {
      hold.unlock();
      batch->finished();
      hold.lock();
    }
  }
}

}  // namespace reflink
