#include "kernels/x86/int8.h"

#include "kernels/neon/int8_simd.h"
#include "kernels/neon/neon.h"

namespace edgenet::neon {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<Int8Simd<SignedProducts>, x86::Int8Weights>>(weights);
}

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<Int8Simd<BinaryProducts>, x86::BitWeights>>(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return std::make_unique<x86::Int8Linear<Int8Simd<SignedProducts>>>(weights);
}

}  // namespace edgenet::neon
