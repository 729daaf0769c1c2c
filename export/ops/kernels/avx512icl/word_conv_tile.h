// The inner loop of the XNOR convolution by VPOPCNTD.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_count.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

constexpr int64_t kLanes = 16;
constexpr int64_t kTileChannels = 8;
constexpr int64_t kTileVectors = 3;  ///< of positions; 24 counts in flight
constexpr int64_t kTileLanes = kTileVectors * kLanes;

/// A kernel position that meets the image.
struct WordTap {
  int64_t from;            ///< where the words of output 0 lie
  int64_t weights;         ///< where its weights lie in those of a tile
  const uint16_t* inside;  ///< by 16 positions: the lanes that are no padding
};

/// What a tile of output channels of one unit needs.
struct WordTile {
  const WordTap* taps;
  int64_t tap_count;
  const uint32_t* signs;
  int64_t word_step;  ///< from one word of the channels to the next
  int64_t words;
  const uint32_t* weights;  ///< [tap, word, channel]
  const int32_t* padded;    ///< by position: half of the inputs that meet padding
};

using TileCounts = int32_t[kTileChannels][kTileLanes];

/// Counts in how many signs `vectors` vectors of positions differ from the weights of a tile, and adds `padded`.
template <int vectors>
EDGENET_NOINLINE void count_differing(const WordTile& tile, int64_t position, TileCounts& to) {
  __m512i counts[kTileChannels][vectors];
  x86::unroll<kTileChannels>([&](auto c) EDGENET_LAMBDA {
    x86::unroll<vectors>(
        [&](auto v) EDGENET_LAMBDA { counts[c][v] = _mm512_loadu_si512(tile.padded + position + v * kLanes); });
  });
  for (int64_t i = 0; i < tile.tap_count; ++i) {
    const WordTap& tap = tile.taps[i];
    const uint32_t* signs = tile.signs + tap.from + position;
    const uint32_t* weights = tile.weights + tap.weights;
    __mmask16 inside[vectors];
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { inside[v] = tap.inside[position / kLanes + v]; });
    for (int64_t word = 0; word < tile.words; ++word) {
      __m512i sign[vectors];
      x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { sign[v] = _mm512_loadu_si512(signs + v * kLanes); });
      x86::unroll<kTileChannels>([&](auto c) EDGENET_LAMBDA {
        const __m512i weight = _mm512_set1_epi32(static_cast<int>(weights[c]));
        x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
          const __m512i differs = _mm512_maskz_xor_epi32(inside[v], sign[v], weight);
          counts[c][v] = _mm512_add_epi32(counts[c][v], _mm512_popcnt_epi32(differs));
          x86::Bytes512::settle(counts[c][v]);
        });
      });
      signs += tile.word_step;
      weights += kTileChannels;
    }
  }
  x86::unroll<kTileChannels>([&](auto c) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { _mm512_store_si512(to[c] + v * kLanes, counts[c][v]); });
  });
}

/// Counts at most `left` positions from `position` (a multiple of kLanes) on and returns how many.
int64_t count_lanes(const WordTile& tile, int64_t position, int64_t left, TileCounts& to) {
  const int64_t vectors = (left + kLanes - 1) / kLanes;
  if (vectors == 3 || vectors > 4) {
    count_differing<3>(tile, position, to);
    return x86::smaller(left, 3 * kLanes);
  }
  if (vectors == 1) {
    count_differing<1>(tile, position, to);
    return left;
  }
  count_differing<2>(tile, position, to);
  return x86::smaller(left, 2 * kLanes);
}

}  // namespace
}  // namespace edgenet::avx512icl
