// What every processor of the architecture runs: one message at a time, and 128-bit vectors (SSE2, NEON).
#include "sha2_lanes.h"

namespace reflink {

const Sha2Functions kSha2Scalar = {{{1, 2300, hash_lanes<uint32_t, uint32_t, 1>}},
                                   {{1, 1500, hash_lanes<uint64_t, uint64_t, 1>}}};

const Sha2Functions kSha2Vector128 = {{{4, 4700, hash_lanes<uint32_t, Vectors<16>::Words32, 1>}}, {}};

}  // namespace reflink
