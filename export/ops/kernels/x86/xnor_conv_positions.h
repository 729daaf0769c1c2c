// XNOR convolution with positions as lanes: a table is two output channels x 4 weights. For all but small images.
#pragma once
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_count.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kMostLanes = 128;
using BlockCounts = uint16_t[kBlockOutputs][kMostLanes];

/// One block of output channels of one unit (a group of an image).
struct BlockTask {
  const XnorTap* taps;
  int64_t tap_count;
  const uint8_t *signs, *weights;
  int64_t tap_bytes;  ///< of weights
  int64_t channels;   ///< of the block that exist
};

template <class V>
struct PositionSource {
  const XnorTap* taps;
  const uint8_t *signs, *weights;
  int64_t tap_bytes;

  EDGENET_INLINE typename V::Vector index(int64_t tap, int vector) const {
    return V::load(signs + taps[tap].signs + vector * V::kBytes);
  }
  EDGENET_INLINE typename V::Vector table(int64_t tap, int pair) const {
    return V::load_table(count_table[weights[taps[tap].index * tap_bytes + pair]]);
  }
};

/// Counts in how many signs `vectors` vectors of positions differ from the weights of `pairs` weight bytes.
template <class V, int pairs, int vectors>
struct PositionBlock {
  static constexpr int64_t kLanes = int64_t{vectors} * V::kBytes;
  static_assert(kLanes <= kMostLanes);

  EDGENET_NOINLINE static void count(const BlockTask& task, int pair, int64_t lane, BlockCounts& to) {
    const PositionSource<V> source{task.taps, task.signs + lane, task.weights + pair, task.tap_bytes};
    Counter<V, pairs, vectors> counter;
    counter.count(source, task.tap_count);
    unroll<pairs>([&](auto p) EDGENET_LAMBDA {
      unroll<2>([&](auto half) EDGENET_LAMBDA {
        unroll<vectors>([&](auto v) EDGENET_LAMBDA {
          V::store_counts(counter.counts[p][v][half][0], counter.counts[p][v][half][1],
                          to[(pair + p) * 2 + half] + v * V::kBytes);
        });
      });
    });
  }
};

}  // namespace
}  // namespace edgenet::x86
