// XNOR convolution with positions as lanes: a table is two output channels x 4 weights. For all but small images.
#pragma once
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_count.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// One block of output channels of one unit (a group of an image).
struct BlockTask {
  const XnorTap* taps;
  int64_t tap_count;
  const uint8_t *signs, *weights;
  int64_t tap_bytes;  ///< of weights
  const float* valid;
  const float *scale, *bias;
  float* y;  ///< of the block's first output channel
  int64_t outputs;
  int64_t channels;  ///< of the block that exist
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

/// Convolves `vectors` vectors of positions for the channels of `pairs` weight bytes.
template <class V, int pairs, int vectors>
struct PositionBlock {
  static constexpr int64_t kLanes = int64_t{vectors} * V::kBytes;

  EDGENET_NOINLINE static void convolve(const BlockTask& task, int pair, int64_t lane, int64_t lanes) {
    const PositionSource<V> source{task.taps, task.signs + lane, task.weights + pair, task.tap_bytes};
    Counter<V, pairs, vectors> counter;
    counter.count(source, task.tap_count);
    for (int p = 0; p < pairs; ++p) {
      for (int half = 0; half < 2; ++half) {
        const int64_t channel = (pair + p) * 2 + half;
        if (channel >= task.channels) return;
        float* y = task.y + channel * task.outputs + lane;
        for (int v = 0; v < vectors && v * V::kBytes < lanes; ++v) {
          V::store_outputs(counter.counts[p][v][half][0], counter.counts[p][v][half][1],
                           task.valid + lane + v * V::kBytes, task.scale[channel], task.bias[channel],
                           y + v * V::kBytes, lanes - v * V::kBytes);
        }
      }
    }
  }
};

}  // namespace
}  // namespace edgenet::x86
