// Has the kernel write to disk while files are still being stored, so that the syncfs(2) at the end finds little to do.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace reflink {

class Writeback {
 public:
  // So many bytes were written to the file system of `fd`. One caller in a while waits for the disk.
  void wrote(int fd, uint64_t bytes) {
    if (pending_.fetch_add(bytes, std::memory_order_relaxed) + bytes < kBytes) return;
    if (running_.exchange(true, std::memory_order_acquire)) return;
    pending_.store(0, std::memory_order_relaxed);
    syncfs(fd);  // a failure shows again in the one that counts, which has a descriptor of its own
    running_.store(false, std::memory_order_release);
  }

 private:
  static constexpr uint64_t kBytes = 32 * 1024 * 1024;
  std::atomic<uint64_t> pending_{0};
  std::atomic<bool> running_{false};
};

}  // namespace reflink
