// The operations of the 8-bit kernels, and the products of ARMv8-A; those of the dot product instructions are in
// kernels/neondot/.
#pragma once
#include <arm_neon.h>

#include <cstdint>

namespace edgenet::neon {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Products>
struct Int8Simd : Products {
  using Int = typename Products::Int;
  static constexpr int64_t kLanes = 4;
  static constexpr uint32_t kZeroPoint = 0;  ///< activations are signed

  /// 32 weights of one bit as bytes of +1 and -1.
  static void expand(uint32_t bits, int8_t* to) {
    const uint8x16_t bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bytes = vreinterpretq_u8_u32(vdupq_n_u32(bits));
    for (int half = 0; half < 2; ++half) {
      const uint8x16_t spread = half == 0 ? uint8x16_t{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}
                                          : uint8x16_t{2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
      const uint8x16_t set = vtstq_u8(vqtbl1q_u8(bytes, spread), bit);
      vst1q_s8(to + 16 * half, vbslq_s8(set, vdupq_n_s8(1), vdupq_n_s8(-1)));
    }
  }

  /// y = factor * (sum - offset) + bias for the first `lanes` positions.
  static void store(Int sum, int32_t offset, float factor, float bias, bool relu, float* y, int64_t lanes) {
    const float32x4_t exact = vcvtq_f32_s32(vsubq_s32(Products::words(sum), vdupq_n_s32(offset)));
    float32x4_t v = vaddq_f32(vmulq_n_f32(exact, factor), vdupq_n_f32(bias));
    if (relu) v = vbslq_f32(vcltzq_f32(v), vdupq_n_f32(0), v);
    if (lanes >= kLanes) return vst1q_f32(y, v);
    float values[kLanes];
    vst1q_f32(values, v);
    for (int64_t i = 0; i < lanes; ++i) y[i] = values[i];
  }

  static float largest(const float* x, int64_t count) {
    float32x4_t most[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) most[v] = vmaxnmq_f32(most[v], vabsq_f32(vld1q_f32(x + i + 4 * v)));
    }
    float all = vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(most[0], most[1]), vmaxnmq_f32(most[2], most[3])));
    for (; i < count; ++i) all = all < __builtin_fabsf(x[i]) ? __builtin_fabsf(x[i]) : all;
    return all;
  }

  /// to[i] = the 4 channels' values i * stride, quantised; of `exist` channels, the others are 0.
  static void quantize(const float* const (&x)[4], int64_t exist, int64_t stride, float factor, int64_t count,
                       uint32_t* to) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const int64_t lanes = count - i < kLanes ? count - i : kLanes;
      int32x4_t q[4] = {};
      for (int64_t c = 0; c < exist; ++c) q[c] = round(load_every(x[c] + i * stride, stride, lanes), factor);
      int32x4_t words = vsliq_n_s32(q[0], q[1], 8);
      words = vsliq_n_s32(words, q[2], 16);
      const uint32x4_t all = vreinterpretq_u32_s32(vsliq_n_s32(words, q[3], 24));
      if (lanes == kLanes) {
        vst1q_u32(to + i, all);
      } else {
        uint32_t values[kLanes];
        vst1q_u32(values, all);
        for (int64_t lane = 0; lane < lanes; ++lane) to[i + lane] = values[lane];
      }
    }
  }

  static void quantize_row(const float* x, int64_t count, float factor, uint8_t* to) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const int64_t lanes = count - i < kLanes ? count - i : kLanes;
      int32_t q[kLanes];
      vst1q_s32(q, round(load_every(x + i, 1, lanes), factor));
      for (int64_t lane = 0; lane < lanes; ++lane) to[i + lane] = static_cast<uint8_t>(q[lane]);
    }
  }

  static void multiply_rows(const int8_t* const (&weights)[4], const uint8_t* q, int64_t count, int32_t (&sums)[4]) {
    int32x4_t s[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    int64_t k = 0;
    for (; k + 16 <= count; k += 16) {
      const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(q + k));
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) s[i] = Products::add_any(s[i], x, vld1q_s8(weights[i] + k));
    }
    for (int i = 0; i < 4; ++i) {
      sums[i] = vaddvq_s32(s[i]);
      for (int64_t rest = k; rest < count; ++rest) sums[i] += weights[i][rest] * static_cast<int8_t>(q[rest]);
    }
  }

 private:
  static float32x4_t load_every(const float* from, int64_t stride, int64_t lanes) {
    if (stride == 1 && lanes == kLanes) return vld1q_f32(from);
    float values[kLanes] = {};
    for (int64_t lane = 0; lane < lanes; ++lane) values[lane] = from[lane * stride];
    return vld1q_f32(values);
  }
  static int32x4_t round(float32x4_t x, float factor) { return vcvtnq_s32_f32(vmulq_n_f32(x, factor)); }
};

/// Products of any two signed bytes. A pair of products is at most 2 * 127 * 127, which 16 bits hold.
struct SignedProducts {
  using Int = int32x4_t;
  static constexpr int64_t kTileOutputs = 4;
  static constexpr int kVectors = 3;
  static constexpr int64_t kFlush = 0;

  static Int zero() { return vdupq_n_s32(0); }
  static Int load(const void* from) { return vld1q_s32(static_cast<const int32_t*>(from)); }
  static Int broadcast(const int8_t* from) { return vld1q_dup_s32(reinterpret_cast<const int32_t*>(from)); }
  /// Every word's 4 products to its own sum.
  static Int add_products(Int sum, Int x, Int weight) {
    const int8x16_t a = vreinterpretq_s8_s32(x);
    const int8x16_t b = vreinterpretq_s8_s32(weight);
    return vpadalq_s16(sum, vpaddq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_high_s8(a, b)));
  }
  /// 16 products to any of 4 sums.
  static int32x4_t add_any(int32x4_t sum, int8x16_t a, int8x16_t b) {
    return vpadalq_s16(sum, vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
  }
  static Int widen_and_add(Int total, Int) { return total; }
  static int32x4_t words(Int sum) { return sum; }
};

/// Weights of +1 and -1: 16 bits hold 258 products. The first two words' products are summed in `low`, the others' in
/// `high`; totals are words in `low`.
struct BinaryProducts {
  struct Int {
    int16x8_t low, high;
  };
  static constexpr int64_t kTileOutputs = 4;
  static constexpr int kVectors = 3;
  static constexpr int64_t kFlush = 128;  ///< 2 * 128 * 127 when pairs have been added

  static Int zero() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
  static Int load(const void* from) { return {vld1q_s16(static_cast<const int16_t*>(from)), vdupq_n_s16(0)}; }
  static Int broadcast(const int8_t* from) {
    return {vreinterpretq_s16_s32(vld1q_dup_s32(reinterpret_cast<const int32_t*>(from))), vdupq_n_s16(0)};
  }
  static Int add_products(Int sum, Int x, Int weight) {
    const int8x16_t a = vreinterpretq_s8_s16(x.low);
    const int8x16_t b = vreinterpretq_s8_s16(weight.low);
    return {vmlal_s8(sum.low, vget_low_s8(a), vget_low_s8(b)), vmlal_high_s8(sum.high, a, b)};
  }
  static Int widen_and_add(Int total, Int sum) {
    const int32x4_t words = vpadalq_s16(vreinterpretq_s32_s16(total.low), vpaddq_s16(sum.low, sum.high));
    return {vreinterpretq_s16_s32(words), total.high};
  }
  static int32x4_t words(Int total) { return vreinterpretq_s32_s16(total.low); }
};

}  // namespace
}  // namespace edgenet::neon
