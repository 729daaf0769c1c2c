// XnorConv2d of SPEC.md by table look-up: lanes are output positions, a byte is the signs of 4 channels.
//
// One pshufb looks up 16, 32 or 64 positions in a table of 16 bytes, which holds for 2 output channels x 4 weights in
// how many the signs differ (a count a nibble). Three such sums fit a nibble, 63 a byte. A padded position is a byte
// that pshufb turns into 0, so dot = valid - 2 * differing, where `valid` depends on the position alone.
#pragma once
#include <cstring>

#include "kernels/parallel.h"
#include "kernels/scalar/scalar.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_count.h"
#include "kernels/x86/xnor_conv_pack.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Isa>
class XnorConv2d final : public ConvKernel {
 public:
  explicit XnorConv2d(const ConvWeights& weights)
      : w_(weights), group_outputs_(w_.out_channels / w_.group), weights_(weights) {}

  size_t scratch_bytes(const Image& image) const override {
    const XnorLayout layout(w_, image);
    if (!fits(layout)) return scalar::make_xnor_conv2d(w_)->scratch_bytes(image);
    return static_cast<size_t>(Scratch(layout, image.batch * w_.group, nullptr).bytes);
  }

  void run(const Image& image, const Operands& operands, const Executor& executor) const override {
    const XnorLayout layout(w_, image);
    if (!fits(layout)) return scalar::make_xnor_conv2d(w_)->run(image, operands, executor);
    const int64_t units = image.batch * w_.group;
    const Scratch scratch(layout, units, static_cast<uint8_t*>(operands.scratch));
    layout.fill_taps(scratch.taps);
    layout.fill_valid(w_.group_channels, scratch.valid);
    parallel_for(executor, units * layout.quads, [&](int64_t index) {
      pack_quad<Isa>(layout, w_, operands, index / layout.quads, index % layout.quads,
                     scratch.signs + index * layout.quad_bytes);
    });
    parallel_for(executor, units * weights_.blocks(), [&](int64_t index) {
      convolve_block(layout, operands, scratch, index / weights_.blocks(), index % weights_.blocks());
    });
  }

 private:
  /// Offsets of taps have 32 bits. A kernel that large is not worth more code.
  static bool fits(const XnorLayout& layout) { return layout.unit_bytes < (int64_t{1} << 32); }

  struct Scratch {
    XnorTap* taps;
    float* valid;
    uint8_t* signs;  ///< [unit, quad, plane]
    int64_t bytes;

    Scratch(const XnorLayout& layout, int64_t units, uint8_t* memory) {
      const int64_t tap_bytes = round_up(layout.taps * static_cast<int64_t>(sizeof(XnorTap)), 64);
      // Whole vectors of it are read, and 2 of them at the largest step of lanes.
      const int64_t valid_bytes = round_up(layout.outputs * static_cast<int64_t>(sizeof(float)), 64) + 512;
      bytes = tap_bytes + valid_bytes + units * layout.unit_bytes + kLayoutSlack;
      taps = reinterpret_cast<XnorTap*>(memory);
      valid = reinterpret_cast<float*>(memory + tap_bytes);
      signs = memory + tap_bytes + valid_bytes;
    }
  };

  void convolve_block(const XnorLayout& layout, const Operands& operands, const Scratch& scratch, int64_t unit,
                      int64_t block) const {
    const int64_t group = unit % w_.group;
    const int64_t output = block * kBlockOutputs;
    const int64_t channel = group * group_outputs_ + output;
    const BlockTask task{scratch.taps,
                         layout.taps,
                         scratch.signs + unit * layout.unit_bytes,
                         weights_.block(group, block),
                         scratch.valid,
                         operands.scale + channel,
                         operands.bias + channel,
                         operands.y + (unit * group_outputs_ + output) * layout.outputs,
                         layout.outputs,
                         smaller(kBlockOutputs, group_outputs_ - output)};
    for (int64_t lane = 0; lane < layout.outputs;) lane += Isa::convolve_lanes(task, lane, layout.outputs - lane);
  }

  ConvWeights w_;
  int64_t group_outputs_;
  XnorConvWeights weights_;
};

/// The kernel, or the scalar one where a 16-bit counter could overflow.
template <class Isa>
std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  const int64_t row_inputs = weights.group_channels * weights.kernel_height * weights.kernel_width;
  if (row_inputs > 0xffff) return scalar::make_xnor_conv2d(weights);
  return std::make_unique<XnorConv2d<Isa>>(weights);
}

}  // namespace
}  // namespace edgenet::x86
