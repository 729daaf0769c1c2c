// XNOR convolution with output channels as lanes: a table is two positions x 4 signs. For images of a few positions,
// which would leave lanes of positions empty.
#pragma once
#include <immintrin.h>

#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_count.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kStripPairs = 8;  ///< pairs of positions whose tables are found together
constexpr int64_t kStripPositions = 2 * kStripPairs;

/// What one superblock of output channels of one unit needs.
struct SuperblockTask {
  const XnorTap* taps;
  int64_t tap_count;
  const uint16_t* tables;  ///< [strip, tap, pair]: where in position_table, in bytes
  const uint8_t* weights;
  int64_t tap_bytes;  ///< of weights
  const float* valid;
  const float *scale, *bias;
  float* y;  ///< of the superblock's first output channel
  int64_t outputs;
  int64_t channels;  ///< of the superblock that exist
};

/// tables[tap][pair] for the positions from `signs` on.
void find_tables(const XnorTap* taps, int64_t tap_count, const uint8_t* signs, uint16_t* tables) {
  const __m128i padding = _mm_set1_epi8(kCodes - 1);
  const __m128i both = _mm_set1_epi16(1 << 8 | kCodes);  // the first position's code times kCodes, and the second's
  for (int64_t tap = 0; tap < tap_count; ++tap) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(signs + taps[tap].signs));
    const __m128i rows = _mm_maddubs_epi16(_mm_min_epu8(bytes, padding), both);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + tap * kStripPairs), _mm_slli_epi16(rows, 4));
  }
}

template <class V>
struct ChannelSource {
  const XnorTap* taps;
  const uint8_t* weights;
  int64_t tap_bytes;
  const uint16_t* tables;

  EDGENET_INLINE typename V::Vector index(int64_t tap, int) const {
    return V::load_nibbles(weights + taps[tap].index * tap_bytes);
  }
  EDGENET_INLINE typename V::Vector table(int64_t tap, int pair) const {
    return V::load_table(position_table[0] + tables[tap * kStripPairs + pair]);
  }
};

/// Convolves `pairs` pairs of positions for a vector of channels.
template <class V, int pairs>
EDGENET_NOINLINE void convolve_pairs(const SuperblockTask& task, int64_t channel, int64_t strip, int64_t pair) {
  const ChannelSource<V> source{task.taps, task.weights + channel / 2, task.tap_bytes,
                                task.tables + strip * task.tap_count * kStripPairs + pair};
  Counter<V, pairs, 1> counter;
  counter.count(source, task.tap_count);
  const int64_t channels = smaller(V::kBytes, task.channels - channel);
  for (int p = 0; p < pairs; ++p) {
    for (int half = 0; half < 2; ++half) {
      const int64_t position = strip * kStripPositions + (pair + p) * 2 + half;
      if (position >= task.outputs) return;
      alignas(64) float counts[V::kBytes];
      V::store_counts(counter.counts[p][0][half][0], counter.counts[p][0][half][1], counts);
      float* y = task.y + channel * task.outputs + position;
      for (int64_t c = 0; c < channels; ++c) {
        const float dot = task.valid[position] - 2 * counts[c];  // exact
        const float product = task.scale[channel + c] * dot;
        y[c * task.outputs] = product + task.bias[channel + c];
      }
    }
  }
}

/// Convolves at most `most` of the `left` pairs of positions from `pair` on, in as few tables as hold them, and returns
/// how many.
template <class V, int most>
int64_t convolve_some_pairs(const SuperblockTask& task, int64_t channel, int64_t strip, int64_t pair, int64_t left) {
  if constexpr (most > 1) {
    if (left <= most / 2) return convolve_some_pairs<V, most / 2>(task, channel, strip, pair, left);
  }
  convolve_pairs<V, most>(task, channel, strip, pair);
  return smaller(most, left);
}

/// `most`: how many pairs of positions fit the registers.
template <class V, int most>
void convolve_superblock(const SuperblockTask& task) {
  const int64_t pairs = (task.outputs + 1) / 2;
  for (int64_t channel = 0; channel < task.channels; channel += V::kBytes) {
    for (int64_t pair = 0; pair < pairs;) {
      const int64_t at = pair % kStripPairs;
      pair +=
          convolve_some_pairs<V, most>(task, channel, pair / kStripPairs, at, smaller(pairs - pair, kStripPairs - at));
    }
  }
}

}  // namespace
}  // namespace edgenet::x86
