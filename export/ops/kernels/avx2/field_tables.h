// Tables of kernels/x86/field_steps.h with the 16 signed sums of 4 activations: 16 bytes hold one plane of one field,
// of which vpshufb picks for 32 outputs at once.
#pragma once
#include <cstdint>

#include "kernels/avx2/simd.h"
#include "kernels/x86/field_steps.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

class FieldTables : public x86::FieldSteps<Simd, 4, 64> {
  using Int = Simd::Int;
  using Float = Simd::Float;

 public:
  static constexpr int64_t kPlaneBytes = 16;
  static constexpr int64_t kPackedVectors = 2;  ///< of indices of a group, two to a byte
  static constexpr int64_t kCacheBytes = 0;     ///< always
  static constexpr int64_t kRows = 1;
  static constexpr int64_t kFewOutputs = 32;  ///< for which the tables are not worth their making
  static constexpr int kBlocks = 1;           ///< sums of more do not fit into registers

  /// The indices of the fields of a group.
  struct Group {
    Int first, second, third, fourth;
  };

  /// Entry 8 + i is entry i negated.
  static uint8_t index(uint32_t bits) { return static_cast<uint8_t>(bits >= 8 ? bits ^ 7 : bits); }
  static void pack(const uint8_t (&fields)[4], int64_t stride, uint8_t* to) {
    to[0] = static_cast<uint8_t>(fields[0] | fields[1] << 4);
    to[stride] = static_cast<uint8_t>(fields[2] | fields[3] << 4);
  }
  template <bool kPacked>
  static Group load(const uint8_t* from) {
    const Int first = Simd::load_bytes(from), second = Simd::load_bytes(from + 32);
    if (!kPacked) return {first, second, Simd::load_bytes(from + 64), Simd::load_bytes(from + 96)};
    const Int nibble = _mm256_set1_epi8(15);
    const auto upper = [&](Int bytes) { return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble); };
    return {_mm256_and_si256(first, nibble), upper(first), _mm256_and_si256(second, nibble), upper(second)};
  }

  static Int load_table(const uint8_t* from) {
    return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Int load_settled(const uint8_t* from) { return load_table(from); }
  static Int pick(Int index, Int table) { return _mm256_shuffle_epi8(table, index); }
  static Int add_bytes(Int a, Int b) { return _mm256_add_epi8(a, b); }
  static Int add_words(Int a, Int b) { return _mm256_add_epi16(a, b); }
  static Int subtract_words(Int a, Int b) { return _mm256_sub_epi16(a, b); }
  static Int odd_bytes(Int bytes) { return _mm256_srli_epi16(bytes, 8); }
  static Int set_words(int16_t value) { return _mm256_set1_epi16(value); }
  /// Sums of the products of two words a lane, and the same added to `sum`.
  static Int multiply_pairs(Int a, Int b) { return _mm256_madd_epi16(a, b); }
  static Int multiply_pairs(Int sum, Int a, Int b) { return add_lanes(sum, multiply_pairs(a, b)); }

  /// Writes the tables of a piece, field by field and plane by plane, the highest first; may write a plane more.
  static void make(const float* x, int64_t groups, float unit, int64_t planes, uint8_t* tables) {
    alignas(64) float values[kMostGroups * kGroupInputs];
    const int64_t inputs = groups * kGroupInputs;
    for (int64_t i = 0; i < inputs; i += Simd::kLanes) {
      Simd::store(values + i, Simd::multiply(Simd::load(x + i), Simd::set(1 / unit)));
    }
    if (planes == 3) {
      for (int64_t i = 0; i < inputs; i += kField, tables += 3 * kPlaneBytes) make_rough_field(values + i, tables);
    } else {
      for (int64_t i = 0; i < inputs; i += kField, tables += kMostPlanes * kPlaneBytes) make_field(values + i, tables);
    }
  }

 private:
  /// Entries 0 to 7: the sum of x[0] to x[2], each negated where its bit of the index is 0, less x[3].
  static Int first_entries(const float* x) {
    const Float sign0 = _mm256_setr_ps(-1, 1, -1, 1, -1, 1, -1, 1);
    const Float sign1 = _mm256_setr_ps(-1, -1, 1, 1, -1, -1, 1, 1);
    const Float sign2 = _mm256_setr_ps(-1, -1, -1, -1, 1, 1, 1, 1);
    const Float last = _mm256_fmsub_ps(Simd::set(x[0]), sign0, Simd::set(x[3]));
    const Float pair = Simd::multiply_add(Simd::set(x[1]), sign1, last);
    return _mm256_cvtps_epi32(Simd::multiply_add(Simd::set(x[2]), sign2, pair));
  }

  /// Planes 0 and 1, then 2 and 3, of 8 entries, 8 bytes each.
  static Int cut(Int entries) {
    const Int highest = _mm256_and_si256(entries, _mm256_set1_epi32(static_cast<int32_t>(0xff000000)));
    const Int second = _mm256_and_si256(_mm256_srli_epi32(entries, 2), _mm256_set1_epi32(0x3f0000));
    const Int third = _mm256_and_si256(_mm256_srli_epi32(entries, 4), _mm256_set1_epi32(0x3f00));
    const Int fourth = _mm256_and_si256(_mm256_srli_epi32(entries, 6), _mm256_set1_epi32(0x3f));
    const Int all = _mm256_or_si256(_mm256_or_si256(highest, second), _mm256_or_si256(third, fourth));
    const Int by_plane =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(3, 7, 11, 15, 2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12));
    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(all, by_plane), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }

  /// Stores planes of both halves of a table. Of `lower` and `upper` 64 bits each are a plane.
  static void store(Int lower, Int upper, uint8_t* table) {
    const Int offset = _mm256_setr_epi64x(0x2020202020202020, 0x2020202020202020, 0, 0);
    static_assert(kOffset == 0x20);
    const Int even = _mm256_add_epi8(_mm256_unpacklo_epi64(lower, upper), offset);  // planes 0 and 2
    const Int odd = _mm256_unpackhi_epi64(lower, upper);
    auto* to = reinterpret_cast<Int*>(table);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
  }

  /// Three planes, rounded down: by half a step in the mean. The upper half of a table is the lower one negated; its
  /// complement is that rounded down as well, so that every entry is half a step less than it should be, give or take
  /// half a step.
  static void make_rough_field(const float* x, uint8_t* table) {
    const Int all_bits = _mm256_setr_epi64x(-1, 0x3f3f3f3f3f3f3f3f, 0x3f3f3f3f3f3f3f3f, 0x3f3f3f3f3f3f3f3f);
    const Int lower = cut(first_entries(x));
    store(lower, _mm256_xor_si256(lower, all_bits), table);
  }

  /// Four planes, rounded to nearest.
  static void make_field(const float* x, uint8_t* table) {
    const Int half = _mm256_set1_epi32(1 << 5);
    const Int entries = first_entries(x);
    store(cut(_mm256_add_epi32(half, entries)), cut(_mm256_sub_epi32(half, entries)), table);
  }
};

}  // namespace
}  // namespace edgenet::avx2
