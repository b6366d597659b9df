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

// The functions of one instruction set; absent ones have no lanes.
struct Sha2Functions {
  Sha2Group sha256[2];
  Sha2Group sha512[2];
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

// Implementations this processor can run, best first; a null pointer ends the list.
const Sha2Implementation* const* available_implementations();
bool use_implementation(const char* name);

}  // namespace reflink
