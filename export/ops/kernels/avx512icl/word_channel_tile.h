// The inner loops of the XNOR convolution by VPOPCNTD with output channels as lanes.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/avx512icl/word_conv_tile.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

constexpr int64_t kPanelVectors = 2;
constexpr int64_t kPanelChannels = kPanelVectors * kLanes;
constexpr int64_t kPanelPositions = 4;  ///< counted side by side: 16 counts in flight
constexpr int64_t kPanelRun = 128;      ///< positions whose counts are turned together

/// The taps of a region of the output plane, and where their words and weights lie.
struct RegionTaps {
  const uint32_t* signs;
  int64_t word_step;  ///< from one word of the channels to the next
  int64_t words;
  int64_t rows, columns, row_step, column_step;  ///< steps of a pixel in words
  const uint32_t* weights;                       ///< of the first row
  int64_t weight_row_step, weight_kind_step;
  bool triples;          ///< pixels have a word of each kind of WordWeights
  int64_t first_column;  ///< of the kernel
  int32_t padded;        ///< half of the inputs that meet padding
};

/// Counts of a run of positions, by position and output channel.
using PanelCounts = int32_t[kPanelRun][kPanelChannels];

/// Counts column by column. Of triples, a column's weights are those of the first where its kind has no bit.
template <int positions, int vectors>
EDGENET_NOINLINE void count_columns(const RegionTaps& taps, const int64_t* pixels, int32_t* const* to) {
  __m512i counts[positions][vectors];
  x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { counts[p][v] = _mm512_set1_epi32(taps.padded); });
  });
  for (int64_t row = 0; row < taps.rows; ++row) {
    for (int64_t column = 0; column < taps.columns; ++column) {
      const int64_t kind = (taps.first_column + column) * taps.weight_kind_step;
      const uint32_t* weights = taps.weights + row * taps.weight_row_step;
      const __mmask16 paired = taps.triples && kind > 0 ? 0xffff : 0;
      if (!taps.triples) weights += kind;
      const uint32_t* signs[positions];
      x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
        signs[p] = taps.signs + pixels[p] + row * taps.row_step + column * taps.column_step;
      });
      for (int64_t word = 0, at = 0; word < taps.words; ++word, at += taps.word_step) {
        __m512i weight[vectors];
        x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
          const __m512i other = _mm512_maskz_load_epi32(paired, weights + kind + v * kLanes);
          weight[v] = _mm512_xor_si512(other, _mm512_load_si512(weights + v * kLanes));
        });
        x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
          const __m512i sign = _mm512_set1_epi32(static_cast<int>(signs[p][at]));
          x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
            const __m512i differing = _mm512_popcnt_epi32(_mm512_xor_si512(weight[v], sign));
            counts[p][v] = _mm512_add_epi32(counts[p][v], differing);
            x86::Bytes512::settle(counts[p][v]);
          });
        });
        weights += kPanelChannels;
      }
    }
  }
  x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { _mm512_store_si512(to[p] + v * kLanes, counts[p][v]); });
  });
}

/// Counts three columns at once. Of three signs and their weights, with differences a, b and c: a + b + c =
/// parity + 2 * majority; the parity is that of the signs where it is not that of the weights, and the majority is a,
/// flipped where both b and c are not as a: 8 instructions for what takes 9 one by one.
template <int positions, int vectors>
EDGENET_NOINLINE void count_triples(const RegionTaps& taps, int64_t channel, const int64_t* pixels,
                                    int32_t* const* to) {
  __m512i parities[positions][vectors], majorities[positions][vectors];
  x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { parities[p][v] = majorities[p][v] = _mm512_setzero_si512(); });
  });
  const int64_t step = taps.weight_kind_step;
  for (int64_t row = 0; row < taps.rows; ++row) {
    const uint32_t* weights = taps.weights + channel + row * taps.weight_row_step;
    const uint32_t* signs[positions];
    x86::unroll<positions>([&](auto p) EDGENET_LAMBDA { signs[p] = taps.signs + pixels[p] + row * taps.row_step; });
    for (int64_t word = 0, at = 0; word < taps.words; ++word, at += taps.word_step) {
      __m512i weight[4][vectors];
      x86::unroll<4>([&](auto kind) EDGENET_LAMBDA {
        x86::unroll<vectors>(
            [&](auto v) EDGENET_LAMBDA { weight[kind][v] = _mm512_load_si512(weights + kind * step + v * kLanes); });
      });
      x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
        __m512i sign[4];
        x86::unroll<4>([&](auto kind)
                           EDGENET_LAMBDA { sign[kind] = _mm512_set1_epi32(static_cast<int>(signs[p][at + kind])); });
        constexpr int kAndOfParity = 0x60, kParity = 0x96;
        x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
          const __m512i second_unlike = _mm512_xor_si512(weight[1][v], sign[1]);
          const __m512i both_unlike = _mm512_ternarylogic_epi32(second_unlike, sign[2], weight[2][v], kAndOfParity);
          const __m512i majority = _mm512_ternarylogic_epi32(both_unlike, sign[0], weight[0][v], kParity);
          majorities[p][v] = _mm512_add_epi32(majorities[p][v], _mm512_popcnt_epi32(majority));
          x86::Bytes512::settle(majorities[p][v]);
          const __m512i differing = _mm512_popcnt_epi32(_mm512_xor_si512(weight[3][v], sign[3]));
          parities[p][v] = _mm512_add_epi32(parities[p][v], differing);
          x86::Bytes512::settle(parities[p][v]);
        });
      });
      weights += kPanelChannels;
    }
  }
  x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
      const __m512i twice = _mm512_slli_epi32(majorities[p][v], 1);
      const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(parities[p][v], twice), _mm512_set1_epi32(taps.padded));
      _mm512_store_si512(to[p] + channel + v * kLanes, sum);
    });
  });
}

template <int positions, int vectors>
void count_positions(const RegionTaps& taps, const int64_t* pixels, int32_t* const* to) {
  if (!taps.triples || taps.columns < 3) return count_columns<positions, vectors>(taps, pixels, to);
  constexpr int first = vectors < 2 ? vectors : 2;
  count_triples<positions, first>(taps, 0, pixels, to);
  if constexpr (vectors > first) count_triples<positions, vectors - first>(taps, first * kLanes, pixels, to);
}

template <int vectors>
void count_some_positions(const RegionTaps& taps, int64_t positions, const int64_t* pixels, int32_t* const* to) {
  if (positions == 4) return count_positions<4, vectors>(taps, pixels, to);
  if (positions == 3) return count_positions<3, vectors>(taps, pixels, to);
  if (positions == 2) return count_positions<2, vectors>(taps, pixels, to);
  count_positions<1, vectors>(taps, pixels, to);
}

void count_pixels(const RegionTaps& taps, int64_t vectors, int64_t positions, const int64_t* pixels,
                  int32_t* const* to) {
  if (vectors == 2) return count_some_positions<2>(taps, positions, pixels, to);
  count_some_positions<1>(taps, positions, pixels, to);
}

}  // namespace
}  // namespace edgenet::avx512icl
