// The native threads of the process and the batches they work on.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace reflink {

// Work of `count` independent items. The pool calls run() once an item, from several threads, in ascending order of
// start; after the last one has returned it calls finished() once, which may delete the batch.
class Batch {
 public:
  explicit Batch(size_t count) : count_(count) {}
  virtual ~Batch() = default;
  virtual void run(size_t item) = 0;
  virtual void finished() = 0;
  virtual bool abandoned() const { return false; }  // true: items not begun are not run any more
  // true: does not queue behind batches that wait; for short steps that others depend on.
  virtual bool urgent() const { return false; }
  size_t count() const { return count_; }

 private:
  friend class Pool;
  const size_t count_;
  size_t next_ = 0;  // both under the pool's mutex
  size_t done_ = 0;
};

class Pool {
 public:
  static Pool& instance();
  void submit(Batch* batch);  // of at least one item; throws std::system_error when there is no thread at all
  void set_threads(size_t count);

 private:
  Pool();
  void work(size_t index);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Batch*> queue_;
  size_t wanted_;
  size_t started_ = 0;
};

}  // namespace reflink
