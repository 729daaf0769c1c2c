// What the matrix tiles of Sapphire Rapids (AMX) make faster than kernels/avx512icl/.
#pragma once
#include "kernels/kernels.h"

namespace edgenet::amx {

/// Asks the system, once for the process, for the tiles' registers; whether it may use them.
bool request_tiles();

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights);
std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights);
std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights);

}  // namespace edgenet::amx
