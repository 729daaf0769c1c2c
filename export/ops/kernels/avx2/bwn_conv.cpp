#include "kernels/x86/bwn_conv.h"

#include "kernels/avx2/avx2.h"
#include "kernels/avx2/byte_conv.h"
#include "kernels/avx2/simd.h"

namespace edgenet::avx2 {

/// Of few channels or outputs, tables of bytes or their look-ups would be mostly empty.
std::unique_ptr<ConvKernel> make_bwn_conv2d(const ConvWeights& w) {
  if (w.group_channels >= 4 && w.out_channels / w.group >= 24) return std::make_unique<ByteBwnConv2d>(w);
  return std::make_unique<x86::BwnConv2d<Simd>>(w);
}

}  // namespace edgenet::avx2
