#include "kernels/x86/int8.h"

#include "kernels/avx2/avx2.h"
#include "kernels/avx2/byte_conv.h"
#include "kernels/avx2/int8_halves.h"
#include "kernels/x86/int8_256.h"
#include "kernels/x86/pixel_conv.h"

namespace edgenet::avx2 {

namespace {
using SignedBytes = x86::Int8Simd256<x86::SignedProducts>;
}

/// Lanes that are outputs pay unless many of them would be empty. 1x1 kernels are as fast from where their weights lie
/// in the file.
std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& w) {
  const int64_t outputs = w.out_channels / w.group;
  const bool full = 3 * x86::round_up(outputs, HalfPanels::kOutputs) <= 4 * outputs;
  if (full && w.kernel_height * w.kernel_width > 1) {
    return std::make_unique<x86::PixelConv2d<SignedBytes, HalfProducts, HalfPanels>>(w);
  }
  return std::make_unique<x86::Int8Conv2d<SignedBytes, x86::Int8Weights>>(w);
}

/// Tables of sums pay where many weights look each of them up.
std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  const int64_t outputs = weights.out_channels / weights.group;
  const bool many = outputs >= 24 && outputs * weights.kernel_height * weights.kernel_width >= 256;
  if (many && weights.group_channels >= 4) return std::make_unique<ByteBwnInt8Conv2d>(weights);
  return std::make_unique<x86::Int8Conv2d<x86::Int8Simd256<x86::BinaryProducts>, x86::BitWeights>>(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return std::make_unique<x86::Int8Linear<SignedBytes>>(weights);
}

}  // namespace edgenet::avx2
