// 8-bit activations and weights as halves (16 bits), of which vpmaddwd multiplies and adds two pairs a lane: its sums
// need no second instruction to be widened, and 3 channels leave no gap, as quads of bytes would.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/avx2/simd.h"
#include "kernels/x86/pixel_panels.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

using x86::PixelLayout;
using x86::PixelRuns;
using x86::smaller;

/// Quantises lines of one group of channels.
class HalfWriter {
  using Int = Simd::Int;

 public:
  HalfWriter(const PixelLayout& layout, const PixelRuns& runs, float factor)
      : layout_(layout),
        channels_(runs.channels),
        area_(layout.rows.size * layout.columns.size),
        factor_(Simd::set(factor)) {}

  /// `x` is the group's first channel; `to` begins the line.
  void write_line(const float* x, int64_t line, uint8_t* to) const {
    const x86::ConvAxis& columns = layout_.columns;
    if (!layout_.rows.inside(line)) return fill(to, columns.tables());
    const int64_t first = columns.first_inside(), end = columns.end_inside();
    fill(to, first);
    fill(to + end * layout_.pixel, columns.tables() - end);
    if (first == end) return;
    const float* row = x + layout_.rows.input(line) * columns.size + columns.input(first);
    to += first * layout_.pixel;
    for (int64_t channel = 0; channel < channels_; channel += kChannels) {
      const int64_t exist = smaller(kChannels, channels_ - channel);
      const float* from = row + channel * area_;
      uint8_t* pixels = to + channel * kValueBytes;
      switch (smaller(kChannels * kValueBytes, layout_.pixel - channel * kValueBytes)) {
        case 2:
          write_channels<2>(from, exist, end - first, pixels);
          break;
        case 4:
          write_channels<4>(from, exist, end - first, pixels);
          break;
        case 6:
          write_channels<6>(from, exist, end - first, pixels);
          break;
        default:
          write_channels<8>(from, exist, end - first, pixels);
      }
    }
  }

  /// There are none: words hold halves.
  void write_tails(const uint8_t*, int64_t, uint8_t*) const {}

 private:
  static constexpr int64_t kChannels = 4;  ///< written together
  static constexpr int64_t kValueBytes = 2;
  static constexpr int64_t kPositions = Simd::kLanes;

  void fill(uint8_t* to, int64_t pixels) const { std::memset(to, 0, static_cast<size_t>(pixels * layout_.pixel)); }

  /// The kBytes of up to 4 channels at every position; those that do not exist are 0.
  template <int kBytes>
  void write_channels(const float* x, int64_t exist, int64_t positions, uint8_t* to) const {
    for (int64_t position = 0; position < positions; position += kPositions) {
      const int64_t count = smaller(kPositions, positions - position);
      Int q[kChannels] = {Simd::zero(), Simd::zero(), Simd::zero(), Simd::zero()};
      for (int64_t c = 0; c < exist; ++c) q[c] = round(x + c * area_ + position * layout_.columns.step, count);
      const Int low = pairs(q[0], q[1]), high = pairs(q[2], q[3]);
      alignas(32) uint64_t values[kPositions];  // of positions 0, 1, 4, 5, then 2, 3, 6, 7
      _mm256_store_si256(reinterpret_cast<Int*>(values), _mm256_unpacklo_epi32(low, high));
      _mm256_store_si256(reinterpret_cast<Int*>(values) + 1, _mm256_unpackhi_epi32(low, high));
      uint8_t* pixel = to + position * layout_.pixel;
      for (int64_t i = 0; i < count; ++i, pixel += layout_.pixel) {
        std::memcpy(pixel, values + (i / 2 % 2 * 4 + i / 4 * 2 + i % 2), kBytes);
      }
    }
  }

