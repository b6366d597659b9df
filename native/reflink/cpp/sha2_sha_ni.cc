// SHA-256 by the instructions that x86 processors have for it. Compiled with -msha -msse4.1.
#include <immintrin.h>

#include "sha2_lanes.h"

namespace reflink {
namespace {

__m128i load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

// Up to N messages at a time: the instructions of one fill the gaps that the others' latency leaves. They want the
// state as two vectors (abef and cdgh, named from the highest word down) and sixteen words of the schedule as four.
template <size_t N>
void hash_sha_ni(const uint8_t* const* messages, size_t length, size_t count, uint8_t* digests) {
  constexpr auto& kInitial = Sha2<uint32_t>::kInitial;
  const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  const uint8_t* data[N];
  __m128i abef[N], cdgh[N];
  for (size_t i = 0; i < N; i++) {
    data[i] = messages[i < count ? i : 0];
    abef[i] = _mm_set_epi32(kInitial[0], kInitial[1], kInitial[4], kInitial[5]);
    cdgh[i] = _mm_set_epi32(kInitial[2], kInitial[3], kInitial[6], kInitial[7]);
  }
  for (size_t offset = 0; offset <= length; offset += 64) {
    __m128i w[N][4], abef_before[N], cdgh_before[N];
    for (size_t i = 0; i < N; i++) {
      abef_before[i] = abef[i], cdgh_before[i] = cdgh[i];
      for (int q = 0; q < 4; q++) {
        w[i][q] = offset < length ? _mm_shuffle_epi8(load(data[i] + offset + 16 * q), big_endian) : __m128i{};
      }
      if (offset == length) {  // padding: the marker bit and the bit count
        w[i][0] = _mm_set_epi32(0, 0, 0, INT32_MIN);
        w[i][3] = _mm_set_epi32(static_cast<int>(length * 8), 0, 0, 0);
      }
    }
#pragma GCC unroll 16
    for (int q = 0; q < 16; q++) {  // four rounds each
      const __m128i constants = load(Sha2<uint32_t>::kRound + 4 * q);
#pragma GCC unroll 4
      for (size_t i = 0; i < N; i++) {
        __m128i &word = w[i][q & 3], next = w[i][(q + 1) & 3], last = w[i][(q + 3) & 3];
        const __m128i input = _mm_add_epi32(word, constants);
        cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], input);
        abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], _mm_unpackhi_epi64(input, input));
        if (q < 12) {  // the words of the schedule that are due sixteen rounds later
          const __m128i nine_later = _mm_alignr_epi8(last, w[i][(q + 2) & 3], 4);
          word = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(word, next), nine_later), last);
        }
      }
    }
    for (size_t i = 0; i < N; i++) {
      abef[i] = _mm_add_epi32(abef[i], abef_before[i]);
      cdgh[i] = _mm_add_epi32(cdgh[i], cdgh_before[i]);
    }
  }
  for (size_t i = 0; i < count; i++) {
    const __m128i abcd = _mm_unpackhi_epi64(cdgh[i], abef[i]), efgh = _mm_unpacklo_epi64(cdgh[i], abef[i]);
    const __m128i reversed = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i* digest = reinterpret_cast<__m128i*>(digests + 32 * i);
    _mm_storeu_si128(digest, _mm_shuffle_epi8(abcd, reversed));
    _mm_storeu_si128(digest + 1, _mm_shuffle_epi8(efgh, reversed));
  }
}

}  // namespace

const Sha2Functions kSha2ShaNi = {{{4, 1250, hash_sha_ni<4>}, {1, 560, hash_sha_ni<1>}}, {}};

}  // namespace reflink
