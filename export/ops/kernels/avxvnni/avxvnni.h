// What AVX-VNNI makes faster than kernels/avx2/.
#pragma once
#include "kernels/kernels.h"

namespace edgenet::avxvnni {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights);
std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights);
std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights);

}  // namespace edgenet::avxvnni
