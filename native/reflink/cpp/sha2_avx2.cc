// Compiled with -mavx2.
#include "sha2_lanes.h"

namespace reflink {

const Sha2Implementation kSha2Avx2 = {"avx2",
                                      {8, 3, hash_lanes<uint32_t, Vectors<32>::Words32>},
                                      {4, 3, hash_lanes<uint64_t, Vectors<32>::Words64>}};

}  // namespace reflink
