// The weights of panels of 32 outputs, and how VNNI multiplies them with words of 4 bytes.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/avx512icl/int8_pixels.h"
#include "kernels/x86/pixel_panels.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VNNI

/// What they share with tiles.
struct ByteWords : Simd {
  using Writer = PixelWriter;
  static constexpr int64_t kWordValues = 4;
  static constexpr int32_t kZero = kZeroByte;

  static Int load_words(const int32_t* from) { return _mm512_loadu_si512(from); }
  static void store_words(int32_t* to, Int words) { _mm512_storeu_si512(to, words); }
  static Int subtract_words(Int a, Int b) { return _mm512_sub_epi32(a, b); }
  static Int larger_words(Int a, Int b) { return _mm512_max_epi32(a, b); }
  static Int exclusive_or(Int a, Int b) { return _mm512_xor_si512(a, b); }
  static Float to_float(Int words) { return _mm512_cvtepi32_ps(words); }
  static Int ones_where_negative(Float x) {
    return _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), -1);
  }
  /// Past the caches; `to` is a multiple of 64.
  static void stream(float* to, Float value) { _mm512_stream_ps(to, value); }
};

struct ByteProducts : ByteWords, x86::VectorSums<ByteProducts> {
  static constexpr int kTilePositions = 12;  ///< 12 x 2 sums, 2 weights and an activation fill 27 of 32 registers

  static Int set_words(int32_t word) { return _mm512_set1_epi32(word); }
  static Int add_products(Int sum, Int x, Int weights) { return _mm512_dpbusd_epi32(sum, x, weights); }
};

using x86::PanelShape;

constexpr int64_t kPanelOutputs = x86::PanelTask<ByteProducts>::kOutputs;

/// Weights of 8 bits: [panel][quad][output][4], turned when they are used where the file has a row of quads for an
/// output, so that large 1x1 kernels need no second copy.
class BytePanels {
 public:
  static constexpr bool kWholeWords = false;
  static constexpr int64_t kWordBytes = 4 * kPanelOutputs;

  BytePanels(const ConvWeights& w, const PixelRuns& runs)
      : shape_(w, kPanelOutputs),
        runs_(runs),
        row_(w.group_channels * runs_.taps),
        file_(w.packed),
        words_(turned() ? 0 : shape_.count * runs_.words() * kPanelOutputs),
        sums_(shape_.count * kPanelOutputs) {
    if (!turned()) std::memset(words_.data(), 0, static_cast<size_t>(shape_.count * panel_bytes()));
    for (int64_t panel = 0; panel < shape_.count; ++panel) {
      for (int64_t o = 0; o < kPanelOutputs; ++o) {
        sums_.data()[panel * kPanelOutputs + o] =
            o < shape_.panel_outputs(panel) ? static_cast<uint32_t>(copy_row(panel, o)) : 0;
      }
    }
  }

  /// What the zero point adds to the sums of an output.
  int32_t offset(int64_t panel, int64_t output) const {
    return ByteProducts::kZero * static_cast<int32_t>(sums_.data()[panel * kPanelOutputs + output]);
  }
  int64_t room_bytes() const { return turned() ? panel_bytes() : 0; }
  const uint8_t* weights(int64_t panel, uint8_t* room) const {
    if (!turned()) return bytes() + panel * panel_bytes();
    for (int64_t quad = 0; quad < runs_.words(); quad += 16) {
      for (int64_t half = 0; half < 2; ++half) turn(panel, half * 16, quad, room);
    }
    return room;
  }

  static void load(const uint8_t* from, __m512i (&weights)[2]) {
    weights[0] = _mm512_loadu_si512(from);
    weights[1] = _mm512_loadu_si512(from + 64);
  }

