// Compiled with -mavx2.
#include "sha2_lanes.h"

namespace reflink {

const Sha2Implementation kSha2Avx2 = {
    "avx2",
    {{16, 9, hash_lanes<uint32_t, Twice<Vectors<32>::Words32>>}, {8, 3, hash_lanes<uint32_t, Vectors<32>::Words32>}},
    {{8, 5, hash_lanes<uint64_t, Twice<Vectors<32>::Words64>>}, {4, 3, hash_lanes<uint64_t, Vectors<32>::Words64>}}};

}  // namespace reflink
