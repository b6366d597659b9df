// The fs-verity digest of a stream of bytes: Merkle tree of 4096-byte blocks without salt, then the descriptor
// (Documentation/filesystems/fsverity.rst, "File digest computation").
#pragma once

#include <vector>

#include "sha2.h"

namespace reflink {

constexpr size_t kBlockBytes = 4096;

// Memory: 128 KiB for each level of the tree, whatever the length. Reusable after reset().
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

// struct fsverity_descriptor without salt; `root` is null for an empty file.
constexpr size_t kDescriptorBytes = 256;
void write_descriptor(Algorithm algorithm, uint64_t size, const uint8_t* root, uint8_t* out);

}  // namespace reflink