  /// `count` values a step apart; nothing beyond the last of them is read.
  Int round(const float* from, int64_t count) const {
    const int64_t step = layout_.columns.step;
    if (step == 1) return round(Simd::load_first(from, count));
    alignas(32) float values[kPositions] = {};
    for (int64_t i = 0; i < count; ++i) values[i] = from[i * step];
    return round(Simd::load(values));
  }
  Int round(Simd::Float x) const { return _mm256_cvtps_epi32(Simd::multiply(x, factor_)); }

  /// Words with the first's values in their lower halves.
  static Int pairs(Int first, Int second) {
    return _mm256_or_si256(_mm256_and_si256(first, _mm256_set1_epi32(0xffff)), _mm256_slli_epi32(second, 16));
  }

  const PixelLayout& layout_;
  int64_t channels_, area_;
  Simd::Float factor_;
};

struct HalfProducts : Simd, x86::VectorSums<HalfProducts> {
  using Writer = HalfWriter;
  static constexpr int64_t kWordValues = 2;
  static constexpr int kTilePositions = 6;  ///< 6 x 2 sums, 2 weights, an activation and a product fill 16 registers

  static Int set_words(int32_t word) { return _mm256_set1_epi32(word); }
  static Int add_products(Int sum, Int x, Int weights) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, weights));
    settle(sum);  // GCC 12 else multiplies first, for which registers are too few
    return sum;
  }
  static Int load_words(const int32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const Int*>(from)); }
  static void store_words(int32_t* to, Int words) { _mm256_storeu_si256(reinterpret_cast<Int*>(to), words); }
  static Int subtract_words(Int a, Int b) { return _mm256_sub_epi32(a, b); }
  static Int larger_words(Int a, Int b) { return _mm256_max_epi32(a, b); }
  static Int exclusive_or(Int a, Int b) { return _mm256_xor_si256(a, b); }
  static Float to_float(Int words) { return _mm256_cvtepi32_ps(words); }
  static Int ones_where_negative(Float x) {
    return _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
  }
  /// Past the caches; `to` is a multiple of 32.
  static void stream(float* to, Float value) { _mm256_stream_ps(to, value); }
};

/// Weights, in 16 bits too: [panel][word][output][2].
class HalfPanels {
 public:
  static constexpr bool kWholeWords = false;
  static constexpr int64_t kOutputs = x86::PanelTask<HalfProducts>::kOutputs;
  static constexpr int64_t kWordBytes = 4 * kOutputs;

  HalfPanels(const ConvWeights& w, const PixelRuns& runs)
      : panel_bytes_(runs.words() * kWordBytes), words_(x86::PanelShape(w, kOutputs).count * panel_bytes_ / 4) {
    const x86::PanelShape shape(w, kOutputs);
    const int64_t row = w.group_channels * runs.taps;
    auto* halves = reinterpret_cast<int16_t*>(words_.data());
    std::memset(halves, 0, static_cast<size_t>(shape.count * panel_bytes_));
    for (int64_t panel = 0; panel < shape.count; ++panel, halves += panel_bytes_ / 2) {
      for (int64_t o = 0; o < shape.panel_outputs(panel); ++o) {
        const auto* from = reinterpret_cast<const int8_t*>(w.packed) + (shape.first_output(panel) + o) * row;
        for (int64_t k = 0; k < row; ++k) {
          const int64_t value = runs.value(k);
          halves[value / 2 * kWordBytes / 2 + 2 * o + value % 2] = from[k];
        }
      }
    }
  }

  /// There is no zero point.
  int32_t offset(int64_t, int64_t) const { return 0; }
  int64_t room_bytes() const { return 0; }
  const uint8_t* weights(int64_t panel, uint8_t*) const {
    return reinterpret_cast<const uint8_t*>(words_.data()) + panel * panel_bytes_;
  }

  static void load(const uint8_t* from, __m256i (&weights)[2]) {
    for (int half = 0; half < 2; ++half) {
      weights[half] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from) + half);
    }
  }

 private:
  int64_t panel_bytes_;
  x86::AlignedWords words_;
};

}  // namespace
}  // namespace edgenet::avx2
