#include "kernels/x86/int8.h"

#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/int8_panels.h"
#include "kernels/x86/int8_512.h"
#include "kernels/x86/pixel_conv.h"

namespace edgenet::avx512icl {

namespace {

/// Lanes that are outputs pay unless many of them would be empty.
template <class Bytes, class Panels>
std::unique_ptr<ConvKernel> make_conv2d(const ConvWeights& w) {
  const int64_t outputs = w.out_channels / w.group;
  if (3 * round_up(outputs, kPanelOutputs) <= 4 * outputs) {
    return std::make_unique<x86::PixelConv2d<x86::Int8Vnni512, ByteProducts, Panels>>(w);
  }
  return std::make_unique<x86::Int8Conv2d<x86::Int8Vnni512, Bytes>>(w);
}

}  // namespace

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) {
  return make_conv2d<x86::Int8Weights, BytePanels>(weights);
}

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return make_conv2d<x86::BitWeights, BitPanels>(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return std::make_unique<x86::Int8Linear<x86::Int8Vnni512>>(weights);
}

}  // namespace edgenet::avx512icl
