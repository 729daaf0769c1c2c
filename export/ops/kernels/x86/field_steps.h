// Tables of the signed sums of some activations, a "field", as fixed-point numbers that are cut into planes of bytes.
// The highest plane is the upper 8 bits, every other one the next 6.
//
// Four fields are a "group": their entries of one plane are added up as bytes. Of the lower planes no sum passes 4 *
// 63; the highest may wrap from field to field, as the sum of a group is within 8 bits by the choice of the step.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/x86/aligned.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// What tables of all widths share: `field` activations a field, `most_groups` groups a piece, which has a step of its
/// own.
template <class Vectors, int64_t field, int64_t most_groups>
class FieldSteps : public Vectors {
 public:
  using Simd = Vectors;
  static constexpr int64_t kField = field;
  static constexpr int64_t kGroupFields = 4;  ///< fields of a group
  static constexpr int64_t kGroupInputs = kGroupFields * kField;
  static constexpr int64_t kMostGroups = most_groups;
  static constexpr int64_t kMostPlanes = 4;
  static constexpr int64_t kReadBeyond = 32;  ///< activations that are read beyond the groups of a piece
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
    constexpr int64_t kLast = (kGroupInputs - 1) / Simd::kLanes * Simd::kLanes;
    float largest = 0;
    for (int64_t group = 0; group < groups; ++group, x += kGroupInputs) {
      auto sums = Simd::magnitude(Simd::load(x));
      for (int64_t i = Simd::kLanes; i < kLast; i += Simd::kLanes) {
        sums = Simd::add(sums, Simd::magnitude(Simd::load(x + i)));
      }
      sums = Simd::add(sums, Simd::magnitude(Simd::load_first(x + kLast, kGroupInputs - kLast)));
      const float sum = Simd::sum(sums);
      largest = sum > largest ? sum : largest;
      *total += sum;
    }
    return largest;
  }

 protected:
  static constexpr float kLargestSum = 2079000000.0f;  ///< 2^31 - 4 * 2^24 for what lower planes hold, and for rounding

  /// The lowest bit of the lowest of so many planes.
  static constexpr int64_t shift(int64_t planes) { return 24 - 6 * (planes - 1); }
};

}  // namespace
}  // namespace edgenet::x86