 private:
  bool turned() const { return runs_.taps == 1; }
  int64_t panel_bytes() const { return runs_.words() * kWordBytes; }
  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(words_.data()); }

  /// The sum of an output's weights, which are copied to their places if a copy is kept.
  int32_t copy_row(int64_t panel, int64_t o) {
    const auto* row = reinterpret_cast<const int8_t*>(file_) + (shape_.first_output(panel) + o) * row_;
    auto* to = reinterpret_cast<int8_t*>(words_.data()) + panel * panel_bytes() + o * 4;
    int32_t sum = 0;
    for (int64_t k = 0; k < row_; ++k) {
      const int64_t byte = runs_.value(k);
      if (!turned()) to[byte / 4 * kWordBytes + byte % 4] = row[k];
      sum += row[k];
    }
    return sum;
  }

  /// 16 quads of 16 outputs.
  void turn(int64_t panel, int64_t output, int64_t quad, uint8_t* room) const {
    const int64_t exist = shape_.panel_outputs(panel) - output;
    const int64_t bytes = row_ - quad * 4;
    const __mmask64 inside = bytes >= 64 ? ~uint64_t{0} : (uint64_t{1} << bytes) - 1;
    const uint8_t* from = file_ + (shape_.first_output(panel) + output) * row_ + quad * 4;
    Simd::Float square[16];
    if (exist >= 16 && bytes >= 64) {
#pragma GCC unroll 16
      for (int64_t o = 0; o < 16; ++o) {
        __builtin_prefetch(from + (kPanelOutputs + o) * row_, 0, 2);  // of the next panel
        square[o] = _mm512_loadu_ps(from + o * row_);
      }
    } else {
#pragma GCC unroll 16
      for (int64_t o = 0; o < 16; ++o) {
        const __mmask64 there = o < exist ? inside : 0;
        square[o] = _mm512_castsi512_ps(_mm512_maskz_loadu_epi8(there, o < exist ? from + o * row_ : file_));
      }
    }
    Simd::transpose(square);
    uint8_t* to = room + quad * kWordBytes + output * 4;
    for (int64_t i = 0; i < smaller(16, runs_.words() - quad); ++i) _mm512_storeu_ps(to + i * kWordBytes, square[i]);
  }

  PanelShape shape_;
  PixelRuns runs_;
  int64_t row_;
  const uint8_t* file_;
  x86::AlignedWords words_, sums_;
};

/// Weights of a bit, +1 and -1, in the same order. Weights that do not exist are -1 and meet activations of 0.
class BitPanels {
 public:
  static constexpr bool kWholeWords = true;
  static constexpr int64_t kWordBytes = kPanelOutputs / 2;

  BitPanels(const ConvWeights& w, const PixelRuns& runs)
      : shape_(w, kPanelOutputs),
        runs_(runs),
        words_(shape_.count * panel_bytes() / 4),
        sums_(shape_.count * kPanelOutputs) {
    std::memset(words_.data(), 0, static_cast<size_t>(shape_.count * panel_bytes()));
    const int64_t row = w.group_channels * runs_.taps;
    for (int64_t panel = 0; panel < shape_.count; ++panel) {
      uint8_t* bits = reinterpret_cast<uint8_t*>(words_.data()) + panel * panel_bytes();
      for (int64_t o = 0; o < kPanelOutputs; ++o) {
        const uint8_t* from = w.packed + (shape_.first_output(panel) + o) * ((row + 7) / 8);
        int32_t sum = static_cast<int32_t>(-4 * runs_.words());
        for (int64_t k = 0; o < shape_.panel_outputs(panel) && k < row; ++k) {
          if (((from[k / 8] >> (k % 8)) & 1) == 0) continue;
          const int64_t byte = runs_.value(k);
          const int64_t bit = o * 4 + byte % 4;
          bits[byte / 4 * kWordBytes + bit / 8] |= static_cast<uint8_t>(1 << bit % 8);
          sum += 2;
        }
        sums_.data()[panel * kPanelOutputs + o] = static_cast<uint32_t>(sum);
      }
    }
  }

  /// What the zero point adds to the sums of an output.
  int32_t offset(int64_t panel, int64_t output) const {
    return ByteProducts::kZero * static_cast<int32_t>(sums_.data()[panel * kPanelOutputs + output]);
  }
  int64_t room_bytes() const { return 0; }
  const uint8_t* weights(int64_t panel, uint8_t*) const {
    return reinterpret_cast<const uint8_t*>(words_.data()) + panel * panel_bytes();
  }

  static void load(const uint8_t* from, __m512i (&weights)[2]) {
    for (int half = 0; half < 2; ++half) {
      uint64_t bits;
      std::memcpy(&bits, from + 8 * half, sizeof bits);
      weights[half] = _mm512_mask_blend_epi8(bits, _mm512_set1_epi8(-1), _mm512_set1_epi8(1));
    }
  }

 private:
  int64_t panel_bytes() const { return runs_.words() * kWordBytes; }

  PanelShape shape_;
  PixelRuns runs_;
  x86::AlignedWords words_, sums_;
};

}  // namespace
}  // namespace edgenet::avx512icl
