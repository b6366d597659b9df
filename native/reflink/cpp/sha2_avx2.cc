// Compiled with -mavx2 -mbmi2.
#include "sha2_lanes.h"

namespace reflink {

const Sha2Functions kSha2Avx2 = {{{16, 8400, hash_lanes<uint32_t, Vectors<32>::Words32, 2>},
                                  {8, 4300, hash_lanes<uint32_t, Vectors<32>::Words32, 1>}},
                                 {{8, 5000, hash_lanes<uint64_t, Vectors<32>::Words64, 2>},
                                  {4, 2700, hash_lanes<uint64_t, Vectors<32>::Words64, 1>}}};

}  // namespace reflink
