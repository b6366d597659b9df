// Compiled with -mavx512f -mavx512bw.
#include "sha2_lanes.h"

namespace reflink {

const Sha2Implementation kSha2Avx512 = {
    "avx512",
    {{32, 17, hash_lanes<uint32_t, Twice<Vectors<64>::Words32>>}, {16, 3, hash_lanes<uint32_t, Vectors<64>::Words32>}},
    {{16, 9, hash_lanes<uint64_t, Twice<Vectors<64>::Words64>>}, {8, 3, hash_lanes<uint64_t, Vectors<64>::Words64>}}};

}  // namespace reflink
