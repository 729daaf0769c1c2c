// XNOR convolution by bit slices: a vector holds one bit of 512 or 256 output positions, and counts are added up bit by
// bit. For images of many positions and output channels; needs AVX-512.
//
// The leaves of a bundle are the signs of 32 channels under a tap, and the weights of an output channel choose. A padded
// position differs from nothing.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_bundle.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_bounds.h"
#include "kernels/x86/xnor_conv_count.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_conv_slice_plan.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// Bytes of 4 signs as a row of bits a channel, `row_words` words apart.
void slice_quad(const uint8_t* signs, int64_t count, uint64_t* rows, int64_t row_words) {
  for (int64_t i = 0; i < count / 64; ++i) {
    const __m512i bytes = _mm512_loadu_si512(signs + 64 * i);
    for (int channel = 0; channel < kQuad; ++channel) {
      rows[channel * row_words + i] = _mm512_test_epi8_mask(bytes, _mm512_set1_epi8(static_cast<char>(1 << channel)));
    }
  }
}

/// Which of these bytes are no padding.
void slice_inside(const uint8_t* signs, int64_t count, uint64_t* row) {
  for (int64_t i = 0; i < count / 64; ++i) row[i] = ~_mm512_movepi8_mask(_mm512_loadu_si512(signs + 64 * i));
}

/// The outputs of a slice of positions, for some output channels of a unit.
template <class S>
class Slice {
  using Vector = typename S::Vector;
  using Sums = Bundles<S>;

 public:
  static constexpr int64_t kLanes = S::kBytes * 8;

  Slice(const SliceUnit& unit, int64_t position, int64_t channels)
      : unit_(unit),
        position_(position),
        channels_(channels),
        memory_((kTableBytes + kMostSliceTaps * S::kBytes + (channels + 1) * unit.planes * S::kBytes) / 4) {}

  /// Convolves for channels from `channel` on.
  void convolve(const UnitOutputs& outputs, int64_t channel) {
    start();
    for (int64_t tap = 0; tap < unit_.taps; ++tap) {
      const int64_t bits = unit_.tap_bits[tap];
      S::store(inside(tap), bits < 0 ? S::zero() : S::load_bits(unit_.inside, bits + position_));
    }
    const int64_t bundles = unit_.taps * unit_.tap_bundles;
    for (int64_t first = 0; first < bundles; first += kChunkBundles) {
      const int64_t chunk = smaller(kChunkBundles, bundles - first);
      for (int64_t i = 0; i < chunk; ++i) find_tables(first + i, tables() + i * Sums::kBytes);
      const uint64_t* codes = unit_.codes + first * unit_.channels + channel * kChunkBundles;
      for (int64_t c = 0; c < channels_; ++c, codes += kChunkBundles) {
        add_bundles(codes, chunk, first == 0 ? planes(-1) : planes(c), planes(c));
        // At once, so that stores to memory go on beside the next channel's counting.
        if (first + chunk == bundles && !outputs.form.to_signs) finish_floats(outputs, channel + c, c);
      }
    }
    if (outputs.form.to_signs) finish_signs(outputs, channel);
  }

 private:
  static constexpr int64_t kTableBytes = kChunkBundles * Sums::kBytes;

  void finish_signs(const UnitOutputs& outputs, int64_t channel) const {
    const int64_t lanes = smaller(kLanes, outputs.outputs - position_);
    for (int64_t first = 0; first < channels_; first += 8) {
      const int64_t count = smaller(8, channels_ - first);
      if (has_bounds(channel + first, count)) {
        finish_by_bounds(outputs, channel, first, count, lanes);
      } else {
        alignas(64) uint16_t counts[8][kLanes];
        for (int64_t c = 0; c < count; ++c) store_counts(first + c, counts[c]);
        x86::finish_signs<Floats512>(outputs, {channel + first, count, position_, lanes, counts[0], kLanes});
      }
    }
  }

