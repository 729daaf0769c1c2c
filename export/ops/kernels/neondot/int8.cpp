#include "kernels/x86/int8.h"

#include "kernels/neon/int8_simd.h"
#include "kernels/neondot/neondot.h"

namespace edgenet::neondot {
namespace {

struct DotProducts {
  using Int = int32x4_t;
  static constexpr int64_t kTileOutputs = 8;
  static constexpr int kVectors = 3;  ///< 8 x 3 sums, 3 activations and a weight fill 28 of 32 registers
  static constexpr int64_t kFlush = 0;

  static Int zero() { return vdupq_n_s32(0); }
  static Int load(const void* from) { return vld1q_s32(static_cast<const int32_t*>(from)); }
  static Int broadcast(const int8_t* from) { return vld1q_dup_s32(reinterpret_cast<const int32_t*>(from)); }
  static Int add_products(Int sum, Int x, Int weight) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(weight));
  }
  static int32x4_t add_any(int32x4_t sum, int8x16_t a, int8x16_t b) { return vdotq_s32(sum, a, b); }
  static Int widen_and_add(Int total, Int) { return total; }
  static int32x4_t words(Int sum) { return sum; }
};

using Simd = neon::Int8Simd<DotProducts>;

}  // namespace

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<Simd, x86::Int8Weights>>(weights);
}

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<Simd, x86::BitWeights>>(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return std::make_unique<x86::Int8Linear<Simd>>(weights);
}

}  // namespace edgenet::neondot
