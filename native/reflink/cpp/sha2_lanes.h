// FIPS 180-4 SHA-256 and SHA-512, written once over a "vector of words" type: a plain integer or a GNU vector type.
// Everything is in an anonymous namespace, because each file that includes this is compiled for other instructions.
#pragma once

#include <cstring>
#include <utility>

#include "sha2.h"

namespace {

inline uint32_t big_endian(uint32_t x) { return __builtin_bswap32(x); }
inline uint64_t big_endian(uint64_t x) { return __builtin_bswap64(x); }

template <class Word>
struct Sha2;

template <>
struct Sha2<uint32_t> {
  static constexpr int kRounds = 64;
  static constexpr int kBig0[3] = {2, 13, 22}, kBig1[3] = {6, 11, 25};      // Σ0, Σ1: rotations
  static constexpr int kSmall0[3] = {7, 18, 3}, kSmall1[3] = {17, 19, 10};  // σ0, σ1: two rotations, a shift
  static constexpr const uint32_t (&kInitial)[8] = reflink::kSha256Start.words;
  static constexpr uint32_t kRound[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
};

template <>
struct Sha2<uint64_t> {
  static constexpr int kRounds = 80;
  static constexpr int kBig0[3] = {28, 34, 39}, kBig1[3] = {14, 18, 41};
  static constexpr int kSmall0[3] = {1, 8, 7}, kSmall1[3] = {19, 61, 6};
  static constexpr uint64_t kInitial[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                           0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                           0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
  static constexpr uint64_t kRound[80] = {
      0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
      0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
      0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
      0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
      0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
      0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
      0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
      0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
      0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
      0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
      0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
      0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
      0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
      0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
      0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
      0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};
};

// Byte i of each word becomes what was byte First + Step * i of it (modulo the word).
template <class Word, int First, int Step, class V, int... I>
inline V move_bytes(V x, std::integer_sequence<int, I...>) {
  typedef uint8_t Bytes __attribute__((vector_size(sizeof(V))));
  constexpr int kWord = sizeof(Word);
  const Bytes bytes = reinterpret_cast<const Bytes&>(x);
  const Bytes moved =
      __builtin_shufflevector(bytes, bytes, (I / kWord * kWord + (First + Step * (I % kWord)) % kWord)...);
  return reinterpret_cast<const V&>(moved);
}

template <class Word, class V>
inline V big_endian(V x) {
  return move_bytes<Word, sizeof(Word) - 1, -1>(x, std::make_integer_sequence<int, sizeof(V)>());
}

template <class Word, int N, class V>
inline V rotate_right(V x) {
  if constexpr (N % 8 == 0 && sizeof(V) == 32) {  // AVX2 has no rotations but a shuffle of bytes
    return move_bytes<Word, N / 8, 1>(x, std::make_integer_sequence<int, sizeof(V)>());
  } else {
    return (x >> N) | (x << (static_cast<int>(sizeof(Word)) * 8 - N));
  }
}

// Eight rounds of G groups of lanes: the rounds of one group fill the gaps that the other's latency leaves. `state` is
// a ring, so that after eight rounds each variable is in its place again. Extend: these rounds also compute the words
// of the schedule that are due sixteen rounds later. No more rounds than these are unrolled, because the processor's
// cache of decoded instructions has to hold the loop.
template <class Word, bool Extend, int G, class V>
inline void eight_rounds(V state[G][8], V (*w)[G], const Word* constants) {
  using P = Sha2<Word>;
#pragma GCC unroll 8
  for (int t = 0; t < 8; t++) {
#pragma GCC unroll 2
    for (int i = 0; i < G; i++) {
      V* s = state[i];
      const V a = s[-t & 7], b = s[(1 - t) & 7], c = s[(2 - t) & 7];
      const V e = s[(4 - t) & 7], f = s[(5 - t) & 7], g = s[(6 - t) & 7], h = s[(7 - t) & 7];
      const V big1 = rotate_right<Word, P::kBig1[0]>(e) ^ rotate_right<Word, P::kBig1[1]>(e) ^
                     rotate_right<Word, P::kBig1[2]>(e);
      const V big0 = rotate_right<Word, P::kBig0[0]>(a) ^ rotate_right<Word, P::kBig0[1]>(a) ^
                     rotate_right<Word, P::kBig0[2]>(a);
      const V choice = g ^ (e & (f ^ g));
      const V majority = b ^ ((a ^ b) & (b ^ c));  // b ^ c was a ^ b a round ago
      // In this order each round's chain of dependent additions is shortest.
      const V t1 = ((h + w[t][i] + constants[t]) + choice) + big1;
      s[(3 - t) & 7] += t1;
      s[(7 - t) & 7] = (t1 + majority) + big0;
      if (Extend) {
        const V x = w[t + 1][i], y = w[t + 14][i];
        const V small0 = rotate_right<Word, P::kSmall0[0]>(x) ^ rotate_right<Word, P::kSmall0[1]>(x) ^
                         (x >> P::kSmall0[2]);
        const V small1 = rotate_right<Word, P::kSmall1[0]>(y) ^ rotate_right<Word, P::kSmall1[1]>(y) ^
                         (y >> P::kSmall1[2]);
        w[t + 16][i] = (w[t][i] + w[t + 9][i]) + (small0 + small1);
      }
    }
  }
}

// Two steps of transposing a square of words, W of them in 16 bytes. Both merge rows at a distance of D: the first
// takes their words by turns within each 16 bytes, the second the even or the odd ones of all their pieces of 16 bytes.
// There is one instruction for each of these.
template <int D, int W, class V, int... I>
inline void merge_words(V* rows, std::integer_sequence<int, I...>) {
  constexpr int kRows = sizeof...(I);
  for (int i = 0; i < kRows; i++) {
    if (i & D) continue;
    const V a = rows[i], b = rows[i + D];
    rows[i] = __builtin_shufflevector(a, b, (I / W * W + I % W / 2 + I % 2 * kRows)...);
    rows[i + D] = __builtin_shufflevector(a, b, (I / W * W + I % W / 2 + I % 2 * kRows + W / 2)...);
  }
}

template <int D, int W, class V, int... I>
inline void merge_pieces(V* rows, std::integer_sequence<int, I...>) {
  for (size_t i = 0; i < sizeof...(I); i++) {
    if (i & D) continue;
    const V a = rows[i], b = rows[i + D];
    rows[i] = __builtin_shufflevector(a, b, (I / W * 2 * W + I % W)...);
    rows[i + D] = __builtin_shufflevector(a, b, (I / W * 2 * W + I % W + W)...);
  }
}

// Turns rows into columns.
template <class Word, class V>
inline void transpose(V* rows) {
  constexpr int kWords = 16 / sizeof(Word);
  constexpr auto kIndexes = std::make_integer_sequence<int, sizeof(V) / sizeof(Word)>();
  if constexpr (kWords == 4) merge_words<2, kWords>(rows, kIndexes);
  merge_words<1, kWords>(rows, kIndexes);
  merge_pieces<kWords, kWords>(rows, kIndexes);
  if constexpr (sizeof(V) > 32) merge_pieces<2 * kWords, kWords>(rows, kIndexes);
}

// The sixteen words of a message block, those of all lanes side by side.
template <class Word, int G, class V>
inline void load_block(const uint8_t* const* lanes, size_t offset, V (*w)[G]) {
  constexpr int kLanes = sizeof(V) / sizeof(Word);
  if constexpr (sizeof(V) >= 32) {
#pragma GCC unroll 2
    for (int g = 0; g < G; g++) {
#pragma GCC unroll 4
      for (int part = 0; part < 16; part += kLanes) {
        V rows[kLanes];
#pragma GCC unroll 16
        for (int lane = 0; lane < kLanes; lane++) {
          V row;
          std::memcpy(&row, lanes[g * kLanes + lane] + offset + part * sizeof(Word), sizeof(V));
          rows[lane] = big_endian<Word>(row);
        }
        transpose<Word>(rows);
        for (int t = 0; t < kLanes; t++) w[part + t][g] = rows[t];
      }
    }
  } else {  // not every processor has a shuffle of bytes for the narrower ones
    for (int t = 0; t < 16; t++) {
      Word words[G * kLanes];
      for (int lane = 0; lane < G * kLanes; lane++) {
        std::memcpy(&words[lane], lanes[lane] + offset + t * sizeof(Word), sizeof(Word));
        words[lane] = big_endian(words[lane]);
      }
      std::memcpy(w[t], words, sizeof words);
    }
  }
}

// Hashes up to as many messages as G vectors have lanes; lanes without a message repeat the first.
template <class Word, class V, int G>
void hash_lanes(const uint8_t* const* messages, size_t length, size_t count, uint8_t* digests) {
  using P = Sha2<Word>;
  constexpr size_t kLanes = sizeof(V) / sizeof(Word);
  constexpr size_t kBlock = 16 * sizeof(Word);
  const uint8_t* lanes[G * kLanes];
  for (size_t lane = 0; lane < G * kLanes; lane++) lanes[lane] = messages[lane < count ? lane : 0];

  V state[G][8], w[P::kRounds][G];
  for (int g = 0; g < G; g++) {
    for (int i = 0; i < 8; i++) state[g][i] = V{} + P::kInitial[i];
  }
  for (size_t offset = 0; offset <= length; offset += kBlock) {
    if (offset < length) {
      load_block<Word>(lanes, offset, w);
    } else {
      // Padding: `length` fills whole blocks, so the last block is the marker bit, zeros and the bit count.
      for (int g = 0; g < G; g++) {
        w[0][g] = V{} + (Word{1} << (sizeof(Word) * 8 - 1));
        for (int t = 1; t < 15; t++) w[t][g] = V{};
        w[15][g] = V{} + static_cast<Word>(length * 8);
      }
    }
    V before[G][8];
    std::memcpy(before, state, sizeof state);
    int t = 0;
    for (; t < P::kRounds - 16; t += 8) eight_rounds<Word, true, G>(state, w + t, P::kRound + t);
    for (; t < P::kRounds; t += 8) eight_rounds<Word, false, G>(state, w + t, P::kRound + t);
    for (int g = 0; g < G; g++) {
      for (int i = 0; i < 8; i++) state[g][i] += before[g][i];
    }
  }

  Word out[G][8][kLanes];
  std::memcpy(out, state, sizeof out);
  for (size_t lane = 0; lane < count; lane++) {
    for (int i = 0; i < 8; i++) {
      const Word word = big_endian(out[lane / kLanes][i][lane % kLanes]);
      std::memcpy(digests + (lane * 8 + i) * sizeof(Word), &word, sizeof word);
    }
  }
}

template <size_t Bytes>
struct Vectors {
  typedef uint32_t Words32 __attribute__((vector_size(Bytes)));
  typedef uint64_t Words64 __attribute__((vector_size(Bytes)));
};

}  // namespace
