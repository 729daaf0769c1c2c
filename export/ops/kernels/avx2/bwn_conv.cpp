#include "kernels/x86/bwn_conv.h"

#include "kernels/avx2/avx2.h"
#include "kernels/avx2/simd.h"

namespace edgenet::avx2 {

std::unique_ptr<ConvKernel> make_bwn_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::BwnConv2d<Simd>>(weights);
}

}  // namespace edgenet::avx2
