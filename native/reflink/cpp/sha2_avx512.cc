// Compiled with -mavx512f -mavx512bw -mbmi2.
#include "sha2_lanes.h"

namespace reflink {

const Sha2Functions kSha2Avx512 = {{{32, 5000, hash_lanes<uint32_t, Vectors<64>::Words32, 2>},
                                    {16, 3200, hash_lanes<uint32_t, Vectors<64>::Words32, 1>}},
                                   {{16, 2900, hash_lanes<uint64_t, Vectors<64>::Words64, 2>},
                                    {8, 1900, hash_lanes<uint64_t, Vectors<64>::Words64, 1>}}};

}  // namespace reflink
