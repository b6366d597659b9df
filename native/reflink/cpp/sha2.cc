#include "sha2.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace reflink {
namespace {

#if defined(__x86_64__)
// Older compilers know no __builtin_cpu_supports("sha").
bool has_sha_ni() {
  unsigned a, b, c, d;
  return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}
#endif

constexpr Sha2Implementation kScalar = {"scalar", {&kSha2Scalar}};
constexpr Sha2Implementation kVector128 = {"vector128", {&kSha2Vector128, &kSha2Scalar}};
#if defined(__x86_64__)
constexpr Sha2Implementation kAvx2 = {"avx2", {&kSha2Avx2, &kSha2Scalar}};
constexpr Sha2Implementation kAvx2ShaNi = {"avx2+sha", {&kSha2Avx2, &kSha2ShaNi, &kSha2Scalar}};
constexpr Sha2Implementation kAvx512 = {"avx512", {&kSha2Avx512, &kSha2Scalar}};
constexpr Sha2Implementation kAvx512ShaNi = {"avx512+sha", {&kSha2Avx512, &kSha2ShaNi, &kSha2Scalar}};
#endif

struct Available {
  const Sha2Implementation* list[7] = {};

  Available() {
    size_t n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool sha_ni = has_sha_ni();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2")) {
      if (sha_ni) list[n++] = &kAvx512ShaNi;
      list[n++] = &kAvx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
      if (sha_ni) list[n++] = &kAvx2ShaNi;
      list[n++] = &kAvx2;
    }
#endif
    list[n++] = &kVector128;
    list[n++] = &kScalar;
  }
};

const Available& available() {
  static const Available instance;
  return instance;
}

std::atomic<const Sha2Implementation*> chosen{nullptr};

const Sha2Implementation& current() {
  const Sha2Implementation* implementation = chosen.load(std::memory_order_relaxed);
  return implementation ? *implementation : *available().list[0];
}

// The group that hashes most of the remaining messages in a given time.
const Sha2Group& fastest(Algorithm algorithm, size_t count) {
  const Sha2Group* best = nullptr;
  for (const Sha2Functions* functions : current().functions) {
    if (!functions) break;
    for (const Sha2Group& group : algorithm == Algorithm::kSha512 ? functions->sha512 : functions->sha256) {
      if (group.lanes == 0) break;
      if (!best || std::min(count, group.lanes) * best->cost > std::min(count, best->lanes) * group.cost) best = &group;
    }
  }
  return *best;
}

}  // namespace

const Sha2Implementation* const* available_implementations() { return available().list; }

bool use_implementation(const char* name) {
  for (const auto* const* it = available().list; *it; it++) {
    if (std::strcmp((*it)->name, name) == 0) {
      chosen.store(*it, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

ContinueSha256 continue_sha256() {
  for (const Sha2Functions* functions : current().functions) {
    if (functions && functions->continue_sha256) return functions->continue_sha256;
  }
  return nullptr;
}

void hash_messages(Algorithm algorithm, const uint8_t* messages, size_t length, size_t count, uint8_t* digests) {
  const uint8_t* pointers[kMaxLanes];
  while (count > 0) {
    const Sha2Group& group = fastest(algorithm, count);
    const size_t now = std::min(count, group.lanes);
    for (size_t i = 0; i < now; i++) pointers[i] = messages + i * length;
    group.hash(pointers, length, now, digests);
    messages += now * length;
    digests += now * digest_bytes(algorithm);
    count -= now;
  }
}

}  // namespace reflink
