// What the bit slices of an XNOR convolution are given.
#pragma once
#include <cstdint>

#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kWideLanes = 512;
constexpr int64_t kNarrowLanes = 256;
constexpr int64_t kMostSliceTaps = 64;
constexpr int kLeastPlanes = 7;  ///< bits of a count

/// What the slices of one unit (a group of an image) share.
struct SliceUnit {
  const uint64_t* rows;    ///< of a channel's signs, a bit each
  const uint64_t* inside;  ///< bits of what is no padding
  int64_t row_words;
  const int64_t* tap_bits;     ///< where a tap's positions begin in a row, negative if it meets padding only
  const int64_t* inside_bits;  ///< where they begin in `inside`
  int64_t taps, inputs;        ///< inputs: weights of an output channel
  int64_t row_channels;        ///< rows that exist
  int64_t tap_bundles;
  const BundleCode* codes;  ///< of XnorBundleCodes
  int64_t channels;         ///< output channels of the unit
  int planes;               ///< bits of a count
  const float* valid;
  const int32_t* bounds;  ///< for packed signs, by output channel, or null
};

}  // namespace
}  // namespace edgenet::x86
