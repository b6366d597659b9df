#include "verity_hasher.h"

#include <algorithm>
#include <cstring>

namespace reflink {
namespace {

constexpr size_t kPendingBlocks = kMaxLanes;
constexpr size_t kPendingBytes = kPendingBlocks * kBlockBytes;

}  // namespace

void write_descriptor(Algorithm algorithm, uint64_t size, const uint8_t* root, uint8_t* out) {
  std::memset(out, 0, kDescriptorBytes);
  out[0] = 1;  // version
  out[1] = static_cast<uint8_t>(algorithm);
  out[2] = 12;  // log2 of the block size
  for (int i = 0; i < 8; i++) out[8 + i] = static_cast<uint8_t>(size >> (8 * i));
  if (root) std::memcpy(out + 16, root, digest_bytes(algorithm));
}

void VerityHasher::reset() {
  for (Level& level : levels_) level.used = 0, level.received = 0;
  total_ = 0;
}

VerityHasher::Level& VerityHasher::level(size_t index) {
  while (levels_.size() <= index) {
    levels_.emplace_back();
    levels_.back().pending.resize(kPendingBytes);
  }
  return levels_[index];
}

void VerityHasher::update(const uint8_t* data, size_t length) {
  total_ += length;
  append(0, data, length);
}

void VerityHasher::append(size_t index, const uint8_t* data, size_t length) {
  level(index).received += length;
  while (length > 0) {
    Level& here = level(index);
    if (here.used == 0 && length >= kBlockBytes && index == 0) {
      // Whole blocks of content are hashed where they lie.
      const size_t blocks = std::min(length / kBlockBytes, kPendingBlocks);
      hash_blocks(index, data, blocks);
      data += blocks * kBlockBytes, length -= blocks * kBlockBytes;
      continue;
    }
    // Content waits only to complete a block; hashes wait until a full vector of blocks is there.
    const size_t limit = index == 0 ? kBlockBytes : kPendingBytes;
    const size_t take = std::min(length, limit - here.used);
    std::memcpy(here.pending.data() + here.used, data, take);
    here.used += take, data += take, length -= take;
    if (here.used == limit) {
      here.used = 0;
      hash_blocks(index, here.pending.data(), limit / kBlockBytes);
    }
  }
}

void VerityHasher::hash_blocks(size_t index, const uint8_t* blocks, size_t count) {
  uint8_t digests[kPendingBlocks * kMaxDigestBytes];
  hash_messages(algorithm_, blocks, kBlockBytes, count, digests);
  append(index + 1, digests, count * digest_size());
}

void VerityHasher::flush(size_t index) {
  Level& here = level(index);
  if (here.used == 0) return;
  const size_t blocks = (here.used + kBlockBytes - 1) / kBlockBytes;
  std::memset(here.pending.data() + here.used, 0, blocks * kBlockBytes - here.used);
  here.used = 0;
  // `levels_` may grow in hash_blocks and move the vector's header, never its buffer.
  const uint8_t* data = here.pending.data();
  hash_blocks(index, data, blocks);
}

void VerityHasher::finish(uint8_t* digest) {
  uint8_t descriptor[kDescriptorBytes];
  const uint8_t* root = nullptr;
  if (total_ > 0) {  // the root of an empty file is all zeros
    size_t index = 0;
    do {
      flush(index++);
    } while (level(index).received > digest_size());
    root = level(index).pending.data();
  }
  write_descriptor(algorithm_, total_, root, descriptor);
  hash_messages(algorithm_, descriptor, kDescriptorBytes, 1, digest);
}

}  // namespace reflink
