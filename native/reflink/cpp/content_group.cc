#include "content_group.h"

#include <cstring>

#include "verity_hasher.h"

namespace reflink {
namespace {

size_t blocks_of(uint64_t size) { return static_cast<size_t>((size + kBlockBytes - 1) / kBlockBytes); }

}  // namespace

ContentGroup::ContentGroup() : buffer_(kFullBytes + kMaxFileBytes + kBlockBytes), roots_(kMaxFiles * kMaxDigestBytes),
      descriptors_(kMaxFiles * kDescriptorBytes), digests_(kMaxFiles * kMaxDigestBytes) {
  hashes_.resize(buffer_.size() / kBlockBytes * kMaxDigestBytes);
  upper_.resize(kMaxFiles * kBlockBytes);
  sizes_.reserve(kMaxFiles);
}

ContentGroup& ContentGroup::of_thread() {
  thread_local ContentGroup group;
  group.clear();
  return group;
}

void ContentGroup::clear() {
  sizes_.clear();
  used_ = 0;
}

void ContentGroup::add(uint64_t size) {
  const size_t whole = blocks_of(size) * kBlockBytes;
  std::memset(place() + size, 0, whole - static_cast<size_t>(size));
  used_ += whole;
  sizes_.push_back(size);
}

void ContentGroup::hash(Algorithm algorithm) {
  algorithm_ = algorithm;
  const size_t width = digest_bytes(algorithm);
  hash_messages(algorithm, buffer_.data(), kBlockBytes, used_ / kBlockBytes, hashes_.data());

  // Second level: a block of hashes for each file of several blocks; that of a single block is the root itself.
  const uint8_t* hashes = hashes_.data();
  size_t uppers = 0;
  for (size_t i = 0; i < sizes_.size(); i++) {
    const size_t blocks = blocks_of(sizes_[i]);
    if (blocks > 1) {
      uint8_t* block = upper_.data() + uppers++ * kBlockBytes;
      std::memcpy(block, hashes, blocks * width);
      std::memset(block + blocks * width, 0, kBlockBytes - blocks * width);
    }
    hashes += blocks * width;
  }
  hash_messages(algorithm, upper_.data(), kBlockBytes, uppers, roots_.data());

  hashes = hashes_.data();
  const uint8_t* root = roots_.data();
  for (size_t i = 0; i < sizes_.size(); i++) {
    const size_t blocks = blocks_of(sizes_[i]);
    const uint8_t* of_file = blocks == 0 ? nullptr : blocks == 1 ? hashes : root;
    write_descriptor(algorithm, sizes_[i], of_file, descriptors_.data() + i * kDescriptorBytes);
    if (blocks > 1) root += width;
    hashes += blocks * width;
  }
  hash_messages(algorithm, descriptors_.data(), kDescriptorBytes, sizes_.size(), digests_.data());
}

}  // namespace reflink
