#include "kernels/x86/int8.h"

#include "kernels/avx2/avx2.h"
#include "kernels/x86/int8_256.h"

namespace edgenet::avx2 {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<x86::Int8Simd256<x86::SignedProducts>, x86::Int8Weights>>(weights);
}

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<x86::Int8Simd256<x86::BinaryProducts>, x86::BitWeights>>(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return std::make_unique<x86::Int8Linear<x86::Int8Simd256<x86::SignedProducts>>>(weights);
}

}  // namespace edgenet::avx2
