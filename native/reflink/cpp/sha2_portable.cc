// Variants that every processor of the architecture runs: one message at a time, and 128-bit vectors (SSE2, NEON).
#include "sha2_lanes.h"

namespace reflink {

const Sha2Implementation kSha2Scalar = {
    "scalar", {{1, 1, hash_lanes<uint32_t, uint32_t>}}, {{1, 1, hash_lanes<uint64_t, uint64_t>}}};

const Sha2Implementation kSha2Vector128 = {
    "vector128", {{4, 3, hash_lanes<uint32_t, Vectors<16>::Words32>}}, {{1, 1, hash_lanes<uint64_t, uint64_t>}}};

}  // namespace reflink
