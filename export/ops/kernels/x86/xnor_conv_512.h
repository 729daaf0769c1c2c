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

  /// The counts of all lanes in order.
  static void store_counts(Vector even, Vector odd, uint16_t* to) {
    const __m512i low = _mm512_unpacklo_epi16(even, odd);
    const __m512i high = _mm512_unpackhi_epi16(even, odd);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    _mm512_storeu_si512(to, _mm512_permutex2var_epi64(low, first, high));
    _mm512_storeu_si512(to + 32, _mm512_permutex2var_epi64(low, second, high));
  }
};

/// The float operations of what follows the counts.
struct Floats512 {
  using Vector = __m512;
  using Signs = __m512i;
  static constexpr int64_t kCount = 16;

  static Vector widen(const uint16_t* counts) {
    const __m256i shorts = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(counts));
    return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(shorts));
  }
  static Vector dot(Vector count, const float* valid) {
    return _mm512_fnmadd_ps(_mm512_set1_ps(2), count, _mm512_loadu_ps(valid));  // exact
  }
  static Vector scaled(float scale, Vector dot, float bias) {
    return _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(scale), dot), _mm512_set1_ps(bias));
  }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector prelu(Vector v, float slope) {
    const __mmask16 scaled = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NGE_UQ);
    return _mm512_mask_mul_ps(v, scaled, _mm512_set1_ps(slope), v);
  }
  /// At most `left` values.
  static Vector load(const float* from, int64_t left) {
    return left >= kCount ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(lanes(left), from);
  }
  static void store(float* to, Vector v, int64_t left) {
    if (left >= kCount) return _mm512_storeu_ps(to, v);
    _mm512_mask_storeu_ps(to, lanes(left), v);
  }
  static Signs no_signs() { return _mm512_setzero_si512(); }
  static Signs add_sign(Signs signs, Vector v, float threshold, int bit) {
    const __mmask16 met = _mm512_cmp_ps_mask(v, _mm512_set1_ps(threshold), _CMP_GE_OQ);
    return _mm512_mask_or_epi32(signs, met, signs, _mm512_set1_epi32(bit));
  }
  static void store_signs(uint8_t* to, Signs signs, int64_t left) {
    const __m128i bytes = _mm512_cvtepi32_epi8(signs);
    if (left >= kCount) return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
    _mm_mask_storeu_epi8(to, lanes(left), bytes);
  }

 private:
  static __mmask16 lanes(int64_t left) { return static_cast<__mmask16>((1u << left) - 1); }
};

}  // namespace
}  // namespace edgenet::x86
