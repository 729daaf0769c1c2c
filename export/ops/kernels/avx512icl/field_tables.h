// Tables of kernels/x86/field_steps.h with the 64 signed sums of 6 activations: a vector holds one plane of one field,
// of which vpermb picks for 64 outputs at once.
#pragma once
#include <cstdint>

#include "kernels/avx512icl/simd.h"
#include "kernels/x86/field_steps.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VBMI and VNNI

class FieldTables : public x86::FieldSteps<Simd, 6, 24> {
  using Int = Simd::Int;
  using Float = Simd::Float;

 public:
  static constexpr int64_t kPlaneBytes = 64;
  static constexpr int64_t kPackedVectors = 3;              ///< of indices of a group, where upper bits hold the fourth
  static constexpr int64_t kCacheBytes = int64_t{1} << 20;  ///< beyond which loads take the time: indices are packed
  /// Whose tables stand side by side at most: those of more would push weights out of the second cache.
  static constexpr int64_t kRows = 2;
  static constexpr int kBlocks = 2;  ///< of one row, which share the loads of its tables

  /// The indices of the fields of a group.
  struct Group {
    Int first, second, third, fourth;
  };

  /// An index is its bits; vpermb ignores the upper two.
  static uint8_t index(uint32_t bits) { return static_cast<uint8_t>(bits); }
  static void pack(const uint8_t (&fields)[4], int64_t stride, uint8_t* to) {
    for (int64_t f = 0; f < 3; ++f) {
      to[f * stride] = static_cast<uint8_t>(fields[f] | (fields[3] >> (2 * f) & 3) << 6);
    }
  }
  template <bool kPacked>
  static Group load(const uint8_t* from) {
    const Int first = load_settled(from), second = load_settled(from + 64), third = load_settled(from + 128);
    if (!kPacked) return {first, second, third, load_settled(from + 192)};
    constexpr int kSelect = 0xca;  // a ? b : c
    const Int lower = _mm512_ternarylogic_epi32(_mm512_set1_epi8(3), _mm512_srli_epi16(first, 6),
                                                _mm512_srli_epi16(second, 4), kSelect);
    return {first, second, third,
            _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), lower, _mm512_srli_epi16(third, 2), kSelect)};
  }

  static Int load_table(const uint8_t* from) { return _mm512_load_si512(from); }
  /// GCC 12 else loads it again wherever it is used.
  static Int load_settled(const uint8_t* from) {
    Int value = _mm512_load_si512(from);
    Simd::settle(value);
    return value;
  }
  static Int pick(Int index, Int table) { return _mm512_permutexvar_epi8(index, table); }
  static Int add_bytes(Int a, Int b) { return _mm512_add_epi8(a, b); }
  static Int add_words(Int a, Int b) { return _mm512_add_epi16(a, b); }
  static Int subtract_words(Int a, Int b) { return _mm512_sub_epi16(a, b); }
  /// By a product: AMD's cores shift where they shuffle, and shuffles are what the time goes to.
  static Int odd_bytes(Int bytes) { return _mm512_mulhi_epu16(bytes, _mm512_set1_epi16(256)); }
  static Int set_words(int16_t value) { return _mm512_set1_epi16(value); }
  /// Sums of the products of two words a lane, and the same added to `sum`.
  static Int multiply_pairs(Int a, Int b) { return _mm512_madd_epi16(a, b); }
  static Int multiply_pairs(Int sum, Int a, Int b) { return _mm512_dpwssd_epi32(sum, a, b); }

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
