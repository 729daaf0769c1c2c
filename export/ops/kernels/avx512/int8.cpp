#include "kernels/avx2/avx2.h"
#include "kernels/avx512/avx512.h"

namespace edgenet::avx512 {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) { return avx2::make_int8_conv2d(weights); }

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return avx2::make_bwn_int8_conv2d(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) { return avx2::make_int8_linear(weights); }

}  // namespace edgenet::avx512
