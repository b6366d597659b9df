#include "crc64.h"

#include <cstring>

namespace reflink {
namespace {

// The polynomial is x^64 + x^4 + x^3 + x + 1, so multiplying by x^64 is multiplying by x^4 + x^3 + x + 1, and by
// x^512 (eight squarings on) by x^32 + x^24 + x^8 + 1: a few shifts, no table. In the reflected form bit 63 is x^0 and
// a shift to the right multiplies; what falls out on the right is folded back by the first rule.
template <class V>
inline V fold(V high) {
  return high ^ (high >> 1) ^ (high >> 3) ^ (high >> 4);
}
template <class V>
inline V times_x64(V a) {
  return fold(a) ^ fold(V(a << 63) ^ V(a << 61) ^ V(a << 60));
}
template <class V>
inline V times_x512(V a) {
  return (a ^ (a >> 8) ^ (a >> 24) ^ (a >> 32)) ^ fold(V(a << 56) ^ V(a << 40) ^ V(a << 32));
}

typedef uint64_t Words __attribute__((vector_size(64)));

inline uint64_t load_little_endian(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;  // every architecture we build for is little-endian
}

}  // namespace

void Crc64::update(const uint8_t* data, size_t length) {
  uint64_t crc = state_;
  if (length >= 128) {
    Words lanes;
    std::memcpy(&lanes, data, sizeof lanes);
    lanes[0] ^= crc;
    data += 64, length -= 64;
    for (; length >= 64; data += 64, length -= 64) {
      Words next;
      std::memcpy(&next, data, sizeof next);
      lanes = times_x512(lanes) ^ next;
    }
    crc = 0;
    for (int i = 0; i < 8; i++) crc = times_x64(crc ^ lanes[i]);
  }
  for (; length >= 8; data += 8, length -= 8) crc = times_x64(crc ^ load_little_endian(data));
  for (; length > 0; data++, length--) {
    // The byte has become the eight highest powers; they fall out by x^8 and fold back.
    const uint64_t byte = (crc ^ *data) & 0xff;
    crc = (crc >> 8) ^ fold(byte << 56);
  }
  state_ = crc;
}

}  // namespace reflink
