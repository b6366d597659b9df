// CRC-64 "GO-ISO": reflected polynomial 0xD800000000000000, initial value and final xor all ones.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reflink {

class Crc64 {
 public:
  void update(const uint8_t* data, size_t length);
  uint64_t value() const { return ~state_; }

 private:
  uint64_t state_ = ~uint64_t{0};
};

}  // namespace reflink
