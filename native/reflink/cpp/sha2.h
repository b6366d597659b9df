// SHA-256 and SHA-512 over many messages of one length at a time. The blocks of a Merkle tree are independent, so a
// vector register can carry one message a lane; see bench/ for what that gains over one message after the other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reflink {

enum class Algorithm : int { kSha256 = 1, kSha512 = 2 };  // numbers of the kernel's fs-verity interface

constexpr size_t kMaxDigestBytes = 64;
constexpr size_t kMaxLanes = 32;
inline size_t digest_bytes(Algorithm algorithm) { return algorithm == Algorithm::kSha256 ? 32 : 64; }

// Hashes `count` messages of `length` bytes (a multiple of 128) that lie `length` bytes apart, digests back to back.
void hash_messages(Algorithm algorithm, const uint8_t* messages, size_t length, size_t count, uint8_t* digests);

// A compiled function that hashes up to `lanes` messages named by pointer.
struct Sha2Group {
  size_t lanes;
  size_t cost;  // picoseconds a call takes for each byte of one message, where this was measured; only ratios matter
  void (*hash)(const uint8_t* const* messages, size_t length, size_t count, uint8_t* digests);
};

// SHA-256 of data whose end has not come yet: what the blocks of 64 bytes before made of it.
struct Sha256State {
  uint32_t words[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};
inline constexpr Sha256State kSha256Start = {};

// Takes `blocks` more blocks into each of `count` states, one or two: two take little longer than one.
using ContinueSha256 = void (*)(Sha256State* const* to, const uint8_t* const* data, size_t blocks, size_t count);

// The functions of one instruction set; absent ones have no lanes or are null.
struct Sha2Functions {
  Sha2Group sha256[2];
  Sha2Group sha512[2];
  ContinueSha256 continue_sha256 = nullptr;
};

// A way to hash: of all its functions the one that is fastest for the number of messages at hand.
struct Sha2Implementation {
  const char* name;
  const Sha2Functions* functions[3];
};

extern const Sha2Functions kSha2Scalar;
extern const Sha2Functions kSha2Vector128;
#if defined(__x86_64__)
extern const Sha2Functions kSha2ShaNi;
extern const Sha2Functions kSha2Avx2;
extern const Sha2Functions kSha2Avx512;
#endif

// Of the implementation in use; null unless that has instructions for SHA-256.
ContinueSha256 continue_sha256();

// Implementations this processor can run, best first; a null pointer ends the list.
const Sha2Implementation* const* available_implementations();
bool use_implementation(const char* name);

}  // namespace reflink
