// Signs as bits, 64 to a word: bit k % 64 of word k / 64 is 1 for +1 and 0 for -1.
#pragma once
#include <cstdint>

namespace edgenet::scalar {

inline int64_t words(int64_t bits) { return (bits + 63) / 64; }

inline bool packed_bit(const uint8_t* row, int64_t k) { return (row[k / 8] >> (k % 8)) & 1; }

/// row[k] = sign(x[k] >= threshold[k]); spare bits are 0.
inline void binarize_row(const float* x, const float* threshold, int64_t count, uint64_t* row) {
  for (int64_t word = 0; word < words(count); ++word) {
    const int64_t end = (word + 1) * 64 < count ? 64 : count - word * 64;
    uint64_t bits = 0;
    for (int64_t i = 0; i < end; ++i) bits |= uint64_t{x[word * 64 + i] >= threshold[word * 64 + i]} << i;
    row[word] = bits;
  }
}

/// Packed rows of bytes as rows of words; spare bits are 0.
inline void widen_row(const uint8_t* packed, int64_t count, uint64_t* row) {
  for (int64_t word = 0; word < words(count); ++word) row[word] = 0;
  for (int64_t k = 0; k < count; ++k) row[k / 64] |= uint64_t{packed_bit(packed, k)} << (k % 64);
}

inline int64_t count_differing(const uint64_t* a, const uint64_t* b, int64_t word_count) {
  int64_t differing = 0;
  for (int64_t word = 0; word < word_count; ++word) differing += __builtin_popcountll(a[word] ^ b[word]);
  return differing;
}

/// Two roundings, as the specification has it: this file is compiled without contraction.
inline float scaled(float scale, int64_t dot, float addend) {
  const float product = scale * static_cast<float>(dot);
  return product + addend;
}

}  // namespace edgenet::scalar
