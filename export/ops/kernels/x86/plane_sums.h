// The sums of looked-up bytes of a block of outputs, plane by plane of kernels/x86/field_steps.h.
#pragma once
#include <cstdint>

#include "kernels/x86/field_indices.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Tables, int kPlanes>
class PlaneSums {
  using Simd = typename Tables::Simd;
  using Int = typename Simd::Int;
  using Float = typename Simd::Float;
  using Fields = typename Tables::Group;

 public:
  static constexpr int64_t kGroupBytes = Tables::kGroupFields * kPlanes * Tables::kPlaneBytes;  ///< of tables

  /// What the tables of so many groups are off by, in the highest plane and by rounding, is made good at once.
  explicit PlaneSums(int64_t groups) {
    const auto offset = static_cast<int16_t>(-groups * Tables::kGroupFields * Tables::kOffset);
    const Words zero = {Simd::zero(), Simd::zero()};
    first_ = {Tables::set_words(static_cast<int16_t>(257 * offset)), Tables::set_words(offset)};
    second_ = third_ = fourth_ = zero;
    if (kPlanes == 4) return;
    const auto rounded_off = static_cast<int16_t>(groups * Tables::kGroupFields / 2);  // by tables, in steps
    third_ = {Tables::set_words(static_cast<int16_t>(257 * rounded_off)), Tables::set_words(rounded_off)};
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
  static constexpr int64_t kPlaneBytes = Tables::kPlaneBytes;
  static constexpr int64_t kFieldBytes = kPlanes * kPlaneBytes;

  /// Sums of words: of the even bytes plus 256 times the odd ones, modulo 2^16, and of the odd bytes.
  struct Words {
    Int all, odd;
  };

  static void add(const Fields& from, const uint8_t* table, Words& sums) {
    pick({Tables::load_table(table), Tables::load_table(table + kFieldBytes),
          Tables::load_table(table + 2 * kFieldBytes), Tables::load_table(table + 3 * kFieldBytes)},
         from, sums);
  }

  static void add(const Fields& from, const Fields& next_from, const uint8_t* table, Words& sums, Words& next_sums) {
    const Fields entries = {Tables::load_settled(table), Tables::load_settled(table + kFieldBytes),
                            Tables::load_settled(table + 2 * kFieldBytes),
                            Tables::load_settled(table + 3 * kFieldBytes)};
    pick(entries, from, sums);
    pick(entries, next_from, next_sums);
  }

  static void pick(const Fields& entries, const Fields& from, Words& sums) {
    const Int half =
        Tables::add_bytes(Tables::pick(from.first, entries.first), Tables::pick(from.second, entries.second));
    const Int rest =
        Tables::add_bytes(Tables::pick(from.third, entries.third), Tables::pick(from.fourth, entries.fourth));
    const Int bytes = Tables::add_bytes(half, rest);
    sums.all = Tables::add_words(sums.all, bytes);
    sums.odd = Tables::add_words(sums.odd, Tables::odd_bytes(bytes));
  }

  /// The sums of the even bytes and of the odd ones.
  static Words split(const Words& words) {
    Int all = words.all, odd = words.odd;
    Simd::settle(all);  // else GCC 12 moves the sums from register to register once a group
    Simd::settle(odd);
    return {Tables::subtract_words(all, Tables::template words_up<8>(odd)), odd};
  }

  /// The planes of the words that lie so many bits up as one number.
  template <int kBits>
  static Float sum_planes(Int first, Int second, Int third, Int fourth) {
    const auto weight = [](int value) { return Tables::set_lanes(value << kBits); };
    if (kPlanes == 3) {
      const Int lower = Tables::multiply_pairs(Tables::multiply_pairs(third, weight(1)), second, weight(1 << 6));
      return Tables::to_float(Tables::multiply_pairs(lower, first, weight(1 << 12)));
    }
    const Int lower = Tables::multiply_pairs(Tables::multiply_pairs(fourth, weight(1)), third, weight(1 << 6));
    const Int upper = Tables::multiply_pairs(Tables::multiply_pairs(second, weight(1)), first, weight(1 << 6));
    return Tables::to_float(Tables::add_lanes(lower, Tables::template lanes_up<12>(upper)));
  }

  // The highest plane first. Names, not an array: GCC 12 keeps one in memory.
  Words first_, second_, third_, fourth_;
};

}  // namespace
}  // namespace edgenet::x86
