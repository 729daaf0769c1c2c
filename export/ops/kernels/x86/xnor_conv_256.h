// The byte operations of the XNOR convolution, 256 bits wide.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

struct Bytes256 {
  using Vector = __m256i;
  static constexpr int64_t kBytes = 32;

  /// Computes value here: GCC 12 else moves additions past other look-ups, whose results it then spills.
  static void settle(Vector& value) { __asm__("" : "+x"(value)); }
  static Vector zero() { return _mm256_setzero_si256(); }
  static Vector load(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
  static Vector load_table(const uint8_t* table) {
    return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
  }
  /// The nibbles of 16 bytes, low ones first.
  static Vector load_nibbles(const uint8_t* from) {
    const __m256i bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    return _mm256_and_si256(_mm256_or_si256(bytes, _mm256_slli_epi16(bytes, 4)), _mm256_set1_epi8(15));
  }
  static Vector look_up(Vector table, Vector index) { return _mm256_shuffle_epi8(table, index); }
  static Vector add_bytes(Vector a, Vector b) { return _mm256_add_epi8(a, b); }
  static Vector subtract_bytes(Vector a, Vector b) { return _mm256_sub_epi8(a, b); }
  static Vector high_nibbles(Vector a) { return _mm256_and_si256(_mm256_srli_epi16(a, 4), _mm256_set1_epi8(15)); }
  /// 16 times every byte, modulo 256.
  static Vector to_high_nibbles(Vector a) {
    return _mm256_and_si256(_mm256_slli_epi16(a, 4), _mm256_set1_epi8(static_cast<char>(0xf0)));
  }
  static Vector even_bytes(Vector a) { return _mm256_and_si256(a, _mm256_set1_epi16(0xff)); }
  static Vector odd_bytes(Vector a) { return _mm256_srli_epi16(a, 8); }
  static Vector add_shorts(Vector a, Vector b) { return _mm256_add_epi16(a, b); }

  /// y = scale * (valid - 2 * count) + bias for the first `lanes` positions.
  static void store_outputs(Vector even, Vector odd, const float* valid, float scale, float bias, float* y,
                            int64_t lanes) {
    __m128i counts[4];
    in_order(even, odd, counts);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256 count = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(counts[i]));
      const __m256 dot = _mm256_fnmadd_ps(_mm256_set1_ps(2), count, _mm256_loadu_ps(valid + 8 * i));  // exact
      const __m256 result = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(scale), dot), _mm256_set1_ps(bias));
      if (lanes >= 8 * (i + 1)) {
        _mm256_storeu_ps(y + 8 * i, result);
      } else {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i left = _mm256_set1_epi32(static_cast<int>(lanes - 8 * i));
        if (lanes > 8 * i) _mm256_maskstore_ps(y + 8 * i, _mm256_cmpgt_epi32(left, lane), result);
        return;
      }
    }
  }

  /// The counts of all lanes in order.
  static void store_counts(Vector even, Vector odd, float* to) {
    __m128i counts[4];
    in_order(even, odd, counts);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) _mm256_storeu_ps(to + 8 * i, _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(counts[i])));
  }

 private:
  static void in_order(Vector even, Vector odd, __m128i (&counts)[4]) {
    const __m256i low = _mm256_unpacklo_epi16(even, odd);
    const __m256i high = _mm256_unpackhi_epi16(even, odd);
    counts[0] = _mm256_castsi256_si128(low);
    counts[1] = _mm256_castsi256_si128(high);
    counts[2] = _mm256_extracti128_si256(low, 1);
    counts[3] = _mm256_extracti128_si256(high, 1);
  }
};

}  // namespace
}  // namespace edgenet::x86
