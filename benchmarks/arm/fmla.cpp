// The loop that fp32 stands for: 8 x 12 outputs, whose sums stay in registers, as matrix libraries for Arm have it.
#include <arm_neon.h>

extern "C" void fp32_8x12(const float* a, const float* b, float* c, long k) {
  float32x4_t sums[8][3];
#pragma GCC unroll 8
  for (auto& row : sums) {
#pragma GCC unroll 3
    for (auto& sum : row) sum = vdupq_n_f32(0);
  }
  do {
    const float32x4_t rows[2] = {vld1q_f32(a), vld1q_f32(a + 4)};
    const float32x4_t columns[3] = {vld1q_f32(b), vld1q_f32(b + 4), vld1q_f32(b + 8)};
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
        sums[4 * i][j] = vfmaq_laneq_f32(sums[4 * i][j], columns[j], rows[i], 0);
        sums[4 * i + 1][j] = vfmaq_laneq_f32(sums[4 * i + 1][j], columns[j], rows[i], 1);
        sums[4 * i + 2][j] = vfmaq_laneq_f32(sums[4 * i + 2][j], columns[j], rows[i], 2);
        sums[4 * i + 3][j] = vfmaq_laneq_f32(sums[4 * i + 3][j], columns[j], rows[i], 3);
      }
    }
    a += 8;
    b += 12;
  } while (--k != 0);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) vst1q_f32(c + 12 * i + 4 * j, sums[i][j]);
  }
}
