// What becomes of the counts of a tile of the XNOR convolution by VPOPCNTD. They include half of the inputs that meet
// padding, so dot = inputs - 2 * count everywhere.
#pragma once
#include <immintrin.h>

#include "kernels/avx512icl/word_conv_tile.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_bounds.h"
#include "kernels/x86/xnor_conv_finish.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

/// Where a tile's outputs go.
struct TileTarget {
  const x86::UnitOutputs& unit;
  float inputs;
  const int32_t* bounds;  ///< of the unit's channels, or null
  int64_t channel, channels;
};

template <bool add, bool prelu>
class TileValues {
  using Floats = x86::Floats512;

 public:
  TileValues(const TileTarget& target, int64_t channel)
      : scale_(_mm512_set1_ps(target.unit.scale[channel])),
        bias_(_mm512_set1_ps(target.unit.bias[channel])),
        inputs_(_mm512_set1_ps(target.inputs)),
        slope_(prelu ? target.unit.slope[channel] : 0) {
    if constexpr (add) residual_ = target.unit.residual + channel * target.unit.outputs;
  }

  /// The value of at most `left` counts from `position` on.
  EDGENET_INLINE __m512 at(const int32_t* counts, int64_t position, int64_t left) const {
    const __m512 count = _mm512_cvtepi32_ps(_mm512_load_si512(counts));
    const __m512 dot = _mm512_fnmadd_ps(_mm512_set1_ps(2), count, inputs_);  // exact
    __m512 v = _mm512_add_ps(_mm512_mul_ps(scale_, dot), bias_);
    if constexpr (add) v = _mm512_add_ps(v, Floats::load(residual_ + position, left));
    if constexpr (prelu) v = Floats::prelu(v, slope_);
    return v;
  }

 private:
  __m512 scale_, bias_, inputs_;
  float slope_;
  const float* residual_ = nullptr;
};

template <bool add, bool prelu>
EDGENET_NOINLINE void finish_floats(const TileTarget& target, int64_t position, int64_t lanes,
                                    const TileCounts& counts) {
  for (int64_t c = 0; c < target.channels; ++c) {
    const TileValues<add, prelu> values(target, target.channel + c);
    float* y = target.unit.y + (target.channel + c) * target.unit.outputs + position;
    int64_t i = 0;
    for (; lanes - i >= kLanes; i += kLanes) {
      _mm512_storeu_ps(y + i, values.at(counts[c] + i, position + i, kLanes));
    }
    if (i < lanes) x86::Floats512::store(y + i, values.at(counts[c] + i, position + i, lanes - i), lanes - i);
  }
}

template <bool add, bool prelu>
EDGENET_NOINLINE void finish_signs(const TileTarget& target, int64_t position, int64_t lanes,
                                   const TileCounts& counts) {
  uint8_t* to = target.unit.signs + target.channel / 8 * target.unit.outputs + position;
  __m512i signs[kTileVectors];
  for (__m512i& vector : signs) vector = _mm512_setzero_si512();
  for (int64_t c = 0; c < target.channels; ++c) {
    const TileValues<add, prelu> values(target, target.channel + c);
    const float threshold = target.unit.next_threshold[target.channel + c];
    for (int64_t i = 0; i < lanes; i += kLanes) {
      const __m512 v = values.at(counts[c] + i, position + i, lanes - i);
      signs[i / kLanes] = x86::Floats512::add_sign(signs[i / kLanes], v, threshold, 1 << c);
    }
  }
  for (int64_t i = 0; i < lanes; i += kLanes) {
    x86::Floats512::store_signs(to + i, signs[i / kLanes], lanes - i);
  }
}

EDGENET_NOINLINE void finish_by_bounds(const TileTarget& target, int64_t position, int64_t lanes,
                                       const TileCounts& counts) {
  uint8_t* to = target.unit.signs + target.channel / 8 * target.unit.outputs + position;
  __m512i signs[kTileVectors];
  for (__m512i& vector : signs) vector = _mm512_setzero_si512();
  int flipped = 0;
  for (int64_t c = 0; c < target.channels; ++c) {
    const int32_t bound = target.bounds[target.channel + c];
    const __m512i limit = _mm512_set1_epi32(bound & (x86::kFlipped - 1));
    const __m512i bit = _mm512_set1_epi32(1 << c);
    flipped |= (bound & x86::kFlipped) != 0 ? 1 << c : 0;
    x86::unroll<kTileVectors>([&](auto v) EDGENET_LAMBDA {
      const __mmask16 below = _mm512_cmplt_epi32_mask(_mm512_load_si512(counts[c] + v * kLanes), limit);
      signs[v] = _mm512_mask_or_epi32(signs[v], below, signs[v], bit);
    });
  }
  for (int64_t i = 0; i < lanes; i += kLanes) {
    const __m512i met = _mm512_xor_si512(signs[i / kLanes], _mm512_set1_epi32(flipped));
    x86::Floats512::store_signs(to + i, met, lanes - i);
  }
}

bool has_bounds(const TileTarget& target) {
  if (target.bounds == nullptr) return false;
  for (int64_t c = 0; c < target.channels; ++c) {
    if (target.bounds[target.channel + c] == x86::kNoBound) return false;
  }
  return true;
}

template <bool add, bool prelu>
void finish_form(const TileTarget& target, int64_t position, int64_t lanes, const TileCounts& counts) {
  if (target.unit.form.to_signs) return finish_signs<add, prelu>(target, position, lanes, counts);
  finish_floats<add, prelu>(target, position, lanes, counts);
}

using FinishTile = void (*)(const TileTarget&, int64_t position, int64_t lanes, const TileCounts&);

FinishTile choose_finish(const TileTarget& target) {
  if (has_bounds(target)) return finish_by_bounds;
  const ConvForm& form = target.unit.form;
  if (form.add) return form.prelu ? finish_form<true, true> : finish_form<true, false>;
  return form.prelu ? finish_form<false, true> : finish_form<false, false>;
}

}  // namespace
}  // namespace edgenet::avx512icl