  EDGENET_NOINLINE void finish_floats(const UnitOutputs& outputs, int64_t channel, int64_t c) const {
    const int64_t lanes = smaller(kLanes, outputs.outputs - position_);
    float* y = outputs.y + channel * outputs.outputs + position_;
    for (int64_t i = 0; i < lanes; i += 64) {
      const CountBytes bytes = count_bytes(c, i);
      const auto put = [&](auto quarter, int64_t left) EDGENET_LAMBDA {
        __m512i count = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes.low, quarter));
        if (unit_.planes > 8) {
          const __m512i high = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes.high, quarter));
          count = _mm512_or_si512(count, _mm512_slli_epi32(high, 8));
        }
        const int64_t at = i + 16 * quarter;
        Floats512::store(y + at, finished<Floats512>(outputs, channel, position_ + at, left, _mm512_cvtepi32_ps(count)),
                         left);
      };
      if (lanes - i >= 64) {
        unroll<4>([&](auto quarter) EDGENET_LAMBDA { put(quarter, Floats512::kCount); });
      } else {
        unroll<4>([&](auto quarter) EDGENET_LAMBDA {
          const int64_t left = lanes - i - 16 * quarter;
          if (left > 0) put(quarter, left);
        });
      }
    }
  }

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(memory_.data()); }
  uint8_t* tables() { return bytes(); }
  uint8_t* inside(int64_t tap) { return bytes() + kTableBytes + tap * S::kBytes; }
  /// The bits of a channel's counts, a vector a bit; of channel -1 what all begin with.
  const uint8_t* planes(int64_t channel) const {
    return reinterpret_cast<const uint8_t*>(memory_.data()) + kTableBytes + kMostSliceTaps * S::kBytes +
           (channel + 1) * unit_.planes * S::kBytes;
  }
  uint8_t* planes(int64_t channel) { return const_cast<uint8_t*>(static_cast<const Slice*>(this)->planes(channel)); }

  /// Counts begin with half of the weights that meet padding, so that dot = inputs - 2 * count, less 1 if those are
  /// odd.
  void start() {
    auto* halves = reinterpret_cast<uint16_t*>(planes(-1));
    for (int64_t i = 0; i < kLanes; i += 16) {
      const __m512i valid = _mm512_cvtps_epi32(_mm512_loadu_ps(unit_.valid + position_ + i));
      const __m512i half =
          _mm512_srli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(static_cast<int>(unit_.inputs)), valid), 1);
      for (int plane = 0; plane < unit_.planes; ++plane) {
        halves[plane * kLanes / 16 + i / 16] = _mm512_test_epi32_mask(half, _mm512_set1_epi32(1 << plane));
      }
    }
  }

  EDGENET_NOINLINE void find_tables(int64_t bundle, uint8_t* to) {
    const int64_t tap = bundle / unit_.tap_bundles;
    const int64_t first = bundle % unit_.tap_bundles * kBundleWeights;
    const int64_t bit = larger(unit_.tap_bits[tap], 0) + position_;
    const uint64_t* row = unit_.rows + first * unit_.row_words;
    const int64_t channels = unit_.row_channels - first;
    const Vector in = S::load(inside(tap));
    Sums::find_tables(
        [&](int i) EDGENET_LAMBDA { return i < channels ? S::load_bits(row + i * unit_.row_words, bit) : S::zero(); },
        [&](Vector v) EDGENET_LAMBDA { return v & in; }, to);
  }

  /// to = from + how many signs differ from the weights that chose.
  EDGENET_NOINLINE void add_bundles(const uint64_t* codes, int64_t bundles, const uint8_t* from, uint8_t* to) {
    Vector bits[kLowPlanes];
    unroll<kLowPlanes>([&](auto i) EDGENET_LAMBDA { bits[i] = S::load(from + i * S::kBytes); });
    Vector carry = Sums::add(tables(), codes, bundles, bits);
    unroll<kLowPlanes>([&](auto i) EDGENET_LAMBDA { S::store(to + i * S::kBytes, bits[i]); });
    for (int plane = kLowPlanes; plane < unit_.planes; ++plane) {
      Vector sum = S::load(from + plane * S::kBytes);
      carry = Sums::add(sum, carry);
      S::store(to + plane * S::kBytes, sum);
    }
  }

  bool has_bounds(int64_t channel, int64_t count) const {
    if (unit_.bounds == nullptr) return false;
    for (int64_t c = 0; c < count; ++c) {
      if (unit_.bounds[channel + c] == kNoBound) return false;
    }
    return true;
  }

  /// The lanes whose count is below the bound of a channel, or not.
  Vector met(int64_t c, int32_t bound) const {
    const int32_t limit = bound & (kFlipped - 1);
    Vector below = S::zero();
    for (int plane = 0; plane < unit_.planes; ++plane) {
      below = S::below(S::load(planes(c) + plane * S::kBytes), S::all(limit >> plane & 1), below);
    }
    if (limit >> unit_.planes != 0) below = S::all(true);
    return (bound & kFlipped) != 0 ? ~below : below;
  }

  void finish_by_bounds(const UnitOutputs& outputs, int64_t channel, int64_t first, int64_t count,
                        int64_t lanes) const {
    alignas(64) uint64_t signs[8][kLanes / 64];
    for (int64_t c = 0; c < count; ++c) S::store(signs[c], met(first + c, unit_.bounds[channel + first + c]));
    uint8_t* to = outputs.signs + (channel + first) / 8 * outputs.outputs + position_;
    for (int64_t i = 0; i < lanes; i += 64) {
      __m512i bytes = _mm512_setzero_si512();
      for (int64_t c = 0; c < count; ++c) {
        bytes = _mm512_mask_add_epi8(bytes, signs[c][i / 64], bytes, _mm512_set1_epi8(static_cast<char>(1 << c)));
      }
      const uint64_t left = lanes - i >= 64 ? ~uint64_t{0} : (uint64_t{1} << (lanes - i)) - 1;
      _mm512_mask_storeu_epi8(to + i, left, bytes);
    }
  }

  /// The counts of 64 positions, in two bytes each.
  struct CountBytes {
    __m512i low, high;
  };

  EDGENET_INLINE CountBytes count_bytes(int64_t c, int64_t lane) const {
    CountBytes bytes{_mm512_setzero_si512(), _mm512_setzero_si512()};
    const uint8_t* plane = planes(c) + lane / 8;
    const auto add_bit = [&](__m512i& to, int bit) EDGENET_LAMBDA {
      uint64_t lanes;
      std::memcpy(&lanes, plane, 8);
      to = _mm512_mask_add_epi8(to, lanes, to, _mm512_set1_epi8(static_cast<char>(1 << bit)));
      plane += S::kBytes;
    };
    unroll<kLowPlanes>([&](auto bit) EDGENET_LAMBDA { add_bit(bytes.low, bit); });
    if (unit_.planes > 7) add_bit(bytes.low, 7);
    for (int bit = 8; bit < unit_.planes; ++bit) add_bit(bytes.high, bit - 8);
    return bytes;
  }

  void store_counts(int64_t c, uint16_t* to) const {
    for (int64_t i = 0; i < kLanes; i += 64) {
      const CountBytes bytes = count_bytes(c, i);
      store_shorts(_mm512_castsi512_si256(bytes.low), _mm512_castsi512_si256(bytes.high), to + i);
      store_shorts(_mm512_extracti64x4_epi64(bytes.low, 1), _mm512_extracti64x4_epi64(bytes.high, 1), to + i + 32);
    }
  }

  static void store_shorts(__m256i low, __m256i high, uint16_t* to) {
    _mm512_store_si512(to,
                       _mm512_or_si512(_mm512_cvtepu8_epi16(low), _mm512_slli_epi16(_mm512_cvtepu8_epi16(high), 8)));
  }

  const SliceUnit& unit_;
  int64_t position_, channels_;
  AlignedWords memory_;
};

}  // namespace
}  // namespace edgenet::x86
