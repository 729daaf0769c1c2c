#include "kernels/avx512/avx512.h"
#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/slice.h"
#include "kernels/avx512icl/word_channel_conv.h"
#include "kernels/avx512icl/word_conv.h"
#include "kernels/avx512icl/word_slice.h"
#include "kernels/x86/xnor_conv_channel_slice.h"
#include "kernels/x86/xnor_slice_conv.h"

namespace edgenet::avx512icl {

namespace {

/// The first of these kernels that suits the weights, or null.
template <class... Kernels>
std::unique_ptr<ConvKernel> make_first(const ConvWeights& weights) {
  std::unique_ptr<ConvKernel> kernel;
  if (!has_tables(weights)) return kernel;
  (void)((Kernels::suits(weights) && (kernel = std::make_unique<Kernels>(weights), true)) || ...);
  return kernel;
}

}  // namespace

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  auto kernel = make_first<XnorWordChannelConv2d, XnorWordConv2d>(weights);
  return kernel ? std::move(kernel) : avx512::make_xnor_conv2d(weights);
}

std::unique_ptr<ConvKernel> make_sliced_xnor_conv2d(const ConvWeights& weights) {
  using ByChannels = x86::XnorChannelConv2d<Slice512, 1>;
  using ByHalfChannels = x86::XnorChannelConv2d<Slice512, 2>;
  using ByPositions = x86::XnorSliceConv2d<x86::Slice<Slice512>, x86::Slice<x86::Slice256>, WordSlice>;
  auto kernel = make_first<ByChannels, ByHalfChannels, ByPositions>(weights);
  return kernel ? std::move(kernel) : make_xnor_conv2d(weights);
}

}  // namespace edgenet::avx512icl
