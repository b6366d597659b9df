// The fs-verity digest of a stream of bytes: Merkle tree of 4096-byte blocks without salt, then the descriptor
// (Documentation/filesystems/fsverity.rst, "File digest computation").
#pragma once

#include <vector>

#include "sha2.h"

namespace reflink {

constexpr size_t kBlockBytes = 4096;

// Memory: 64 KiB for each level of the tree, whatever the length. Reusable after reset().
class VerityHasher {
 public:
  explicit VerityHasher(Algorithm algorithm) : algorithm_(algorithm) {}

  void reset();
  void update(const uint8_t* data, size_t length);
  void finish(uint8_t* digest);  // leaves the hasher to be reset

  Algorithm algorithm() const { return algorithm_; }
  size_t digest_size() const { return digest_bytes(algorithm_); }

 private:
  // Blocks that wait to be hashed; level 0 holds file content, level n + 1 the hashes of level n.
  struct Level {
    std::vector<uint8_t> pending;
    size_t used = 0;
    uint64_t received = 0;  // bytes ever appended
  };

  Level& level(size_t index);
  void append(size_t index, const uint8_t* data, size_t length);
  void hash_blocks(size_t index, const uint8_t* blocks, size_t count);
  void flush(size_t index);

  Algorithm algorithm_;
  std::vector<Level> levels_;
  uint64_t total_ = 0;
};

// The digests of `count` files of at most one block and at least one byte, side by side. Each has its content in a block
// of its own, filled up with zeros; digests come out back to back.
void digest_single_blocks(Algorithm algorithm, const uint8_t* blocks, const uint64_t* sizes, size_t count,
                          uint8_t* digests);

}  // namespace reflink
