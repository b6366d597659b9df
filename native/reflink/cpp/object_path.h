// Where an object lies beneath objects/.
#pragma once

#include <cstring>

#include "sha2.h"

namespace reflink {

// XX/rest… of a digest.
struct ObjectPath {
  char text[2 * kMaxDigestBytes + 2];
  char directory[3];

  ObjectPath(const uint8_t* digest, size_t size) {
    static const char* kHex = "0123456789abcdef";
    char* out = text;
    for (size_t i = 0; i < size; i++) {
      *out++ = kHex[digest[i] >> 4], *out++ = kHex[digest[i] & 15];
      if (i == 0) *out++ = '/';
    }
    *out = '\0';
    memcpy(directory, text, 2);
    directory[2] = '\0';
  }
};

}  // namespace reflink
