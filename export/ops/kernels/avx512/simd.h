// The vector operations that the kernels of kernels/x86/ are written in, 512 bits wide.
#pragma once
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own _mm512_undefined_ps()
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

#include <cstdint>

namespace edgenet::avx512 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX-512

struct Simd {
  using Float = __m512;
  using Int = __m512i;
  static constexpr int kLanes = 16;

  // Shape of the look-up of kernels/x86/lookup.h.
  static constexpr int kGroup = 4;      ///< activations a table: vpermps picks one of 16 sums
  static constexpr int kFields = 8;     ///< table indices in a 32-bit word
  static constexpr int kVectors = 4;    ///< vectors of outputs a block
  static constexpr int kPositions = 6;  ///< 6 x 4 sums, 4 indices and a table fill 29 of 32 registers

  // Shape of the bit count of kernels/x86/xnor.h: 4 weight rows x 4 input rows are 16 counters.
  static constexpr int kXnorRows = 4;
  static constexpr int64_t kCountChunks = 31;  ///< a byte counts to 8 a chunk and must not pass 255

  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Float value) { _mm512_storeu_ps(to, value); }
  static Float load_first(const float* from, int64_t count) { return _mm512_maskz_loadu_ps(first(count), from); }
  static void store_first(float* to, Float value, int64_t count) { _mm512_mask_storeu_ps(to, first(count), value); }
  /// Computes value here: GCC 12 else moves additions past dozens of look-ups, whose results it then spills.
  template <class Vector>
  static void settle(Vector& value) {
    __asm__("" : "+v"(value));
  }
  static Float set(float value) { return _mm512_set1_ps(value); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float divide(Float a, Float b) { return _mm512_div_ps(a, b); }
  static Float multiply_add(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  /// b where either is NaN.
  static Float minimum(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float maximum(Float a, Float b) { return _mm512_max_ps(a, b); }
  static float sum(Float a) { return _mm512_reduce_add_ps(a); }
  static Float magnitude(Float a) { return _mm512_abs_ps(a); }
  /// The magnitude of a with the sign of b.
  static Float with_sign(Float a, Float b) { return _mm512_or_ps(a, _mm512_and_ps(b, _mm512_set1_ps(-0.0f))); }
  static Float select_less(Float a, Float b, Float yes, Float no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static Float round(Float a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  /// 2^a for integers a in [-126, 127].
  static Float power_of_two(Float a) {
    const Int exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
  }

  /// table[i] = sum of x[j], negated where bit j of i is 0.
  static Float make_table(const float (&x)[kGroup]) {
    const Float sign0 = _mm512_setr_ps(-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1);
    const Float sign1 = _mm512_setr_ps(-1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1);
    const Float sign2 = _mm512_setr_ps(-1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1);
    const Float sign3 = _mm512_setr_ps(-1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1);
    const Float pair = multiply_add(set(x[1]), sign1, multiply(set(x[0]), sign0));
    return multiply_add(set(x[3]), sign3, multiply_add(set(x[2]), sign2, pair));
  }
  static Int load_index(const uint32_t* from) { return _mm512_loadu_si512(from); }
  static Int next_index(Int index) { return _mm512_mulhi_epu16(index, _mm512_set1_epi16(1 << (16 - kGroup))); }
  /// Every lane's table entry; the bits of an index above the lowest kGroup are ignored.
  static Float look_up(Int index, Float table) { return _mm512_permutexvar_ps(index, table); }

  static void transpose(Float (&rows)[kLanes]) {
    Float pairs[kLanes], quads[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
      pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      quads[4 * i] = low_halves(pairs[4 * i], pairs[4 * i + 2]);
      quads[4 * i + 1] = high_halves(pairs[4 * i], pairs[4 * i + 2]);
      quads[4 * i + 2] = low_halves(pairs[4 * i + 1], pairs[4 * i + 3]);
      quads[4 * i + 3] = high_halves(pairs[4 * i + 1], pairs[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Float even0 = _mm512_shuffle_f32x4(quads[i], quads[4 + i], 0x88);
      const Float odd0 = _mm512_shuffle_f32x4(quads[i], quads[4 + i], 0xdd);
      const Float even1 = _mm512_shuffle_f32x4(quads[8 + i], quads[12 + i], 0x88);
      const Float odd1 = _mm512_shuffle_f32x4(quads[8 + i], quads[12 + i], 0xdd);
      rows[i] = _mm512_shuffle_f32x4(even0, even1, 0x88);
      rows[4 + i] = _mm512_shuffle_f32x4(odd0, odd1, 0x88);
      rows[8 + i] = _mm512_shuffle_f32x4(even0, even1, 0xdd);
      rows[12 + i] = _mm512_shuffle_f32x4(odd0, odd1, 0xdd);
    }
  }

  static constexpr int kBytes = 64;
  static Int zero() { return _mm512_setzero_si512(); }
  static Int load_bytes(const uint8_t* from) { return _mm512_loadu_si512(from); }
  /// The first count bytes of from, 0 beyond; `end`, where the memory ends, is not needed here.
  static Int load_first_bytes(const uint8_t* from, int64_t count, const uint8_t* /*end*/) {
    return _mm512_maskz_loadu_epi8(count >= kBytes ? ~uint64_t{0} : (uint64_t{1} << count) - 1, from);
  }
  /// For every byte the number of bits in which a and b differ.
  static Int count_differing(Int a, Int b) { return count_differing(a, b, all_nibbles(), all_nibbles()); }
  /// The same among the bits of `mask`.
  static Int count_differing(Int a, Int b, Int mask) {
    const Int high_mask = _mm512_and_si512(_mm512_srli_epi16(mask, 4), all_nibbles());
    return count_differing(a, b, _mm512_and_si512(mask, all_nibbles()), high_mask);
  }
  static Int add_counts(Int a, Int b) { return _mm512_add_epi8(a, b); }
  static Int add_words(Int a, Int b) { return _mm512_add_epi64(a, b); }
  /// The sum of every 8 bytes as a 64-bit lane.
  static Int sum_counts(Int bytes) { return _mm512_sad_epu8(bytes, zero()); }
  /// 64-bit lanes below 2^32 of two vectors as the even and the odd 32-bit lanes of one.
  static Int interleave(Int even, Int odd) { return _mm512_or_si512(even, _mm512_slli_epi64(odd, 32)); }
  /// pairs[i] holds partial sums of row 2i in its even lanes and of row 2i + 1 in its odd ones: lane r is row r's sum.
  static Int sum_rows(const Int (&pairs)[kLanes / 2]) {
    Int quads[4], eights[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      quads[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(pairs[2 * i], pairs[2 * i + 1]),
                                  _mm512_unpackhi_epi64(pairs[2 * i], pairs[2 * i + 1]));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) eights[i] = add_quarters(quads[2 * i], quads[2 * i + 1]);
    return add_quarters(eights[0], eights[1]);
  }
  /// total - 2 * count, exact in float for totals below 2^24.
  static Float dot_from_count(Int count, int64_t total) {
    return _mm512_cvtepi32_ps(
        _mm512_sub_epi32(_mm512_set1_epi32(static_cast<int>(total)), _mm512_add_epi32(count, count)));
  }
  /// Writes the kLanes bits x >= threshold.
  static void store_signs(uint8_t* to, Float x, Float threshold) {
    _store_mask16(reinterpret_cast<__mmask16*>(to), _mm512_cmp_ps_mask(x, threshold, _CMP_GE_OQ));
  }

  // What bit slices and tables of bytes are added and turned by.
  static constexpr int64_t kFewSliceOutputs = 128;         ///< of which too few bits of a vector are used
  static constexpr int64_t kNearBytes = int64_t{1} << 20;  ///< of weights: more are fetched before their turn
  static void store_bytes(uint8_t* to, Int value) { _mm512_storeu_si512(to, value); }
  /// Adds a and b to sum, bit by bit, and returns the carries.
  static Int add_bits(Int& sum, Int a, Int b) {
    constexpr int kParity = 0x96, kMajority = 0xe8;
    const Int carry = _mm512_ternarylogic_epi64(a, b, sum, kMajority);
    sum = _mm512_ternarylogic_epi64(a, b, sum, kParity);
    return carry;
  }
  static Int set_bytes(char value) { return _mm512_set1_epi8(value); }
  template <int bits>
  static Int words_down(Int a) {
    return _mm512_srli_epi16(a, bits);
  }
  template <int bits>
  static Int words_up(Int a) {
    return _mm512_slli_epi16(a, bits);
  }
  static Int set_lanes(int32_t value) { return _mm512_set1_epi32(value); }
  /// kLanes bytes as 32-bit lanes.
  static Int widen_bytes(const uint8_t* from) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  template <int bits>
  static Int lanes_up(Int a) {
    return _mm512_slli_epi32(a, bits);
  }
  static Int add_lanes(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static Int subtract_lanes(Int a, Int b) { return _mm512_sub_epi32(a, b); }
  static Float to_float(Int a) { return _mm512_cvtepi32_ps(a); }

 private:
  static Int all_nibbles() { return _mm512_set1_epi8(15); }
  static Int count_differing(Int a, Int b, Int low_mask, Int high_mask) {
    constexpr int kDifferAndMask = 0x28;  // (a ^ b) & mask
    const Int counts = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const Int low = _mm512_ternarylogic_epi32(a, b, low_mask, kDifferAndMask);
    const Int high =
        _mm512_ternarylogic_epi32(_mm512_srli_epi16(a, 4), _mm512_srli_epi16(b, 4), high_mask, kDifferAndMask);
    return add_counts(_mm512_shuffle_epi8(counts, low), _mm512_shuffle_epi8(counts, high));
  }
  static __mmask16 first(int64_t count) { return static_cast<__mmask16>((uint32_t{1} << count) - 1); }
  static Float low_halves(Float a, Float b) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  static Float high_halves(Float a, Float b) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  static Int add_quarters(Int a, Int b) {
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  }
};

}  // namespace
}  // namespace edgenet::avx512
