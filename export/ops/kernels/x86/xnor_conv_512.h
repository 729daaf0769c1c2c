// The byte operations of the XNOR convolution, 512 bits wide.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

struct Bytes512 {
  using Vector = __m512i;
  static constexpr int64_t kBytes = 64;

  /// Computes value here: GCC 12 else moves additions past other look-ups, whose results it then spills.
  static void settle(Vector& value) { __asm__("" : "+v"(value)); }
  static Vector zero() { return _mm512_setzero_si512(); }
  static Vector load(const uint8_t* from) { return _mm512_loadu_si512(from); }
  static Vector load_table(const uint8_t* table) {
    return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
  }
  /// The nibbles of 32 bytes, low ones first.
  static Vector load_nibbles(const uint8_t* from) {
    const __m512i bytes = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    return _mm512_and_si512(_mm512_or_si512(bytes, _mm512_slli_epi16(bytes, 4)), _mm512_set1_epi8(15));
  }
  static Vector look_up(Vector table, Vector index) { return _mm512_shuffle_epi8(table, index); }
  static Vector add_bytes(Vector a, Vector b) { return _mm512_add_epi8(a, b); }
  static Vector subtract_bytes(Vector a, Vector b) { return _mm512_sub_epi8(a, b); }
  static Vector high_nibbles(Vector a) { return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(15)); }
  /// 16 times every byte, modulo 256.
  static Vector to_high_nibbles(Vector a) {
    return _mm512_and_si512(_mm512_slli_epi16(a, 4), _mm512_set1_epi8(static_cast<char>(0xf0)));
  }
  static Vector even_bytes(Vector a) { return _mm512_and_si512(a, _mm512_set1_epi16(0xff)); }
  static Vector odd_bytes(Vector a) { return _mm512_srli_epi16(a, 8); }
  static Vector add_shorts(Vector a, Vector b) { return _mm512_add_epi16(a, b); }

  /// y = scale * (valid - 2 * count) + bias for the first `lanes` positions.
  static void store_outputs(Vector even, Vector odd, const float* valid, float scale, float bias, float* y,
                            int64_t lanes) {
    __m256i counts[4];
    in_order(even, odd, counts);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512 count = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(counts[i]));
      const __m512 dot = _mm512_fnmadd_ps(_mm512_set1_ps(2), count, _mm512_loadu_ps(valid + 16 * i));  // exact
      const __m512 result = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(scale), dot), _mm512_set1_ps(bias));
      if (lanes >= 16 * (i + 1)) {
        _mm512_storeu_ps(y + 16 * i, result);
      } else {
        if (lanes > 16 * i)
          _mm512_mask_storeu_ps(y + 16 * i, static_cast<__mmask16>((1u << (lanes - 16 * i)) - 1), result);
        return;
      }
    }
  }

  /// The counts of all lanes in order.
  static void store_counts(Vector even, Vector odd, float* to) {
    __m256i counts[4];
    in_order(even, odd, counts);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) _mm512_storeu_ps(to + 16 * i, _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(counts[i])));
  }

 private:
  static void in_order(Vector even, Vector odd, __m256i (&counts)[4]) {
    const __m512i low = _mm512_unpacklo_epi16(even, odd);
    const __m512i high = _mm512_unpackhi_epi16(even, odd);
    const __m512i first = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high);
    const __m512i second = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high);
    counts[0] = _mm512_castsi512_si256(first);
    counts[1] = _mm512_extracti64x4_epi64(first, 1);
    counts[2] = _mm512_castsi512_si256(second);
    counts[3] = _mm512_extracti64x4_epi64(second, 1);
  }
};

}  // namespace
}  // namespace edgenet::x86
