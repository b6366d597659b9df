#include "sha2.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>

namespace reflink {
namespace {

constexpr size_t kMaxVariants = 5;

struct Available {
  const Sha2Implementation* list[kMaxVariants] = {};

  Available() {
    size_t n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("bmi2")) {
      list[n++] = &kSha2Avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) list[n++] = &kSha2Avx2;
#endif
    list[n++] = &kSha2Vector128;
    list[n++] = &kSha2Scalar;
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

void hash_messages(Algorithm algorithm, const uint8_t* messages, size_t length, size_t count, uint8_t* digests) {
  const bool wide_words = algorithm == Algorithm::kSha512;
  const auto& groups = wide_words ? current().sha512 : current().sha256;
  const Sha2Group& scalar = wide_words ? kSha2Scalar.sha512[0] : kSha2Scalar.sha256[0];
  const size_t bytes = digest_bytes(algorithm);
  const uint8_t* pointers[kMaxLanes];
  while (count > 0) {
    const Sha2Group* found = std::find_if(std::begin(groups), std::end(groups), [count](const Sha2Group& group) {
      return group.lanes > 0 && count >= group.worthwhile;
    });
    const Sha2Group& use = found == std::end(groups) ? scalar : *found;
    const size_t now = count < use.lanes ? count : use.lanes;
    for (size_t i = 0; i < now; i++) pointers[i] = messages + i * length;
    use.hash(pointers, length, now, digests);
    messages += now * length;
    digests += now * bytes;
    count -= now;
  }
}

}  // namespace reflink
