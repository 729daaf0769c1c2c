// The inner loop of the XNOR convolution: counting, for some positions and output channels, the signs that differ.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

#define EDGENET_INLINE __attribute__((always_inline)) inline
#define EDGENET_LAMBDA __attribute__((always_inline))

/// body(0), ..., body(count - 1) with constants: arrays that it indexes stay in registers.
template <class Body, int... indices>
EDGENET_INLINE void unroll_indices(std::integer_sequence<int, indices...>, const Body& body) {
  (body(std::integral_constant<int, indices>{}), ...);
}
template <int count, class Body>
EDGENET_INLINE void unroll(const Body& body) {
  unroll_indices(std::make_integer_sequence<int, count>{}, body);
}

/// What one block of output channels of one unit needs.
struct BlockTask {
  const XnorTap* taps;
  int64_t tap_count;
  const uint8_t *signs, *weights;
  const float* valid;
  const float *scale, *bias;
  float* y;  ///< of the block's first output channel
  int64_t outputs;
  int64_t channels;  ///< of the block that exist
};

constexpr int kTapsPerNibble = 3;    ///< 3 counts of at most 4 fit a nibble
constexpr int kNibblesPerByte = 21;  ///< 21 sums of at most 12 fit a byte

/// Convolves `vectors` vectors of positions from `lane` on for the channels of `pairs` weight bytes from `pair` on.
template <class V, int pairs, int vectors>
class LaneBlock {
  using Vector = typename V::Vector;

 public:
  static constexpr int64_t kLanes = int64_t{vectors} * V::kBytes;

  static void convolve(const BlockTask& task, int pair, int64_t lane, int64_t lanes) {
    Counts counts;
    const XnorTap* tap = task.taps;
    const XnorTap* end = tap + task.tap_count;
    const uint8_t* signs = task.signs + lane;
    const uint8_t* weights = task.weights + pair;
    bool first = true;
    do {
      constexpr int64_t kTaps = kTapsPerNibble * kNibblesPerByte;
      const XnorTap* stop = end - tap < kTaps ? end : tap + kTaps;
      count_taps(tap, stop, signs, weights, first, counts);
      tap = stop;
      first = false;
    } while (tap < end);
    store(task, counts, pair, lane, lanes);
  }

 private:
  /// 16-bit counts of a pair's first and second channel, each in even and odd positions.
  struct Counts {
    Vector of[pairs][vectors][2][2];
  };
  struct Sums {
    Vector low[pairs][vectors], high[pairs][vectors];
  };

  static EDGENET_INLINE void count_taps(const XnorTap* tap, const XnorTap* end, const uint8_t* signs,
                                        const uint8_t* weights, bool first, Counts& counts) {
    Sums sums;
    unroll<pairs>([&](auto p) EDGENET_LAMBDA {
      unroll<vectors>([&](auto v) EDGENET_LAMBDA { sums.low[p][v] = sums.high[p][v] = V::zero(); });
    });
    for (; end - tap >= kTapsPerNibble; tap += kTapsPerNibble) add_taps<kTapsPerNibble>(tap, signs, weights, sums);
    for (; tap < end; ++tap) add_taps<1>(tap, signs, weights, sums);
    unroll<pairs>([&](auto p) EDGENET_LAMBDA {
      unroll<vectors>([&](auto v) EDGENET_LAMBDA {
        // `low` has gathered 16 times `high` beside its own.
        const Vector high = sums.high[p][v];
        add_counts(V::subtract_bytes(sums.low[p][v], V::to_high_nibbles(high)), first, counts.of[p][v][0]);
        add_counts(high, first, counts.of[p][v][1]);
      });
    });
  }

  template <int taps>
  static EDGENET_INLINE void add_taps(const XnorTap* tap, const uint8_t* signs, const uint8_t* weights, Sums& sums) {
    Vector nibbles[pairs][vectors];
    unroll<taps>([&](auto t) EDGENET_LAMBDA {
      const uint8_t* at = signs + tap[t].signs;
      const uint8_t* pair_weights = weights + tap[t].weights;
      Vector index[vectors];
      unroll<vectors>([&](auto v) EDGENET_LAMBDA { index[v] = V::load(at + v * V::kBytes); });
      unroll<pairs>([&](auto p) EDGENET_LAMBDA {
        const Vector table = V::load_table(count_table[pair_weights[p]]);
        unroll<vectors>([&](auto v) EDGENET_LAMBDA {
          const Vector found = V::look_up(table, index[v]);
          nibbles[p][v] = t == 0 ? found : V::add_bytes(nibbles[p][v], found);
        });
      });
    });
    unroll<pairs>([&](auto p) EDGENET_LAMBDA {
      unroll<vectors>([&](auto v) EDGENET_LAMBDA {
        sums.low[p][v] = V::add_bytes(sums.low[p][v], nibbles[p][v]);
        sums.high[p][v] = V::add_bytes(sums.high[p][v], V::high_nibbles(nibbles[p][v]));
      });
    });
  }

  static EDGENET_INLINE void add_counts(Vector bytes, bool first, Vector (&counts)[2]) {
    const Vector even = V::even_bytes(bytes);
    const Vector odd = V::odd_bytes(bytes);
    counts[0] = first ? even : V::add_shorts(counts[0], even);
    counts[1] = first ? odd : V::add_shorts(counts[1], odd);
  }

  static void store(const BlockTask& task, const Counts& counts, int pair, int64_t lane, int64_t lanes) {
    for (int p = 0; p < pairs; ++p) {
      for (int half = 0; half < 2; ++half) {
        const int64_t channel = (pair + p) * 2 + half;
        if (channel >= task.channels) return;
        float* y = task.y + channel * task.outputs + lane;
        for (int v = 0; v < vectors && v * V::kBytes < lanes; ++v) {
          V::store_outputs(counts.of[p][v][half][0], counts.of[p][v][half][1], task.valid + lane + v * V::kBytes,
                           task.scale[channel], task.bias[channel], y + v * V::kBytes, lanes - v * V::kBytes);
        }
      }
    }
  }
};

}  // namespace
}  // namespace edgenet::x86
