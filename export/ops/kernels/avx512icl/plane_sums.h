// The sums of looked-up bytes of a block of 64 outputs, plane by plane of kernels/avx512icl/field_tables.h.
#pragma once
#include <cstdint>

#include "kernels/avx512icl/field_indices.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VBMI and VNNI

template <int kPlanes>
class PlaneSums {
  using Int = Simd::Int;
  using Float = Simd::Float;
  using Fields = FieldIndices::Group;

 public:
  static constexpr int64_t kGroupBytes = FieldTables::kGroupFields * kPlanes * FieldTables::kPlaneBytes;  ///< of tables

  /// What the tables of so many groups are off by, in the highest plane and by rounding, is made good at once.
  explicit PlaneSums(int64_t groups) {
    const auto offset = static_cast<int16_t>(-groups * FieldTables::kGroupFields * FieldTables::kOffset);
    const Words zero = {Simd::zero(), Simd::zero()};
    first_ = {_mm512_set1_epi16(static_cast<int16_t>(257 * offset)), _mm512_set1_epi16(offset)};
    second_ = third_ = fourth_ = zero;
    if (kPlanes == 4) return;
    const auto rounded_off = static_cast<int16_t>(groups * FieldTables::kGroupFields / 2);  // by tables, in steps
    third_ = {_mm512_set1_epi16(static_cast<int16_t>(257 * rounded_off)), _mm512_set1_epi16(rounded_off)};
  }

  /// Adds what the indices of a group pick from its tables.
  void add(const Fields& from, const uint8_t* tables) {
    add(from, tables, first_);
    add(from, tables + kPlaneBytes, second_);
    add(from, tables + 2 * kPlaneBytes, third_);
    if (kPlanes == 4) add(from, tables + 3 * kPlaneBytes, fourth_);
  }

  /// The same of the next block as well, so that they share the loads of tables.
  void add(const Fields& from, const Fields& next_from, const uint8_t* tables, PlaneSums& next) {
    add(from, next_from, tables, first_, next.first_);
    add(from, next_from, tables + kPlaneBytes, second_, next.second_);
    add(from, next_from, tables + 2 * kPlaneBytes, third_, next.third_);
    if (kPlanes == 4) add(from, next_from, tables + 3 * kPlaneBytes, fourth_, next.fourth_);
  }

  /// In steps, in the order of outputs.
  void read(Float (&sums)[4]) const {
    const Words w0 = split(first_), w1 = split(second_), w2 = split(third_), w3 = split(fourth_);
    sums[0] = sum_planes<0>(w0.all, w1.all, w2.all, w3.all);
    sums[1] = sum_planes<0>(w0.odd, w1.odd, w2.odd, w3.odd);
    sums[2] = sum_planes<16>(w0.all, w1.all, w2.all, w3.all);
    sums[3] = sum_planes<16>(w0.odd, w1.odd, w2.odd, w3.odd);
  }

 private:
  static constexpr int64_t kPlaneBytes = FieldTables::kPlaneBytes;
  static constexpr int64_t kFieldBytes = kPlanes * kPlaneBytes;

  /// Sums of words: of the even bytes plus 256 times the odd ones, modulo 2^16, and of the odd bytes.
  struct Words {
    Int all, odd;
  };

  static void add(const Fields& from, const uint8_t* table, Words& sums) {
    pick({_mm512_load_si512(table), _mm512_load_si512(table + kFieldBytes), _mm512_load_si512(table + 2 * kFieldBytes),
          _mm512_load_si512(table + 3 * kFieldBytes)},
         from, sums);
  }

  static void add(const Fields& from, const Fields& next_from, const uint8_t* table, Words& sums, Words& next_sums) {
    const Fields entries = {FieldIndices::load_settled(table), FieldIndices::load_settled(table + kFieldBytes),
                            FieldIndices::load_settled(table + 2 * kFieldBytes),
                            FieldIndices::load_settled(table + 3 * kFieldBytes)};
    pick(entries, from, sums);
    pick(entries, next_from, next_sums);
  }

  static void pick(const Fields& entries, const Fields& from, Words& sums) {
    const Int half = _mm512_add_epi8(_mm512_permutexvar_epi8(from.first, entries.first),
                                     _mm512_permutexvar_epi8(from.second, entries.second));
    const Int rest = _mm512_add_epi8(_mm512_permutexvar_epi8(from.third, entries.third),
                                     _mm512_permutexvar_epi8(from.fourth, entries.fourth));
    const Int bytes = _mm512_add_epi8(half, rest);
    sums.all = _mm512_add_epi16(sums.all, bytes);
    sums.odd = _mm512_add_epi16(sums.odd, _mm512_srli_epi16(bytes, 8));
  }

  /// The sums of the even bytes and of the odd ones.
  static Words split(const Words& words) {
    Int all = words.all, odd = words.odd;
    Simd::settle(all);  // else GCC 12 moves the sums from register to register once a group
    Simd::settle(odd);
    return {_mm512_sub_epi16(all, _mm512_slli_epi16(odd, 8)), odd};
  }

  /// The planes of the words that lie so many bits up as one number.
  template <int kBits>
  static Float sum_planes(Int first, Int second, Int third, Int fourth) {
    const auto weight = [](int value) { return _mm512_set1_epi32(value << kBits); };
    if (kPlanes == 3) {
      const Int lower = _mm512_dpwssd_epi32(_mm512_madd_epi16(third, weight(1)), second, weight(1 << 6));
      return _mm512_cvtepi32_ps(_mm512_dpwssd_epi32(lower, first, weight(1 << 12)));
    }
    const Int lower = _mm512_dpwssd_epi32(_mm512_madd_epi16(fourth, weight(1)), third, weight(1 << 6));
    const Int upper = _mm512_dpwssd_epi32(_mm512_madd_epi16(second, weight(1)), first, weight(1 << 6));
    return _mm512_cvtepi32_ps(_mm512_add_epi32(lower, _mm512_slli_epi32(upper, 12)));
  }

  // The highest plane first. Names, not an array: GCC 12 keeps one in memory.
  Words first_, second_, third_, fourth_;
};

}  // namespace
}  // namespace edgenet::avx512icl
