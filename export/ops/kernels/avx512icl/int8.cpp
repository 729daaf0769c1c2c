#include "kernels/x86/int8.h"

#include "kernels/avx512icl/avx512icl.h"
#include "kernels/x86/int8_512.h"

namespace edgenet::avx512icl {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<x86::Int8Vnni512, x86::Int8Weights>>(weights);
}

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<x86::Int8Conv2d<x86::Int8Vnni512, x86::BitWeights>>(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return std::make_unique<x86::Int8Linear<x86::Int8Vnni512>>(weights);
}

}  // namespace edgenet::avx512icl
