#include "kernels/amx/amx.h"
#include "kernels/amx/int8_tiles.h"
#include "kernels/avx512icl/avx512icl.h"
#include "kernels/x86/int8_512.h"
#include "kernels/x86/pixel_conv.h"

namespace edgenet::amx {

namespace {

/// Lanes that are outputs pay unless many of them would be empty.
bool suits(const ConvWeights& w) {
  const int64_t outputs = w.out_channels / w.group;
  return TileProducts::suits(w) && 3 * x86::round_up(outputs, avx512icl::kPanelOutputs) <= 4 * outputs;
}

template <class Panels>
using TileConv2d = x86::PixelConv2d<x86::Int8Vnni512, TileProducts, Panels>;

}  // namespace

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& w) {
  if (suits(w)) return std::make_unique<TileConv2d<avx512icl::BytePanels>>(w);
  return avx512icl::make_int8_conv2d(w);
}

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& w) {
  // Pixels of a few channels have whole words here, and kernel rows do not fill tiles.
  if (w.group_channels >= kTileBytes && suits(w)) return std::make_unique<TileConv2d<TileBitPanels>>(w);
  return avx512icl::make_bwn_int8_conv2d(w);
}

}  // namespace edgenet::amx
