// Which outputs of an XNOR convolution are done by bit slices, and what they are given.
#pragma once
#include "kernels/x86/aligned.h"
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
  const uint64_t* inside;  ///< such a row of what is no padding
  int64_t row_words;
  const int64_t* tap_bits;  ///< where a tap's positions begin in a row, negative if it meets padding only
  int64_t taps, inputs;     ///< inputs: weights of an output channel
  int64_t row_channels;     ///< rows that exist
  int64_t tap_bundles;
  const uint64_t* codes;  ///< of XnorBundleCodes
  int64_t channels;       ///< output channels of the unit
  int planes;             ///< bits of a count
  const float* valid;
  const int32_t* bounds;  ///< for packed signs, by output channel, or null
};

/// Slices of 512 positions, then perhaps one of 256; what is left is too little for one.
struct SlicePlan {
  int64_t wide, narrow, channels;  ///< channels: of a task, which finds its own tables

  int64_t slices() const { return wide + narrow; }
  int64_t first(int64_t slice) const { return slice * kWideLanes; }
  int64_t end(int64_t outputs) const { return smaller(outputs, wide * kWideLanes + narrow * kNarrowLanes); }
};

SlicePlan plan_slices(int64_t outputs, int64_t channels, int64_t units) {
  const int64_t left = outputs % kWideLanes;
  SlicePlan plan{outputs / kWideLanes, 0, 256};
  // Measured in time of byte tables, a narrow slice costs as much as 150 positions and a wide one as 230.
  if (left > kNarrowLanes + 80) {
    plan.wide += 1;
  } else if (left > 150) {
    plan.narrow = 1;
  }
  const int64_t tasks = units * plan.slices() * ((channels + 255) / 256);
  if (tasks < 4) plan.channels = 128;
  return plan;
}

}  // namespace
}  // namespace edgenet::x86
