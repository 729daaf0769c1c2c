#include "kernels/avx512/avx512.h"
#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/word_channel_conv.h"
#include "kernels/avx512icl/word_conv.h"

namespace edgenet::avx512icl {

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  if (has_tables(weights) && XnorWordChannelConv2d::suits(weights)) {
    return std::make_unique<XnorWordChannelConv2d>(weights);
  }
  if (has_tables(weights) && XnorWordConv2d::suits(weights)) return std::make_unique<XnorWordConv2d>(weights);
  return avx512::make_xnor_conv2d(weights);
}

}  // namespace edgenet::avx512icl
