// The fs-verity digests of many small files at once: their blocks and descriptors fill the lanes of the widest vector,
// which those of one file alone would not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sha2.h"

namespace reflink {

class ContentGroup {
 public:
  static constexpr size_t kMaxFiles = kMaxLanes;
  // Up to here one block holds the hashes of a file's blocks, whichever the algorithm.
  static constexpr uint64_t kMaxFileBytes = 64 * 1024;

  ContentGroup();

  // One a thread, empty.
  static ContentGroup& of_thread();

  bool full() const { return sizes_.size() == kMaxFiles || used_ >= kFullBytes; }
  size_t count() const { return sizes_.size(); }
  void clear();
  // Room for the next content, kMaxFileBytes and one more byte; then what of it the content takes.
  uint8_t* place() { return buffer_.data() + used_; }
  void add(uint64_t size);

  void hash(Algorithm algorithm);
  const uint8_t* digest(size_t i) const { return digests_.data() + i * digest_bytes(algorithm_); }

 private:
  static constexpr size_t kFullBytes = 512 * 1024;

  Algorithm algorithm_ = Algorithm::kSha512;
  std::vector<uint8_t> buffer_;  // contents one after the other, each filled up with zeros to whole blocks
  size_t used_ = 0;
  std::vector<uint64_t> sizes_;
  std::vector<uint8_t> hashes_, upper_, roots_, descriptors_, digests_;
};

}  // namespace reflink
