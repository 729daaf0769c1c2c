// What becomes of a tile's sums in the XNOR convolution: floats or packed signs, with all that the form says between.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <type_traits>

#include "kernels/amx/tiles.h"
#include "kernels/avx512/simd.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_bounds.h"
#include "kernels/x86/xnor_conv_finish.h"

namespace edgenet::amx {
namespace {  // internal linkage: no copy of these may serve a CPU without AMX

using x86::smaller;

/// Where the outputs of a panel of 16 channels go.
struct PanelTarget {
  const x86::UnitOutputs& unit;
  int64_t channel, channels;  ///< of the unit, and how many exist
  const int32_t* bounds;      ///< of the panel's channels (find_bounds), or null where signs depend on more than sums
  int64_t inputs;
};

/// 16 channels of 16 positions from those of 16 positions of a tile.
EDGENET_INLINE void turn(const int32_t* sums, __m512 (&square)[kTileRows]) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTileRows; ++i) {
    square[i] = _mm512_cvtepi32_ps(_mm512_load_si512(sums + i * kTileOutputs));
  }
  avx512::Simd::transpose(square);
}

template <bool add, bool prelu>
EDGENET_INLINE __m512 finished(const x86::UnitOutputs& unit, int64_t channel, int64_t position, int64_t count,
                               __m512 dot) {
  using Floats = x86::Floats512;
  __m512 v = Floats::scaled(unit.scale[channel], dot, unit.bias[channel]);
  if constexpr (add) v = Floats::add(v, Floats::load(unit.residual + channel * unit.outputs + position, count));
  if constexpr (prelu) v = Floats::prelu(v, unit.slope[channel]);
  return v;
}

template <bool add, bool prelu>
EDGENET_NOINLINE void finish_floats(const PanelTarget& target, const int32_t* sums, int64_t position, int64_t count) {
  const x86::UnitOutputs& unit = target.unit;
  __m512 square[kTileRows];
  turn(sums, square);
  const int64_t channel = target.channel;
  float* y = unit.y + channel * unit.outputs + position;
  if (target.channels == kTileOutputs) {
#pragma GCC unroll 16
    for (int64_t c = 0; c < kTileOutputs; ++c) {
      x86::Floats512::store(y + c * unit.outputs, finished<add, prelu>(unit, channel + c, position, count, square[c]),
                            count);
    }
  } else {
    for (int64_t c = 0; c < target.channels; ++c) {
      x86::Floats512::store(y + c * unit.outputs, finished<add, prelu>(unit, channel + c, position, count, square[c]),
                            count);
    }
  }
}

template <bool add, bool prelu>
EDGENET_NOINLINE void finish_signs(const PanelTarget& target, const int32_t* sums, int64_t position, int64_t count) {
  using Floats = x86::Floats512;
  const x86::UnitOutputs& unit = target.unit;
  __m512 square[kTileRows];
  turn(sums, square);
  for (int64_t octet = 0; octet < target.channels; octet += 8) {
    Floats::Signs signs = Floats::no_signs();
    for (int64_t c = octet; c < smaller(octet + 8, target.channels); ++c) {
      const int64_t channel = target.channel + c;
      const __m512 v = finished<add, prelu>(unit, channel, position, count, square[c]);
      signs = Floats::add_sign(signs, v, unit.next_threshold[channel], 1 << (c - octet));
    }
    Floats::store_signs(unit.signs + (target.channel + octet) / 8 * unit.outputs + position, signs, count);
  }
}

/// A position's sums against the bounds of 16 channels are 16 of its signs.
EDGENET_NOINLINE void finish_by_bounds(const PanelTarget& target, const int32_t* sums, int64_t position,
                                       int64_t count) {
  const auto exist = static_cast<__mmask16>((1u << target.channels) - 1);
  const __m512i bounds = _mm512_maskz_loadu_epi32(exist, target.bounds);
  const __m512i flips = _mm512_set1_epi32(x86::kFlipped);
  const uint32_t flipped = _mm512_test_epi32_mask(bounds, flips);
  // dot = inputs - 2 * count, and count < bound where dot > inputs - 2 * bound
  const __m512i bound = _mm512_andnot_si512(flips, bounds);
  const __m512i least =
      _mm512_sub_epi32(_mm512_set1_epi32(static_cast<int>(target.inputs)), _mm512_add_epi32(bound, bound));
  alignas(32) uint16_t signs[kTileRows];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTileRows; ++i) {
    const __mmask16 above = _mm512_cmpgt_epi32_mask(_mm512_load_si512(sums + i * kTileOutputs), least);
    signs[i] = static_cast<uint16_t>((above ^ flipped) & exist);
  }
  const __m256i words = _mm256_load_si256(reinterpret_cast<const __m256i*>(signs));
  const x86::UnitOutputs& unit = target.unit;
  uint8_t* to = unit.signs + target.channel / 8 * unit.outputs + position;
  const auto lanes = static_cast<__mmask16>((1u << count) - 1);
  _mm_mask_storeu_epi8(to, lanes, _mm256_cvtepi16_epi8(words));
  if (target.channels > 8)
    _mm_mask_storeu_epi8(to + unit.outputs, lanes, _mm256_cvtepi16_epi8(_mm256_srli_epi16(words, 8)));
}

bool has_bounds(const PanelTarget& target) {
  if (target.bounds == nullptr) return false;
  for (int64_t c = 0; c < target.channels; ++c) {
    if (target.bounds[c] == x86::kNoBound) return false;
  }
  return true;
}

/// Sums that a tile holds for `count` positions from `position` on become outputs.
using FinishTile = void (*)(const PanelTarget&, const int32_t* sums, int64_t position, int64_t count);

template <bool add, bool prelu>
FinishTile finish_of(bool to_signs) {
  return to_signs ? finish_signs<add, prelu> : finish_floats<add, prelu>;
}

FinishTile choose_finish(const PanelTarget& target) {
  if (has_bounds(target)) return finish_by_bounds;
  const ConvForm& form = target.unit.form;
  if (form.add) return form.prelu ? finish_of<true, true>(form.to_signs) : finish_of<true, false>(form.to_signs);
  return form.prelu ? finish_of<false, true>(form.to_signs) : finish_of<false, false>(form.to_signs);
}

/// Makes a panel's outputs, a tile of positions at a time.
class XnorFinish {
 public:
  explicit XnorFinish(const PanelTarget& target) : target_(target), finish_(choose_finish(target)) {}

  void finish(const int32_t* sums, int64_t position, int64_t count) const { finish_(target_, sums, position, count); }

  /// Fetches what is read and written for these positions.
  void prefetch(int64_t position, int64_t count) const {
    x86::fetch_outputs(target_.unit, target_.channel, target_.channels, position, count);
  }

 private:
  const PanelTarget& target_;
  FinishTile finish_;
};

}  // namespace
}  // namespace edgenet::amx
