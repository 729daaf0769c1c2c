// XNOR convolution by bit slices: a vector holds one bit of 512 or 256 output positions, and counts are added up bit by
// bit. For images of many positions and output channels; needs AVX-512.
//
// The leaves of a bundle are the signs of 32 channels under a tap, and the weights of an output channel choose. A
// padded position differs from nothing.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/x86/aligned.h"
#include "kernels/x86/thread_memory.h"
#include "kernels/x86/xnor_bundle.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_bounds.h"
#include "kernels/x86/xnor_conv_count.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_slice_unit.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

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
        memory_(
            ThreadMemory::get(kTableBytes + kMostSliceTaps * S::kBytes + (channels + 1) * unit.planes * S::kBytes)) {}

  /// Convolves for channels from `channel` on.
  void convolve(const UnitOutputs& outputs, int64_t channel) {
    start();
    for (int64_t tap = 0; tap < unit_.taps; ++tap) {
      const int64_t bits = unit_.tap_bits[tap];
      S::store(inside(tap), bits < 0 ? S::zero() : S::load_bits(unit_.inside, unit_.inside_bits[tap] + position_));
    }
    const int64_t bundles = unit_.taps * unit_.tap_bundles;
    for (int64_t first = 0; first < bundles; first += kChunkBundles) {
      const int64_t chunk = smaller(kChunkBundles, bundles - first);
      for (int64_t i = 0; i < chunk; ++i) find_tables(first + i, tables() + i * Sums::kBytes);
      const BundleCode* codes = unit_.codes + first * unit_.channels + channel * kChunkBundles;
      const bool last = first + chunk == bundles && !outputs.form.to_signs;
      const bool near = first + 2 * kChunkBundles >= bundles && (!last || bundles <= kChunkBundles);
      for (int64_t c = 0; c < channels_; ++c, codes += kChunkBundles) {
        if (near && !outputs.form.to_signs) prefetch(outputs, channel + c);
        add_bundles(codes, chunk, first == 0 ? planes(-1) : planes(c), planes(c));
        // At once, so that stores to memory go on beside the next channel's counting.
        if (last) finish_floats(outputs, channel + c, c);
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
        for (int64_t c = 0; c < count; ++c) S::store_counts(planes(first + c), unit_.planes, counts[c]);
        x86::finish_signs<Floats512>(outputs, {channel + first, count, position_, lanes, counts[0], kLanes});
      }
    }
  }

  /// Asks, a chunk ahead, for the memory that a channel's floats go to: where layers are large no cache holds it.
  void prefetch(const UnitOutputs& outputs, int64_t channel) const {
    const float* y = outputs.y + channel * outputs.outputs + position_;
    for (int64_t i = 0; i < smaller(kLanes, outputs.outputs - position_); i += 16) __builtin_prefetch(y + i, 1, 2);
  }

  void finish_floats(const UnitOutputs& outputs, int64_t channel, int64_t c) const {
    alignas(64) uint16_t counts[kLanes];
    S::store_counts(planes(c), unit_.planes, counts);
    x86::finish_floats<Floats512>(
        outputs, {channel, 1, position_, smaller(kLanes, outputs.outputs - position_), counts, kLanes});
  }

  uint8_t* tables() { return memory_; }
  uint8_t* inside(int64_t tap) { return memory_ + kTableBytes + tap * S::kBytes; }
  /// The bits of a channel's counts, a vector a bit; of channel -1 what all begin with.
  const uint8_t* planes(int64_t channel) const {
    return memory_ + kTableBytes + kMostSliceTaps * S::kBytes + (channel + 1) * unit_.planes * S::kBytes;
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
    const auto leaf = [&](int i) EDGENET_LAMBDA { return S::load_bits(row + i * unit_.row_words, bit) & in; };
    if (channels >= kBundleWeights) return Sums::find_tables(leaf, in, to);
    Sums::find_tables([&](int i) EDGENET_LAMBDA { return i < channels ? leaf(i) : S::zero(); }, in, to);
  }

  struct Planes {
    uint8_t* first;
    EDGENET_INLINE Vector load(int64_t plane) const { return S::load(first + plane * S::kBytes); }
    EDGENET_INLINE void store(int64_t plane, Vector v) const { S::store(first + plane * S::kBytes, v); }
  };

  /// to = from + how many signs differ from the weights that chose.
  EDGENET_NOINLINE void add_bundles(const BundleCode* codes, int64_t bundles, const uint8_t* from, uint8_t* to) {
    Sums::add(tables(), codes, bundles, unit_.planes, Planes{const_cast<uint8_t*>(from)}, Planes{to});
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

  const SliceUnit& unit_;
  int64_t position_, channels_;
  uint8_t* memory_;
};

}  // namespace
}  // namespace edgenet::x86
