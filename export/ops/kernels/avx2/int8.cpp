#include "kernels/avx2/avx2.h"
#include "kernels/scalar/scalar.h"

namespace edgenet::avx2 {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) { return scalar::make_int8_conv2d(weights); }

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return scalar::make_bwn_int8_conv2d(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return scalar::make_int8_linear(weights);
}

}  // namespace edgenet::avx2
