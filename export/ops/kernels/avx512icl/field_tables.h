// Tables of the 64 signed sums of 6 activations, a "field", as fixed-point numbers that are cut into planes: a vector
// of 64 bytes holds one plane of one field. The highest plane is the upper 8 bits, every other one the next 6.
//
// Four fields are a "group": their entries of one plane are added up as bytes. Of the lower planes no sum passes 4 *
// 63; the highest may wrap from field to field, as the sum of a group is within 8 bits by the choice of the step.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/avx512icl/simd.h"
#include "kernels/x86/aligned.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VBMI

class FieldTables {
  using Int = Simd::Int;
  using Float = Simd::Float;

 public:
  static constexpr int64_t kField = 6;        ///< activations of a field
  static constexpr int64_t kGroupFields = 4;  ///< fields of a group
  static constexpr int64_t kGroupInputs = kGroupFields * kField;
  static constexpr int64_t kMostGroups = 24;  ///< of a piece, which has a step of its own
  static constexpr int64_t kMostPlanes = 4;
  static constexpr int64_t kPlaneBytes = 64;
  /// What is read beyond the groups of a piece.
  static constexpr int64_t kReadBeyond = 32;
  /// Less than this an activation is lost in: 1 / unit must be a float.
  static constexpr float kSmallest = 1e-28f;

  static constexpr int64_t kOffset = 32;  ///< what every entry of the highest plane has added
  /// What the integer 1 stands for in a piece whose largest group has the sum `largest` of magnitudes.
  static float unit(float largest) { return (largest > kSmallest ? largest : kSmallest) / kLargestSum; }
  /// The next power of two, by which nothing is rounded.
  static float power_of_two(float unit) {
    uint32_t bits;
    std::memcpy(&bits, &unit, sizeof bits);
    bits = (bits + 0x7fffff) & 0x7f800000;
    std::memcpy(&unit, &bits, sizeof bits);
    return unit;
  }
  /// What the lowest bit of the lowest plane stands for.
  static float step(float unit, int64_t planes) { return unit * static_cast<float>(int64_t{1} << shift(planes)); }

  /// The largest sum of magnitudes of a group. Adds the sum of all to `total`.
  static float largest_group(const float* x, int64_t groups, float* total) {
    float largest = 0;
    for (int64_t group = 0; group < groups; ++group, x += kGroupInputs) {
      const Float last = Simd::load_first(x + Simd::kLanes, kGroupInputs - Simd::kLanes);
      const float sum = _mm512_reduce_add_ps(Simd::add(Simd::magnitude(Simd::load(x)), Simd::magnitude(last)));
      largest = sum > largest ? sum : largest;
      *total += sum;
    }
    return largest;
  }

  /// Writes the tables of a piece, field by field and plane by plane, the highest first.
  static void make(const float* x, int64_t groups, float unit, int64_t planes, uint8_t* tables) {
    constexpr int64_t kMostInputs = kMostGroups * kGroupInputs + kReadBeyond;
    alignas(64) uint32_t values[kMostInputs], doubled[kMostInputs];
    const int64_t inputs = groups * kGroupInputs;
    const Float to_integer = Simd::set(1 / unit);
    for (int64_t i = 0; i < inputs; i += Simd::kLanes) {
      const Int value = _mm512_cvtps_epi32(Simd::multiply(Simd::load(x + i), to_integer));
      _mm512_store_si512(values + i, value);
      _mm512_store_si512(doubled + i, _mm512_add_epi32(value, value));
    }
    // The integer units have time while vectors are shuffled.
    const auto start_of = [&](int64_t i, uint32_t start) {
      for (int64_t j = 0; j < kField; ++j) start -= values[i + j];
      return start;
    };
    if (planes == 3) {
      for (int64_t i = 0; i < inputs; i += kField, tables += 3 * kPlaneBytes) {
        make_rough_field(doubled + i, start_of(i, 0), tables);
      }
    } else {
      constexpr auto kStart = static_cast<uint32_t>((kOffset << 24) + (1 << 5));
      for (int64_t i = 0; i < inputs; i += kField, tables += kMostPlanes * kPlaneBytes) {
        make_field(doubled + i, start_of(i, kStart), tables);
      }
    }
  }

 private:
  static constexpr float kLargestSum = 2079000000.0f;  ///< 2^31 - 4 * 2^24 for what lower planes hold, and for rounding

  /// The lowest bit of the lowest of so many planes.
  static constexpr int64_t shift(int64_t planes) { return 24 - 6 * (planes - 1); }

  /// Entries 0 to 15: start + the sum of doubled[j] of every bit j of the index that is 1.
  static Int first_entries(const uint32_t* doubled, uint32_t start) {
    Int entries = broadcast(start);
    entries = add_where<0xaaaa>(entries, doubled[0]);
    entries = add_where<0xcccc>(entries, doubled[1]);
    entries = add_where<0xf0f0>(entries, doubled[2]);
    return add_where<0xff00>(entries, doubled[3]);
  }

