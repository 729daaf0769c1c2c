// What comes after the sums of a panel of outputs: the image on its side, and the maxima of windows, taken as rows
// come.
#pragma once
#include <cstdint>

#include "kernels/x86/pixel_panels.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// y[output][position] = values[position][output]. Positions are read by kLanes, of which those that exist are stored,
/// past the caches if `stream`: then every kLanes values of y are aligned to their size.
template <class Products>
inline void store_turned(const float* values, int64_t positions, int64_t outputs, float* y, int64_t plane,
                         bool stream) {
  constexpr int64_t kLanes = Products::kLanes;
  for (int64_t first = 0; first < positions; first += kLanes) {
    const int64_t count = smaller(kLanes, positions - first);
    for (int64_t output = 0; output < outputs; output += kLanes) {
      typename Products::Float square[kLanes];
      const float* from = values + first * PanelTask<Products>::kOutputs + output;
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i) square[i] = Products::load(from + i * PanelTask<Products>::kOutputs);
      Products::transpose(square);
      float* to = y + output * plane + first;
      if (outputs - output < kLanes) {
        for (int64_t o = 0; o < outputs - output; ++o) Products::store_first(to + o * plane, square[o], count);
      } else if (stream && count == kLanes) {
#pragma GCC unroll 16
        for (int64_t o = 0; o < kLanes; ++o) Products::stream(to + o * plane, square[o]);
      } else {
#pragma GCC unroll 16
        for (int64_t o = 0; o < kLanes; ++o) Products::store_first(to + o * plane, square[o], count);
      }
    }
  }
}

/// Rows of sums that a worker holds: one as it is made, those that windows still meet with the maxima of their columns
/// taken, and one of windows. A value never falls as its sum rises, or never rises where the scale is negative, so the
/// largest sum, of which the flipped are the least, gives the largest value.
template <class Products>
class PooledRows {
  using Int = typename Products::Int;
  using Task = PanelTask<Products>;
  static constexpr int64_t kPanelOutputs = Task::kOutputs;

 public:
  PooledRows(const PoolWindow& pool, int64_t height, int64_t width, int64_t columns, int32_t* room)
      : pool_(pool), height_(height), width_(width), columns_(columns), sums_(room) {}

  static int64_t words(const PoolWindow& pool, int64_t width) {
    const int64_t columns = pool.columns(width);
    return (line(width, columns) + pool.kernel_height * columns) * kPanelOutputs;
  }

  /// Another panel comes.
  void restart() { next_ = 0; }

  /// Windows of the rows [begin, end) to y[output][row][column]. sum(row, to) makes a row of sums; those that the rows
  /// before have met are not made again.
  template <class Sum>
  void run(const Task& panel, int64_t begin, int64_t end, int64_t outputs, float* y, int64_t plane, const Sum& sum) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t top = larger(0, row * pool_.stride_height - pool_.pad_top);
      const int64_t bottom = smaller(row * pool_.stride_height - pool_.pad_top + pool_.kernel_height, height_);
      for (next_ = larger(next_, top); next_ < bottom; ++next_) {
        sum(next_, sums_);
        take_columns(held(next_));
      }
      take_rows(panel, top, bottom);
      store_turned<Products>(windows(), columns_, outputs, y + row * columns_, plane, false);
    }
  }

 private:
  /// Positions of a row of sums, or of a row of windows in its place.
  static int64_t line(int64_t width, int64_t columns) { return larger(width, round_up(columns, Products::kLanes)); }
  int32_t* held(int64_t row) const {
    return sums_ + (line(width_, columns_) + row % pool_.kernel_height * columns_) * kPanelOutputs;
  }
  float* windows() const { return reinterpret_cast<float*>(sums_); }

  void take_columns(int32_t* to) const {
    int64_t left = -pool_.pad_left;
    for (int64_t column = 0; column < columns_; ++column, left += pool_.stride_width, to += kPanelOutputs) {
      const int64_t begin = larger(0, left);
      const int64_t count = smaller(left + pool_.kernel_width, width_) - begin;
      const int32_t* from = sums_ + begin * kPanelOutputs;
      if (count == 3) {
        take<3>(from, count, to);
      } else {
        take<0>(from, count, to);
      }
    }
  }

  /// The largest of `count` positions, kCount if that is not 0.
  template <int kCount>
  static void take(const int32_t* from, int64_t count, int32_t* to) {
    Int most[2] = {load(from), load(from + Products::kLanes)};
    for (int64_t i = 1; i < (kCount != 0 ? kCount : count); ++i) {
      most[0] = larger_of(most[0], load(from + i * kPanelOutputs));
      most[1] = larger_of(most[1], load(from + i * kPanelOutputs + Products::kLanes));
    }
    Products::store_words(to, most[0]);
    Products::store_words(to + Products::kLanes, most[1]);
  }

  /// NaN and -0 become 0, as no value is above 0.
  void take_rows(const Task& panel, int64_t top, int64_t bottom) const {
    const int32_t* first = held(top);
    const int32_t* second = held(smaller(top + 1, bottom - 1));
    const int32_t* third = held(smaller(top + 2, bottom - 1));
    for (int64_t half = 0; half < 2; ++half) {
      const PanelSums<Products> sums(panel, half);
      const PanelValues<Products> values(panel, half);
      for (int64_t i = Products::kLanes * half; i < columns_ * kPanelOutputs; i += kPanelOutputs) {
        Int most = larger_of(load(first + i), larger_of(load(second + i), load(third + i)));
        for (int64_t row = top + 3; row < bottom; ++row) most = larger_of(most, load(held(row) + i));
        const auto value = values.value(sums.flipped(most));
        Products::store(windows() + i, Products::maximum(value, Products::set(0)));
      }
    }
  }

  static Int load(const int32_t* from) { return Products::load_words(from); }
  static Int larger_of(Int a, Int b) { return Products::larger_words(a, b); }

  const PoolWindow& pool_;
  int64_t height_, width_, columns_;
  int32_t* sums_;
  int64_t next_ = 0;  ///< the first row that is not held
};

}  // namespace
}  // namespace edgenet::x86
