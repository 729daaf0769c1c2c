// How far the sums of fixed-point tables may be off, and whether that is little enough beside every window's sum of
// magnitudes.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/avx2/byte_fields.h"
#include "kernels/avx2/simd.h"
#include "kernels/x86/aligned.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

/// The magnitudes of a unit, position by position.
class FieldBounds {
  using Float = Simd::Float;

 public:
  /// Of the 1e-5 that SPEC.md allows; the rest is for sums of floats.
  static constexpr float kAllowed = 8e-6f;
  static constexpr float kSmallest = 1e-28f;  ///< its inverse must leave room for 63 * 2^24
  static constexpr float kLargest = 1e37f;    ///< so that no sum of magnitudes is infinite

  static int64_t floats(const Image& image) {
    return 2 * x86::round_up(image.height * image.width, Simd::kLanes) + image.out_width;
  }

  FieldBounds(const ConvWeights& w, const Image& image, float* memory)
      : w_(w),
        image_(image),
        area_(image.height * image.width),
        totals_(memory),
        counts_(memory + x86::round_up(area_, Simd::kLanes)),
        line_(counts_ + x86::round_up(area_, Simd::kLanes)) {}

  /// Takes the measure of a unit's activations.
  void measure(const float* x) {
    largest_ = total_ = 0;
    Float most = Simd::set(0);
    for (int64_t begin = 0; begin < area_; begin += kPart) {
      const int64_t count = x86::smaller(kPart, area_ - begin);
      std::memset(totals_ + begin, 0, static_cast<size_t>(count) * sizeof(float));
      std::memset(counts_ + begin, 0, static_cast<size_t>(count) * sizeof(float));
      for (int64_t c = 0; c < w_.group_channels; c += kFieldChannels) {
        const int64_t exist = x86::smaller(kFieldChannels, w_.group_channels - c);
        for (int64_t i = begin; i < begin + count; i += Simd::kLanes) {
          most = Simd::maximum(measure_field(x + c * area_ + i, exist, i), most);
        }
      }
    }
    float lanes[Simd::kLanes];
    Simd::store(lanes, most);
    for (const float lane : lanes) largest_ = lane > largest_ ? lane : largest_;
    for (int64_t i = 0; i < area_; ++i) total_ += totals_[i];
  }

  /// The largest sum of magnitudes of a field; 0 where all are 0.
  float largest() const { return largest_; }
  /// Tables of integers can be made: no activation is NaN or infinite, none too small.
  bool fixed_point() const { return total_ <= kLargest && (largest_ == 0 || largest_ >= kSmallest); }

  /// Whether entries that are off by `error` at most, unless all of a field is 0, do for every window.
  bool hold(float error) const {
    bool all = true;
    for (int64_t i = 0; i < area_; ++i) all &= counts_[i] * error <= kAllowed * totals_[i];
    return all || windows_hold(error);
  }

 private:
  static constexpr int64_t kPart = 512;  ///< positions whose sums stay in the first cache, a multiple of kLanes

  /// Adds a field of up to 8 positions to what is known of them; returns its sums of magnitudes.
  Float measure_field(const float* x, int64_t exist, int64_t at) {
    Float sum = Simd::set(0);
    for (int64_t c = 0; c < exist; ++c) {
      const Float value =
          area_ - at >= Simd::kLanes ? Simd::load(x + c * area_) : Simd::load_first(x + c * area_, area_ - at);
      sum = Simd::add(sum, Simd::magnitude(value));
    }
    const Float some = _mm256_and_ps(_mm256_cmp_ps(sum, Simd::set(0), _CMP_NEQ_OQ), Simd::set(1));
    Simd::store(totals_ + at, Simd::add(Simd::load(totals_ + at), sum));
    Simd::store(counts_ + at, Simd::add(Simd::load(counts_ + at), some));
    return sum;
  }

  bool windows_hold(float error) const {
    for (int64_t row = 0; row < image_.out_height; ++row) {
      for (int64_t column = 0; column < image_.out_width; ++column) line_[column] = 0;
      for (int64_t tap = 0; tap < w_.kernel_height * w_.kernel_width; ++tap) {
        const int64_t y = row * w_.stride_height - w_.pad_top + tap / w_.kernel_width * w_.dilation_height;
        if (y < 0 || y >= image_.height) continue;
        const int64_t offset = tap % w_.kernel_width * w_.dilation_width - w_.pad_left;
        add_tap(y * image_.width, offset, error);
      }
      for (int64_t column = 0; column < image_.out_width; ++column) {
        if (line_[column] > 0) return false;
      }
    }
    return true;
  }

  /// Adds to every output's window of a row by how much a position's error passes what its magnitudes allow.
  void add_tap(int64_t row, int64_t offset, float error) const {
    const int64_t stride = w_.stride_width;
    const int64_t first = offset >= 0 ? 0 : (stride - 1 - offset) / stride;
    const int64_t room = image_.width - 1 - offset;
    const int64_t end = room < 0 ? 0 : x86::smaller(image_.out_width, room / stride + 1);
    for (int64_t column = first; column < end; ++column) {
      const int64_t at = row + column * stride + offset;
      line_[column] += counts_[at] * error - kAllowed * totals_[at];
    }
  }

  ConvWeights w_;
  Image image_;
  int64_t area_;
  float *totals_, *counts_, *line_;
  float largest_ = 0, total_ = 0;
};

}  // namespace
}  // namespace edgenet::avx2
