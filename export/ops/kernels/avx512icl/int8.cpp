#include "kernels/avx512/avx512.h"
#include "kernels/avx512icl/avx512icl.h"

namespace edgenet::avx512icl {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) { return avx512::make_int8_conv2d(weights); }

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return avx512::make_bwn_int8_conv2d(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return avx512::make_int8_linear(weights);
}

}  // namespace edgenet::avx512icl