  /// The planes of every entry, a byte each, the highest in the lowest byte.
  static Int cut(Int entries) {
    // 24, 18, 12 and 6 bits up, for either half of 64 bits
    return _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x262c3238060c1218), entries);
  }

  /// Three planes, rounded down: by half a step in the mean. The upper half of a table is the lower one negated, last
  /// entry first; its complement is that rounded down as well, so that every entry is half a step less than it should
  /// be, give or take half a step.
  static void make_rough_field(const uint32_t* doubled, uint32_t start, uint8_t* table) {
    const Int first = first_entries(doubled, start);
    const Int second = cut(_mm512_add_epi32(first, broadcast(doubled[4])));
    const Int entries = cut(first);
    const Int upper_half = _mm512_inserti64x4(Simd::zero(), _mm256_set1_epi8(-1), 1);
    const Int six_bits = _mm512_set1_epi8(63);
    constexpr int kDifferAndMask = 0x28;  // (a ^ b) & c
    const Int index = there_and_back();
    const Int one = _mm512_set1_epi8(1), two = _mm512_set1_epi8(2);
    const Int plane0 = _mm512_permutex2var_epi8(entries, index, second);
    const Int plane1 = _mm512_permutex2var_epi8(entries, _mm512_add_epi8(index, one), second);
    const Int plane2 = _mm512_permutex2var_epi8(entries, _mm512_add_epi8(index, two), second);
    _mm512_store_si512(table, _mm512_add_epi8(_mm512_xor_si512(plane0, upper_half), _mm512_set1_epi8(kOffset)));
    _mm512_store_si512(table + 64, _mm512_ternarylogic_epi32(plane1, upper_half, six_bits, kDifferAndMask));
    _mm512_store_si512(table + 128, _mm512_ternarylogic_epi32(plane2, upper_half, six_bits, kDifferAndMask));
  }

  /// Four planes, rounded to nearest.
  static void make_field(const uint32_t* doubled, uint32_t start, uint8_t* table) {
    Int entries[4];
    entries[0] = first_entries(doubled, start);
    entries[1] = _mm512_add_epi32(entries[0], broadcast(doubled[4]));
    entries[2] = _mm512_add_epi32(entries[0], broadcast(doubled[5]));
    entries[3] = _mm512_add_epi32(entries[1], broadcast(doubled[5]));
#pragma GCC unroll 4
    for (Int& entry : entries) entry = cut(entry);
    const Int six_bits = _mm512_set1_epi8(63);
    const Int upper0 = _mm512_permutex2var_epi8(entries[0], two_planes(), entries[1]);
    const Int upper1 = _mm512_permutex2var_epi8(entries[2], two_planes(), entries[3]);
    const Int lower_two_planes = _mm512_add_epi8(two_planes(), _mm512_set1_epi8(2));
    const Int lower0 = _mm512_permutex2var_epi8(entries[0], lower_two_planes, entries[1]);
    const Int lower1 = _mm512_permutex2var_epi8(entries[2], lower_two_planes, entries[3]);
    _mm512_store_si512(table, _mm512_shuffle_i64x2(upper0, upper1, 0x44));
    _mm512_store_si512(table + 64, _mm512_and_si512(_mm512_shuffle_i64x2(upper0, upper1, 0xee), six_bits));
    _mm512_store_si512(table + 128, _mm512_and_si512(_mm512_shuffle_i64x2(lower0, lower1, 0x44), six_bits));
    _mm512_store_si512(table + 192, _mm512_and_si512(_mm512_shuffle_i64x2(lower0, lower1, 0xee), six_bits));
  }

  template <unsigned kLanesMask>
  static Int add_where(Int sum, uint32_t value) {
    return _mm512_mask_add_epi32(sum, kLanesMask, sum, broadcast(value));
  }
  static Int broadcast(uint32_t value) { return _mm512_set1_epi32(static_cast<int32_t>(value)); }

  /// Of two vectors of 16 entries of 4 planes the first plane, then the second.
  static Int two_planes() {
    alignas(64) static constexpr uint8_t kBytes[64] = {
        0,  4,  8,  12,  16,  20,  24,  28,  32,  36,  40, 44, 48, 52,  56,  60,  64,  68,  72,  76, 80, 84,
        88, 92, 96, 100, 104, 108, 112, 116, 120, 124, 1,  5,  9,  13,  17,  21,  25,  29,  33,  37, 41, 45,
        49, 53, 57, 61,  65,  69,  73,  77,  81,  85,  89, 93, 97, 101, 105, 109, 113, 117, 121, 125};
    return _mm512_load_si512(kBytes);
  }

  /// Where the lowest bytes of 32 entries lie, from the first to the last and back.
  static Int there_and_back() {
    alignas(64) static constexpr uint8_t kBytes[64] = {
        0,  4,  8,  12,  16,  20,  24,  28,  32,  36,  40,  44,  48,  52,  56,  60,  64,  68, 72, 76, 80, 84,
        88, 92, 96, 100, 104, 108, 112, 116, 120, 124, 124, 120, 116, 112, 108, 104, 100, 96, 92, 88, 84, 80,
        76, 72, 68, 64,  60,  56,  52,  48,  44,  40,  36,  32,  28,  24,  20,  16,  12,  8,  4,  0};
    return _mm512_load_si512(kBytes);
  }
};

}  // namespace
}  // namespace edgenet::avx512icl
