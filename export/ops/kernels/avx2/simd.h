// The vector operations that the kernels of kernels/x86/ are written in, 256 bits wide.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

struct Simd {
  using Float = __m256;
  using Int = __m256i;
  static constexpr int kLanes = 8;

  // Shape of the look-up of kernels/x86/lookup.h. Only the lower kGroup * kFields / 2 bits of a half word are used.
  static constexpr int kGroup = 3;      ///< activations a table: vpermps picks one of 8 sums
  static constexpr int kFields = 10;    ///< table indices in a 32-bit word
  static constexpr int kVectors = 2;    ///< vectors of outputs a block
  static constexpr int kPositions = 6;  ///< 6 x 2 sums, 2 indices and a table fill 15 of 16 registers

  // Shape of the bit count of kernels/x86/xnor.h: 4 weight rows x 2 input rows are 8 counters.
  static constexpr int kXnorRows = 2;
  static constexpr int64_t kCountChunks = 31;  ///< a byte counts to 8 a chunk and must not pass 255

  static Float load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Float value) { _mm256_storeu_ps(to, value); }
  static Float load_first(const float* from, int64_t count) { return _mm256_maskload_ps(from, first(count)); }
  /// AMD's CPUs take dozens of cycles to store by a mask.
  static void store_first(float* to, Float value, int64_t count) {
    if (count >= kLanes) return store(to, value);
    _mm256_maskstore_ps(to, first(count), value);
  }
  /// Computes value here: GCC 12 else moves additions past dozens of look-ups, whose results it then spills.
  template <class Vector>
  static void settle(Vector& value) {
    __asm__("" : "+x"(value));
  }
  static Float set(float value) { return _mm256_set1_ps(value); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float divide(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float multiply_add(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  /// b where either is NaN.
  static Float minimum(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float maximum(Float a, Float b) { return _mm256_max_ps(a, b); }
  static float sum(Float a) {
    const __m128 quad = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
  }
  static Float magnitude(Float a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  /// The magnitude of a with the sign of b.
  static Float with_sign(Float a, Float b) { return _mm256_or_ps(a, _mm256_and_ps(b, _mm256_set1_ps(-0.0f))); }
  static Float select_less(Float a, Float b, Float yes, Float no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static Float round(Float a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  /// 2^a for integers a in [-126, 127].
  static Float power_of_two(Float a) {
    const Int exponent = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }

  /// table[i] = sum of x[j], negated where bit j of i is 0.
  static Float make_table(const float (&x)[kGroup]) {
    const Float sign0 = _mm256_setr_ps(-1, 1, -1, 1, -1, 1, -1, 1);
    const Float sign1 = _mm256_setr_ps(-1, -1, 1, 1, -1, -1, 1, 1);
    const Float sign2 = _mm256_setr_ps(-1, -1, -1, -1, 1, 1, 1, 1);
    return multiply_add(set(x[2]), sign2, multiply_add(set(x[1]), sign1, multiply(set(x[0]), sign0)));
  }
  static Int load_index(const uint32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const Int*>(from)); }
  static Int next_index(Int index) { return _mm256_mulhi_epu16(index, _mm256_set1_epi16(1 << (16 - kGroup))); }
  /// Every lane's table entry; the bits of an index above the lowest kGroup are ignored.
  static Float look_up(Int index, Float table) { return _mm256_permutevar8x32_ps(table, index); }

  static void transpose(Float (&rows)[kLanes]) {
    Float pairs[kLanes], quads[kLanes];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
      pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      quads[4 * i] = low_halves(pairs[4 * i], pairs[4 * i + 2]);
      quads[4 * i + 1] = high_halves(pairs[4 * i], pairs[4 * i + 2]);
      quads[4 * i + 2] = low_halves(pairs[4 * i + 1], pairs[4 * i + 3]);
      quads[4 * i + 3] = high_halves(pairs[4 * i + 1], pairs[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      rows[i] = _mm256_permute2f128_ps(quads[i], quads[4 + i], 0x20);
      rows[4 + i] = _mm256_permute2f128_ps(quads[i], quads[4 + i], 0x31);
    }
  }

  static constexpr int kBytes = 32;
  static Int zero() { return _mm256_setzero_si256(); }
  static Int load_bytes(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const Int*>(from)); }
  /// The first count bytes of from, anything beyond; nothing is read at or after `end`, where the memory ends.
  static Int load_first_bytes(const uint8_t* from, int64_t count, const uint8_t* end) {
    if (end - from >= kBytes) return load_bytes(from);
    uint8_t bytes[kBytes] = {};
    std::memcpy(bytes, from, static_cast<size_t>(count));
    return load_bytes(bytes);
  }
  /// For every byte the number of bits in which a and b differ.
  static Int count_differing(Int a, Int b) { return count_bits(_mm256_xor_si256(a, b)); }
  /// The same among the bits of `mask`.
  static Int count_differing(Int a, Int b, Int mask) {
    return count_bits(_mm256_and_si256(_mm256_xor_si256(a, b), mask));
  }
  static Int add_counts(Int a, Int b) { return _mm256_add_epi8(a, b); }
  static Int add_words(Int a, Int b) { return _mm256_add_epi64(a, b); }
  /// The sum of every 8 bytes as a 64-bit lane.
  static Int sum_counts(Int bytes) { return _mm256_sad_epu8(bytes, zero()); }
  /// 64-bit lanes below 2^32 of two vectors as the even and the odd 32-bit lanes of one.
  static Int interleave(Int even, Int odd) { return _mm256_or_si256(even, _mm256_slli_epi64(odd, 32)); }
  /// pairs[i] holds partial sums of row 2i in its even lanes and of row 2i + 1 in its odd ones: lane r is row r's sum.
  static Int sum_rows(const Int (&pairs)[kLanes / 2]) {
    const Int low =
        _mm256_add_epi32(_mm256_unpacklo_epi64(pairs[0], pairs[1]), _mm256_unpackhi_epi64(pairs[0], pairs[1]));
    const Int high =
        _mm256_add_epi32(_mm256_unpacklo_epi64(pairs[2], pairs[3]), _mm256_unpackhi_epi64(pairs[2], pairs[3]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20), _mm256_permute2x128_si256(low, high, 0x31));
  }
  /// total - 2 * count, exact in float for totals below 2^24.
  static Float dot_from_count(Int count, int64_t total) {
    return _mm256_cvtepi32_ps(
        _mm256_sub_epi32(_mm256_set1_epi32(static_cast<int>(total)), _mm256_add_epi32(count, count)));
  }
  /// Writes the kLanes bits x >= threshold.
  static void store_signs(uint8_t* to, Float x, Float threshold) {
    *to = static_cast<uint8_t>(_mm256_movemask_ps(_mm256_cmp_ps(x, threshold, _CMP_GE_OQ)));
  }

  // What bit slices and tables of bytes are added and turned by.
  static constexpr int64_t kFewSliceOutputs = 64;  ///< of which too few bits of a vector are used
  static constexpr int64_t kNearBytes = 0;         ///< of weights: more are fetched before their turn
  static void store_bytes(uint8_t* to, Int value) { _mm256_storeu_si256(reinterpret_cast<Int*>(to), value); }
  /// Adds a and b to sum, bit by bit, and returns the carries.
  static Int add_bits(Int& sum, Int a, Int b) {
    const Int differ = a ^ b;
    const Int carry = (a & b) | (differ & sum);
    sum = sum ^ differ;
    return carry;
  }
  static Int set_bytes(char value) { return _mm256_set1_epi8(value); }
  template <int bits>
  static Int words_down(Int a) {
    return _mm256_srli_epi16(a, bits);
  }
  template <int bits>
  static Int words_up(Int a) {
    return _mm256_slli_epi16(a, bits);
  }
  static Int set_lanes(int32_t value) { return _mm256_set1_epi32(value); }
  /// kLanes bytes as 32-bit lanes.
  static Int widen_bytes(const uint8_t* from) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  }
  template <int bits>
  static Int lanes_up(Int a) {
    return _mm256_slli_epi32(a, bits);
  }
  static Int add_lanes(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static Int subtract_lanes(Int a, Int b) { return _mm256_sub_epi32(a, b); }
  static Float to_float(Int a) { return _mm256_cvtepi32_ps(a); }

 private:
  static Int count_bits(Int bits) {
    const Int counts = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const Int nibbles = _mm256_set1_epi8(15);
    const Int low = _mm256_and_si256(bits, nibbles);
    const Int high = _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibbles);
    return add_counts(_mm256_shuffle_epi8(counts, low), _mm256_shuffle_epi8(counts, high));
  }
  static Int first(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Float low_halves(Float a, Float b) {
    return _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
  }
  static Float high_halves(Float a, Float b) {
    return _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
  }
};

}  // namespace
}  // namespace edgenet::avx2
