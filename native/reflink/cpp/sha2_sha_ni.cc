// SHA-256 by the instructions that x86 processors have for it. Compiled with -msha -msse4.1.
#include <immintrin.h>

#include "sha2_lanes.h"

namespace reflink {
namespace {

__m128i load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

__m128i load_big_endian(const uint8_t* from) {
  return _mm_shuffle_epi8(load(from), _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
}

// The states of N messages as the instructions want them: two vectors each, named from the highest word down.
template <size_t N>
struct States {
  __m128i abef[N], cdgh[N];
};

// A block of each of N messages: the instructions of one fill the gaps that the others' latency leaves. `w` are sixteen
// words of each schedule as four vectors; they are used up.
template <size_t N>
[[gnu::always_inline]] inline void compress(States<N>& states, __m128i (&w)[N][4]) {
  auto& [abef, cdgh] = states;
  const States<N> before = states;
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
    abef[i] = _mm_add_epi32(abef[i], before.abef[i]);
    cdgh[i] = _mm_add_epi32(cdgh[i], before.cdgh[i]);
  }
}

// Up to N messages at a time.
template <size_t N>
void hash_sha_ni(const uint8_t* const* messages, size_t length, size_t count, uint8_t* digests) {
  constexpr auto& kInitial = Sha2<uint32_t>::kInitial;
  const uint8_t* data[N];
  States<N> states;
  auto& [abef, cdgh] = states;
  for (size_t i = 0; i < N; i++) {
    data[i] = messages[i < count ? i : 0];
    abef[i] = _mm_set_epi32(kInitial[0], kInitial[1], kInitial[4], kInitial[5]);
    cdgh[i] = _mm_set_epi32(kInitial[2], kInitial[3], kInitial[6], kInitial[7]);
  }
  for (size_t offset = 0; offset <= length; offset += 64) {
    __m128i w[N][4];
    for (size_t i = 0; i < N; i++) {
      for (int q = 0; q < 4; q++) {
        w[i][q] = offset < length ? load_big_endian(data[i] + offset + 16 * q) : __m128i{};
      }
      if (offset == length) {  // padding: the marker bit and the bit count
        w[i][0] = _mm_set_epi32(0, 0, 0, INT32_MIN);
        w[i][3] = _mm_set_epi32(static_cast<int>(length * 8), 0, 0, 0);
      }
    }
    compress(states, w);
  }
  for (size_t i = 0; i < count; i++) {
    const __m128i abcd = _mm_unpackhi_epi64(cdgh[i], abef[i]), efgh = _mm_unpacklo_epi64(cdgh[i], abef[i]);
    const __m128i reversed = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i* digest = reinterpret_cast<__m128i*>(digests + 32 * i);
    _mm_storeu_si128(digest, _mm_shuffle_epi8(abcd, reversed));
    _mm_storeu_si128(digest + 1, _mm_shuffle_epi8(efgh, reversed));
  }
}

template <size_t N>
void continue_sha_ni(Sha256State* const* to, const uint8_t* const* data, size_t blocks) {
  States<N> states;
  auto& [abef, cdgh] = states;
  for (size_t i = 0; i < N; i++) {
    const auto word = [&](int n) { return static_cast<int>(to[i]->words[n]); };
    abef[i] = _mm_set_epi32(word(0), word(1), word(4), word(5));
    cdgh[i] = _mm_set_epi32(word(2), word(3), word(6), word(7));
  }
  for (size_t block = 0; block < blocks; block++) {
    __m128i w[N][4];
    for (size_t i = 0; i < N; i++) {
      for (int q = 0; q < 4; q++) w[i][q] = load_big_endian(data[i] + 64 * block + 16 * q);
    }
    compress(states, w);
  }
  for (size_t i = 0; i < N; i++) {
    __m128i* const words = reinterpret_cast<__m128i*>(to[i]->words);
    _mm_storeu_si128(words, _mm_shuffle_epi32(_mm_unpackhi_epi64(cdgh[i], abef[i]), 0x1b));
    _mm_storeu_si128(words + 1, _mm_shuffle_epi32(_mm_unpacklo_epi64(cdgh[i], abef[i]), 0x1b));
  }
}

void continue_pair(Sha256State* const* to, const uint8_t* const* data, size_t blocks, size_t count) {
  if (count == 1) {
    continue_sha_ni<1>(to, data, blocks);
  } else {
    continue_sha_ni<2>(to, data, blocks);
  }
}

}  // namespace

const Sha2Functions kSha2ShaNi = {{{4, 1250, hash_sha_ni<4>}, {1, 560, hash_sha_ni<1>}}, {}, continue_pair};

}  // namespace reflink
