// The inner loop of the XNOR convolution: in how many bits the signs of 4 (or 2, or 1) positions and the weights of 4
// outputs differ. Both lie packed in the order in which the loop reads them. xor, cnt and a pairwise add and accumulate
// make 128 products; 4 x 4 sums take 8 loads for 48 such operations, and 21 of 32 registers.
#pragma once
#include <arm_neon.h>

#include <cstdint>

namespace edgenet::neon {
namespace {  // internal linkage: a kernel's own

constexpr int kQuad = 4;               ///< outputs, and positions at most, that are counted together
constexpr int64_t kChunkBytes = 16;    ///< of a row of signs or weights that a step reads
constexpr int64_t kPassChunks = 1023;  ///< sums of 4 * 16 * 1023 still fit 16 bits

/// Every lane the sum of one of four vectors.
inline uint32x4_t sum_each(uint16x8_t a, uint16x8_t b, uint16x8_t c, uint16x8_t d) {
  return vpaddlq_u16(vpaddq_u16(vpaddq_u16(a, b), vpaddq_u16(c, d)));
}

/// counts[o]: lane p is the count of position p and output o. `signs` holds, chunk by chunk, the bytes of `positions`
/// positions, `weights` those of 4 outputs; both are moved on. At most kPassChunks chunks.
template <int positions>
__attribute__((noinline)) void count_pass(const uint8_t* signs, const uint8_t* weights, int64_t chunks,
                                          uint32_t (&counts)[kQuad][kQuad]) {
  uint16x8_t sums[kQuad][kQuad];
#pragma GCC unroll 4
  for (int o = 0; o < kQuad; ++o) {
#pragma GCC unroll 4
    for (int p = 0; p < kQuad; ++p) sums[o][p] = vdupq_n_u16(0);
  }
  do {
    uint8x16_t weight[kQuad];
#pragma GCC unroll 4
    for (int o = 0; o < kQuad; ++o) weight[o] = vld1q_u8(weights + o * kChunkBytes);
#pragma GCC unroll 4
    for (int p = 0; p < positions; ++p) {
      const uint8x16_t sign = vld1q_u8(signs + p * kChunkBytes);
#pragma GCC unroll 4
      for (int o = 0; o < kQuad; ++o) sums[o][p] = vpadalq_u8(sums[o][p], vcntq_u8(veorq_u8(sign, weight[o])));
      // Finishes the first two positions: GCC 12 else begins all four, and spills.
      if (p == 1) __asm__ volatile("" : "+w"(sums[0][1]), "+w"(sums[1][1]), "+w"(sums[2][1]), "+w"(sums[3][1]));
    }
    signs += positions * kChunkBytes;
    weights += kQuad * kChunkBytes;
  } while (--chunks != 0);
#pragma GCC unroll 4
  for (int o = 0; o < kQuad; ++o) {
    const uint32x4_t all = sum_each(sums[o][0], sums[o][1], sums[o][2], sums[o][3]);
    vst1q_u32(counts[o], vaddq_u32(vld1q_u32(counts[o]), all));
  }
}

/// The same of any number of chunks, from 0 on.
template <int positions>
inline void count_block(const uint8_t* signs, const uint8_t* weights, int64_t chunks,
                        uint32_t (&counts)[kQuad][kQuad]) {
  for (int o = 0; o < kQuad; ++o) vst1q_u32(counts[o], vdupq_n_u32(0));
  while (chunks > 0) {
    const int64_t pass = chunks < kPassChunks ? chunks : kPassChunks;
    count_pass<positions>(signs, weights, pass, counts);
    signs += pass * positions * kChunkBytes;
    weights += pass * kQuad * kChunkBytes;
    chunks -= pass;
  }
}

}  // namespace
}  // namespace edgenet::neon
