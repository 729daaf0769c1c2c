// The inner loop of the binary-weight convolution: 8 outputs x up to 12 positions, whose sums stay in registers.
// Weights are expanded to floats of +1 and -1 piece by piece and serve several blocks of positions, so the loop is
// fp32's own; what they save is memory.
#pragma once
#include <arm_neon.h>

#include <cstdint>

namespace edgenet::neon {
namespace {  // internal linkage: a kernel's own

constexpr int64_t kOutputs = 8;
constexpr int64_t kPiece = 96;  ///< products that are summed before they join the others: rounding stays below
                                ///< (kPiece + pieces) * 2^-24 of the sum of magnitudes
constexpr int64_t kBlockPositions = 12;
constexpr int64_t kTilePositions = 4 * kBlockPositions;  ///< that share expanded weights; the stride of x and sums

/// A bit of each of 8 outputs, as floats of +1 and -1.
inline void expand(const uint8_t* bits, int64_t count, float* to) {
  const uint32x4_t low = {1, 2, 4, 8};
  const uint32x4_t high = {16, 32, 64, 128};
  const float32x4_t plus = vdupq_n_f32(1);
  const float32x4_t minus = vdupq_n_f32(-1);
  for (int64_t i = 0; i < count; ++i, to += kOutputs) {
    const uint32x4_t byte = vdupq_n_u32(bits[i]);
    vst1q_f32(to, vbslq_f32(vtstq_u32(byte, low), plus, minus));
    vst1q_f32(to + 4, vbslq_f32(vtstq_u32(byte, high), plus, minus));
  }
}

/// sums[output][position] += the products of `count` values of x [value][position] and weights [value][output].
template <int vectors>
__attribute__((noinline)) void add_piece(const float* x, const float* weights, int64_t count, float* sums) {
  float32x4_t sum[kOutputs][vectors];
#pragma GCC unroll 8
  for (int o = 0; o < kOutputs; ++o) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) sum[o][v] = vdupq_n_f32(0);
  }
  do {
    const float32x4_t low = vld1q_f32(weights);
    const float32x4_t high = vld1q_f32(weights + 4);
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      const float32x4_t value = vld1q_f32(x + 4 * v);
      sum[0][v] = vfmaq_laneq_f32(sum[0][v], value, low, 0);
      sum[1][v] = vfmaq_laneq_f32(sum[1][v], value, low, 1);
      sum[2][v] = vfmaq_laneq_f32(sum[2][v], value, low, 2);
      sum[3][v] = vfmaq_laneq_f32(sum[3][v], value, low, 3);
      sum[4][v] = vfmaq_laneq_f32(sum[4][v], value, high, 0);
      sum[5][v] = vfmaq_laneq_f32(sum[5][v], value, high, 1);
      sum[6][v] = vfmaq_laneq_f32(sum[6][v], value, high, 2);
      sum[7][v] = vfmaq_laneq_f32(sum[7][v], value, high, 3);
    }
    x += kTilePositions;
    weights += kOutputs;
  } while (--count != 0);
#pragma GCC unroll 8
  for (int o = 0; o < kOutputs; ++o) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      float* to = sums + o * kTilePositions + 4 * v;
      vst1q_f32(to, vaddq_f32(vld1q_f32(to), sum[o][v]));
    }
  }
}

/// The same of `positions` positions, in blocks.
inline void add_tile(const float* x, const float* weights, int64_t count, int64_t positions, float* sums) {
  for (int64_t p = 0; p < positions; p += kBlockPositions) {
    if (positions - p > 8) {
      add_piece<3>(x + p, weights, count, sums + p);
    } else if (positions - p > 4) {
      add_piece<2>(x + p, weights, count, sums + p);
    } else {
      add_piece<1>(x + p, weights, count, sums + p);
    }
  }
}

}  // namespace
}  // namespace edgenet::neon
