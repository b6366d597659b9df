// Has the kernel write to disk while files are still being stored, so that the syncfs(2) at the end finds little to do.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>

#include "kernel.h"

namespace reflink {

class Writeback {
 public:
  // So many bytes were written to the file system of the directory `fd`.
  void wrote(int fd, uint64_t bytes) {
    if (state_->pending.fetch_add(bytes, std::memory_order_relaxed) + bytes >= kBytes) begin(fd);
  }

  // Does not wait for the disk: a thread of its own does.
  void begin(int fd) {
    State& state = *state_;
    if (state.running.exchange(true, std::memory_order_acquire)) return;
    state.pending.store(0, std::memory_order_relaxed);
    // Opened anew: a failure is told once to each open file, and the call that counts, which has `fd`, must hear of it.
    Fd own(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    try {
      std::thread([state = state_, own = std::move(own)] {
        if (own.valid()) syncfs(own.get());
        state->running.store(false, std::memory_order_release);
      }).detach();
    } catch (const std::system_error&) {
      state.running.store(false, std::memory_order_release);  // no more threads: the call at the end has more to do
    }
  }

 private:
  static constexpr uint64_t kBytes = 64 * 1024 * 1024;
  struct State {
    std::atomic<uint64_t> pending{0};
    std::atomic<bool> running{false};
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace reflink
