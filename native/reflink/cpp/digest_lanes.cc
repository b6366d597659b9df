#include "digest_lanes.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace reflink {
namespace {

constexpr size_t kLanes = 2;
// So many at a time, for a piece that comes meanwhile to find a lane soon.
constexpr size_t kSliceBlocks = 1024;

}  // namespace

size_t RunningSha256::complete_block(const uint8_t* data, size_t length) {
  if (begun_bytes_ == 0) return 0;
  const size_t taken = std::min(length, kBlock - begun_bytes_);
  keep(data, taken);
  return taken;
}

void RunningSha256::keep(const uint8_t* data, size_t length) {
  if (length > 0) std::memcpy(begun_ + begun_bytes_, data, length);
  begun_bytes_ += length;
  bytes_ += length;
  if (begun_bytes_ < kBlock) return;
  const uint8_t* block = begun_;
  Sha256State* state = &state_;
  take_(&state, &block, 1, 1);
  begun_bytes_ = 0;
}

void RunningSha256::take_blocks(RunningSha256* const* digests, const uint8_t* const* data, size_t blocks, size_t count) {
  Sha256State* states[kLanes];
  for (size_t i = 0; i < count; i++) {
    states[i] = &digests[i]->state_;
    digests[i]->bytes_ += blocks * kBlock;
  }
  digests[0]->take_(states, data, blocks, count);
}

void RunningSha256::finish(uint8_t* digest) {
  const uint64_t bits = bytes_ * 8;
  const uint8_t marker = 0x80, zero = 0;
  keep(&marker, 1);
  while (begun_bytes_ != kBlock - sizeof bits) keep(&zero, 1);
  uint8_t count[sizeof bits];
  for (size_t i = 0; i < sizeof bits; i++) count[i] = static_cast<uint8_t>(bits >> (8 * (sizeof bits - 1 - i)));
  keep(count, sizeof count);
  for (size_t i = 0; i < 32; i++) digest[i] = static_cast<uint8_t>(state_.words[i / 4] >> (8 * (3 - i % 4)));
}

// A thread of the pool while it hashes.
class DigestLanes::Thread : public Batch {
 public:
  Thread() : Batch(1) {}
  bool urgent() const override { return true; }
  void run(size_t) override { DigestLanes::instance().work(); }
  void finished() override { delete this; }
};

// Never destroyed, like the pool.
DigestLanes& DigestLanes::instance() {
  static DigestLanes* lanes = new DigestLanes();
  return *lanes;
}

void DigestLanes::submit(DigestPiece* piece) {
  std::lock_guard<std::mutex> hold(mutex_);
  if (waiting_.size() >= free_) {
    auto thread = std::make_unique<Thread>();
    Pool::instance().submit(thread.get());
    thread.release();
    free_ += kLanes;
  }
  waiting_.push_back(piece);
}

void DigestLanes::work() {
  DigestPiece* lanes[kLanes];
  size_t used = 0;
  std::unique_lock<std::mutex> hold(mutex_);
  for (;;) {
    const size_t before = used;
    while (used < kLanes && !waiting_.empty()) {
      lanes[used++] = waiting_.front();
      waiting_.pop_front();
      free_--;
    }
    if (used == 0) {
      free_ -= kLanes;
      return;
    }
    hold.unlock();
    for (size_t i = before; i < used; i++) {
      DigestPiece& piece = *lanes[i];
      const size_t taken = piece.digest_.complete_block(piece.data_, piece.length_);
      piece.data_ += taken, piece.length_ -= taken;
    }
    RunningSha256* digests[kLanes];
    const uint8_t* data[kLanes];
    size_t blocks = kSliceBlocks;
    for (size_t i = 0; i < used; i++) {
      digests[i] = &lanes[i]->digest_, data[i] = lanes[i]->data_;
      blocks = std::min(blocks, lanes[i]->length_ / RunningSha256::kBlock);
    }
    if (blocks > 0) RunningSha256::take_blocks(digests, data, blocks, used);
    size_t left = 0;
    for (size_t i = 0; i < used; i++) {
      DigestPiece* piece = lanes[i];
      piece->data_ += blocks * RunningSha256::kBlock, piece->length_ -= blocks * RunningSha256::kBlock;
      if (piece->length_ >= RunningSha256::kBlock && !piece->dropped()) {
        lanes[left++] = piece;
      } else {
        piece->digest_.keep(piece->data_, piece->dropped() ? 0 : piece->length_);
        piece->done();
      }
    }
    hold.lock();
    free_ += used - left;
    used = left;
  }
}

}  // namespace reflink
