// SHA-256 of long data that comes in pieces, two pieces of different data side by side wherever two are at hand: the
// processor's instructions for it take little longer for two than for one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "pool.h"
#include "sha2.h"

namespace reflink {

// A digest whose data comes in pieces, one piece at a time.
class RunningSha256 {
 public:
  static constexpr size_t kBlock = 64;

  explicit RunningSha256(ContinueSha256 take) : take_(take) {}

  // Takes what completes the block that is begun, if any, and says how many bytes of `data` that were.
  size_t complete_block(const uint8_t* data, size_t length);
  // Keeps what is less than a block until more comes.
  void keep(const uint8_t* data, size_t length);
  // Whole blocks of one or two digests.
  static void take_blocks(RunningSha256* const* digests, const uint8_t* const* data, size_t blocks, size_t count);
  void finish(uint8_t* digest);

 private:
  ContinueSha256 take_;
  Sha256State state_;
  uint8_t begun_[kBlock];
  size_t begun_bytes_ = 0;
  uint64_t bytes_ = 0;
};

// A piece for a digest, which nobody else uses until done() was called, once, on any thread.
class DigestPiece {
 public:
  DigestPiece(RunningSha256& digest, const uint8_t* data, size_t length)
      : digest_(digest), data_(data), length_(length) {}
  virtual bool dropped() const = 0;  // true: the rest of it is not looked at any more
  virtual void done() = 0;           // the piece may be gone afterwards

 protected:
  ~DigestPiece() = default;

 private:
  friend class DigestLanes;
  RunningSha256& digest_;
  const uint8_t* data_;
  size_t length_;
};

// The pieces that wait for one of the pool's threads, two of which share one.
class DigestLanes {
 public:
  static DigestLanes& instance();
  void submit(DigestPiece* piece);  // as Pool::submit

 private:
  class Thread;
  void work();

  std::mutex mutex_;
  std::deque<DigestPiece*> waiting_;
  size_t free_ = 0;  // lanes of threads that work or were asked for
};

}  // namespace reflink
