// What the dot product instructions of ARMv8.2-A make faster than kernels/neon/.
#pragma once
#include "kernels/kernels.h"

namespace edgenet::neondot {

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights);
std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights);
std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights);

}  // namespace edgenet::neondot
