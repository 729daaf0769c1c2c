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

  /// The counts of all lanes in order.
  static void store_counts(Vector even, Vector odd, uint16_t* to) {
    const __m256i low = _mm256_unpacklo_epi16(even, odd);
    const __m256i high = _mm256_unpackhi_epi16(even, odd);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 16), _mm256_permute2x128_si256(low, high, 0x31));
  }
};

/// The float operations of what follows the counts.
struct Floats256 {
  using Vector = __m256;
  using Signs = __m256i;
  static constexpr int64_t kCount = 8;

  static Vector widen(const uint16_t* counts) {
    const __m128i shorts = _mm_loadu_si128(reinterpret_cast<const __m128i*>(counts));
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(shorts));
  }
  static Vector dot(Vector count, const float* valid) {
    return _mm256_fnmadd_ps(_mm256_set1_ps(2), count, _mm256_loadu_ps(valid));  // exact
  }
  static Vector scaled(float scale, Vector dot, float bias) {
    return _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(scale), dot), _mm256_set1_ps(bias));
  }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector prelu(Vector v, float slope) {
    const __m256 kept = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_GE_OQ);
    return _mm256_blendv_ps(_mm256_mul_ps(_mm256_set1_ps(slope), v), v, kept);
  }
  /// At most `left` values.
  static Vector load(const float* from, int64_t left) {
    return left >= kCount ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, lanes(left));
  }
  static void store(float* to, Vector v, int64_t left) {
    if (left >= kCount) return _mm256_storeu_ps(to, v);
    // Some CPUs take dozens of cycles for a masked store.
    __m128 part = _mm256_castps256_ps128(v);
    if ((left & 4) != 0) {
      _mm_storeu_ps(to, part);
      part = _mm256_extractf128_ps(v, 1);
      to += 4;
    }
    if ((left & 2) != 0) {
      _mm_storel_pi(reinterpret_cast<__m64*>(to), part);
      part = _mm_movehl_ps(part, part);
      to += 2;
    }
    if ((left & 1) != 0) _mm_store_ss(to, part);
  }
  static Signs no_signs() { return _mm256_setzero_si256(); }
  static Signs add_sign(Signs signs, Vector v, float threshold, int bit) {
    const __m256 met = _mm256_cmp_ps(v, _mm256_set1_ps(threshold), _CMP_GE_OQ);
    return _mm256_or_si256(signs, _mm256_and_si256(_mm256_castps_si256(met), _mm256_set1_epi32(bit)));
  }
  static void store_signs(uint8_t* to, Signs signs, int64_t left) {
    const __m128i shorts = _mm_packus_epi32(_mm256_castsi256_si128(signs), _mm256_extracti128_si256(signs, 1));
    const __m128i bytes = _mm_packus_epi16(shorts, shorts);
    if (left >= kCount) return _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
    uint64_t rest = static_cast<uint64_t>(_mm_cvtsi128_si64(bytes));
    for (int64_t i = 0; i < left; ++i, rest >>= 8) to[i] = static_cast<uint8_t>(rest);
  }

 private:
  static __m256i lanes(int64_t left) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(left)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace edgenet::x86
