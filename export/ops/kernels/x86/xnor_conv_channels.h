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

/// Counts of a strip: by position, then by channel.
using StripRows = uint16_t[kStripPositions][kSuperblockOutputs];
using StripCounts = uint16_t[kSuperblockOutputs][kStripPositions];

/// Counts `pairs` pairs of positions of a strip for a vector of channels.
template <class V, int pairs>
EDGENET_NOINLINE void count_pairs(const SuperblockTask& task, int64_t channel, int64_t strip, int64_t pair,
                                  StripRows& to) {
  const ChannelSource<V> source{task.taps, task.weights + channel / 2, task.tap_bytes,
                                task.tables + strip * task.tap_count * kStripPairs + pair};
  Counter<V, pairs, 1> counter;
  counter.count(source, task.tap_count);
  unroll<pairs>([&](auto p) EDGENET_LAMBDA {
    unroll<2>([&](auto half) EDGENET_LAMBDA {
      V::store_counts(counter.counts[p][0][half][0], counter.counts[p][0][half][1],
                      to[(pair + p) * 2 + half] + channel);
    });
  });
}

/// Counts at most `most` of the `left` pairs of positions from `pair` on, in as few tables as hold them, and returns
/// how many.
template <class V, int most>
int64_t count_some_pairs(const SuperblockTask& task, int64_t channel, int64_t strip, int64_t pair, int64_t left,
                         StripRows& to) {
  if constexpr (most > 1) {
    if (left <= most / 2) return count_some_pairs<V, most / 2>(task, channel, strip, pair, left, to);
  }
  count_pairs<V, most>(task, channel, strip, pair, to);
  return smaller(most, left);
}

/// An 8x8 square of `from`, mirrored.
void transpose_square(const uint16_t* from, int64_t from_step, uint16_t* to, int64_t to_step) {
  __m128i a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_step));
  for (int i = 0; i < 4; ++i) {
    b[2 * i] = _mm_unpacklo_epi16(a[i], a[i + 4]);
    b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
  }
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm_unpacklo_epi16(b[i], b[i + 4]);
    a[2 * i + 1] = _mm_unpackhi_epi16(b[i], b[i + 4]);
  }
  for (int i = 0; i < 4; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * i * to_step), _mm_unpacklo_epi16(a[i], a[i + 4]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (2 * i + 1) * to_step), _mm_unpackhi_epi16(a[i], a[i + 4]));
  }
}

/// The counts of one strip. `most`: how many pairs of positions fit the registers.
template <class V, int most>
void count_strip(const SuperblockTask& task, int64_t strip, StripCounts& to) {
  alignas(64) StripRows rows;
  const int64_t pairs = smaller(kStripPairs, (task.outputs - strip * kStripPositions + 1) / 2);
  for (int64_t channel = 0; channel < task.channels; channel += V::kBytes) {
    for (int64_t pair = 0; pair < pairs;) {
      pair += count_some_pairs<V, most>(task, channel, strip, pair, pairs - pair, rows);
    }
  }
  for (int64_t channel = 0; channel < task.channels; channel += 8) {
    for (int64_t position = 0; position < 2 * pairs; position += 8) {
      transpose_square(rows[position] + channel, kSuperblockOutputs, to[channel] + position, kStripPositions);
    }
  }
}

}  // namespace
}  // namespace edgenet::x86
