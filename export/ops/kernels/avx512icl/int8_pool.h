// The maxima of windows over the rows of a panel of outputs, taken as the rows come.
#pragma once
#include <cstdint>

#include "kernels/avx512icl/int8_panels.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VNNI

/// y[output][position] = values[position][output]. Positions are read by 16, of which those that exist are stored.
inline void store_turned(const float* values, int64_t positions, int64_t outputs, float* y, int64_t plane) {
  for (int64_t first = 0; first < positions; first += 16) {
    const int64_t count = smaller(16, positions - first);
    const auto lanes = static_cast<__mmask16>((1u << count) - 1);
    for (int64_t output = 0; output < outputs; output += 16) {
      Simd::Float square[16];
      const float* from = values + first * kPanelOutputs + output;
#pragma GCC unroll 16
      for (int64_t i = 0; i < 16; ++i) square[i] = _mm512_loadu_ps(from + i * kPanelOutputs);
      Simd::transpose(square);
      float* to = y + output * plane + first;
      if (outputs - output >= 16) {
#pragma GCC unroll 16
        for (int64_t o = 0; o < 16; ++o) _mm512_mask_storeu_ps(to + o * plane, lanes, square[o]);
      } else {
        for (int64_t o = 0; o < outputs - output; ++o) _mm512_mask_storeu_ps(to + o * plane, lanes, square[o]);
      }
    }
  }
}

/// Rows of values that a worker holds: one as it is summed, those that windows still meet with the maxima of their
/// columns taken, and one of windows.
class PooledRows {
 public:
  PooledRows(const PoolWindow& pool, int64_t height, int64_t width, int64_t columns, float* room)
      : pool_(pool), height_(height), width_(width), columns_(columns), values_(room) {}

  static int64_t floats(const PoolWindow& pool, int64_t width) {
    return (width + pool.kernel_height * pool.columns(width) + round_up(pool.columns(width), 16)) * kPanelOutputs;
  }

  /// Another panel comes.
  void restart() { next_ = 0; }

  /// Windows of the rows [begin, end) to y[output][row][column]. sum(row, to) makes a row of values; those that
  /// the rows before have met are not made again.
  template <class Sum>
  void run(int64_t begin, int64_t end, int64_t outputs, float* y, int64_t plane, const Sum& sum) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t top = larger(0, row * pool_.stride_height - pool_.pad_top);
      const int64_t bottom = smaller(row * pool_.stride_height - pool_.pad_top + pool_.kernel_height, height_);
      for (next_ = larger(next_, top); next_ < bottom; ++next_) {
        sum(next_, values_);
        take_columns(held(next_));
      }
      take_rows(top, bottom);
      store_turned(windows(), columns_, outputs, y + row * columns_, plane);
    }
  }

 private:
  float* held(int64_t row) const { return values_ + (width_ + row % pool_.kernel_height * columns_) * kPanelOutputs; }
  float* windows() const { return values_ + (width_ + pool_.kernel_height * columns_) * kPanelOutputs; }

  /// No value is negative, so 0 is below all of them.
  void take_columns(float* to) const {
    for (int64_t column = 0; column < columns_; ++column, to += kPanelOutputs) {
      const int64_t left = column * pool_.stride_width - pool_.pad_left;
      const int64_t right = smaller(left + pool_.kernel_width, width_);
      take(values_, larger(0, left), right, kPanelOutputs, to);
    }
  }

  void take_rows(int64_t top, int64_t bottom) const {
    float* to = windows();
    std::memcpy(to, held(top), static_cast<size_t>(columns_ * kPanelOutputs) * sizeof(float));
    for (int64_t row = top + 1; row < bottom; ++row) {
      const float* from = held(row);
      for (int64_t i = 0; i < columns_ * kPanelOutputs; i += 16) {
        _mm512_storeu_ps(to + i, _mm512_max_ps(_mm512_loadu_ps(from + i), _mm512_loadu_ps(to + i)));
      }
    }
  }

  static void take(const float* from, int64_t begin, int64_t end, int64_t step, float* to) {
    __m512 most[2] = {};
    for (int64_t i = begin; i < end; ++i) {
      most[0] = _mm512_max_ps(_mm512_loadu_ps(from + i * step), most[0]);
      most[1] = _mm512_max_ps(_mm512_loadu_ps(from + i * step + 16), most[1]);
    }
    _mm512_storeu_ps(to, most[0]);
    _mm512_storeu_ps(to + 16, most[1]);
  }

  const PoolWindow& pool_;
  int64_t height_, width_, columns_;
  float* values_;
  int64_t next_ = 0;  ///< the first row that is not held
};

}  // namespace
}  // namespace edgenet::avx512icl
