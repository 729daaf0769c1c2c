// Which outputs of an XNOR convolution by table look-up are done by bit slices instead.
#pragma once
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_slice_unit.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

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
