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
#include "kernels/x86/xnor_conv_channels.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_conv_pack.h"
#include "kernels/x86/xnor_conv_positions.h"
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
    if (!fits(layout)) return scalar::xnor_conv2d_scratch_bytes(w_, image);
    return static_cast<size_t>(plan_scratch(layout, image.batch * w_.group).bytes);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const XnorLayout layout(w_, image);
    if (!fits(layout)) return scalar::run_xnor_conv2d(w_, image, operands, executor);
    const int64_t units = image.batch * w_.group;
    const Call call{layout, operands, plan_scratch(layout, units)};
    layout.fill_taps(call.taps());
    layout.fill_planes(call.planes());
    layout.fill_valid(w_.group_channels, call.valid());
    const int64_t chunk = larger(1, kPieceBytes / (image.height * image.width));
    parallel_chunks(executor, units * layout.quads, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) pack(call, image, i / layout.quads, i % layout.quads);
    });
    if (channels_are_lanes(layout)) {
      convolve_by_channels(call, units, executor);
    } else {
      convolve_by_positions(call, units, executor);
    }
  }

 private:
  /// Offsets of taps have 32 bits. A kernel that large is not worth more code.
  static bool fits(const XnorLayout& layout) { return layout.unit_bytes < (int64_t{1} << 32); }

  /// Whether vectors of output channels take less work than vectors of positions, in look-ups of 32 lanes a tap.
  bool channels_are_lanes(const XnorLayout& layout) const {
    const int64_t by_positions = (layout.outputs + 31) / 32 * ((group_outputs_ + 7) / 8) * kBlockPairs;
    const int64_t by_channels = (group_outputs_ + 31) / 32 * ((layout.outputs + 1) / 2);
    return by_channels + by_channels / 4 < by_positions;  // a quarter for unpacking weights
  }

  struct ScratchPlan {
    int64_t planes, valid, tables, signs, bytes;  ///< offsets; taps come first
  };

  ScratchPlan plan_scratch(const XnorLayout& layout, int64_t units) const {
    ScratchPlan plan{};
    plan.planes = round_up(layout.taps * static_cast<int64_t>(sizeof(XnorTap)), 64);
    plan.valid = plan.planes + round_up(layout.planes * static_cast<int64_t>(sizeof(XnorPlane)), 64);
    // Two vectors of positions beyond the last may be read.
    plan.tables = plan.valid + round_up(layout.outputs * static_cast<int64_t>(sizeof(float)), 64) + 512;
    plan.signs = plan.tables;
    if (channels_are_lanes(layout)) plan.signs += round_up(units * unit_tables(layout) * 2, 64);
    plan.bytes = plan.signs + units * layout.unit_bytes + kLayoutSlack;
    return plan;
  }

  static int64_t strips(const XnorLayout& layout) { return (layout.outputs + kStripPositions - 1) / kStripPositions; }
  static int64_t unit_tables(const XnorLayout& layout) { return strips(layout) * layout.taps * kStripPairs; }

  struct Call {
    const XnorLayout& layout;
    const ConvOperands& operands;
    ScratchPlan plan;

    uint8_t* at(int64_t offset) const { return static_cast<uint8_t*>(operands.scratch) + offset; }
    XnorTap* taps() const { return reinterpret_cast<XnorTap*>(at(0)); }
    XnorPlane* planes() const { return reinterpret_cast<XnorPlane*>(at(plan.planes)); }
    float* valid() const { return reinterpret_cast<float*>(at(plan.valid)); }
    uint16_t* tables() const { return reinterpret_cast<uint16_t*>(at(plan.tables)); }
    uint8_t* signs() const { return at(plan.signs); }
  };

  void pack(const Call& call, const Image& image, int64_t unit, int64_t index) const {
    const int64_t first = index * kQuad;
    const Quad quad{unit / w_.group, unit % w_.group * w_.group_channels + first,
                    smaller(kQuad, w_.group_channels - first)};
    uint8_t* to = call.signs() + unit * call.layout.unit_bytes + index * call.layout.quad_bytes;
    if (w_.form.from_signs) {
      pack_quad<Isa>(call.layout, call.planes(), SignSource(quad, image, call.operands), to);
    } else {
      pack_quad<Isa>(call.layout, call.planes(), FloatSource<Isa>(quad, image, call.operands), to);
    }
  }

  UnitOutputs unit_outputs(const Call& call, int64_t unit) const {
    const ConvOperands& operands = call.operands;
    const int64_t outputs = call.layout.outputs;
    const int64_t channel = unit % w_.group * group_outputs_;
    const int64_t values = unit * group_outputs_ * outputs;
    UnitOutputs to{w_.form, outputs, call.valid(), operands.scale + channel, operands.bias + channel, nullptr, nullptr,
                   nullptr, nullptr, nullptr};
    if (w_.form.prelu) to.slope = operands.slope + channel;
    if (w_.form.add) to.residual = operands.residual + values;
    if (w_.form.to_signs) {
      to.next_threshold = operands.next_threshold + channel;
      to.signs = operands.y_signs + (unit / w_.group * ((w_.out_channels + 7) / 8) + channel / 8) * outputs;
    } else {
      to.y = operands.y + values;
    }
    return to;
  }

  void convolve_by_positions(const Call& call, int64_t units, const Executor& executor) const {
    const XnorLayout& layout = call.layout;
    const int64_t blocks = (group_outputs_ + kBlockOutputs - 1) / kBlockOutputs;
    parallel_for(executor, units * blocks, [&](int64_t index) {
      const int64_t unit = index / blocks;
      const int64_t output = index % blocks * kBlockOutputs;
      const int64_t channels = smaller(kBlockOutputs, group_outputs_ - output);
      const BlockTask task{call.taps(),
                           layout.taps,
                           call.signs() + unit * layout.unit_bytes,
                           weights_.at(unit % w_.group, output),
                           weights_.tap_bytes(output),
                           channels};
      const UnitOutputs outputs = unit_outputs(call, unit);
      alignas(64) BlockCounts counts;
      for (int64_t lane = 0; lane < layout.outputs;) {
        const int64_t lanes = Isa::count_lanes(task, lane, layout.outputs - lane, counts);
        finish<typename Isa::Floats>(outputs, {output, channels, lane, lanes, counts[0], kMostLanes});
        lane += lanes;
      }
    });
  }

  void convolve_by_channels(const Call& call, int64_t units, const Executor& executor) const {
    const XnorLayout& layout = call.layout;
    parallel_for(executor, units, [&](int64_t unit) {
      for (int64_t strip = 0; strip < strips(layout); ++strip) {
        find_tables(call.taps(), layout.taps, call.signs() + unit * layout.unit_bytes + strip * kStripPositions,
                    call.tables() + unit * unit_tables(layout) + strip * layout.taps * kStripPairs);
      }
    });
    const int64_t superblocks = (group_outputs_ + kSuperblockOutputs - 1) / kSuperblockOutputs;
    parallel_for(executor, units * superblocks, [&](int64_t index) {
      const int64_t unit = index / superblocks;
      const int64_t output = index % superblocks * kSuperblockOutputs;
      const SuperblockTask task{call.taps(),
                                layout.taps,
                                call.tables() + unit * unit_tables(layout),
                                weights_.at(unit % w_.group, output),
                                weights_.tap_bytes(output),
                                layout.outputs,
                                smaller(kSuperblockOutputs, group_outputs_ - output)};
      const UnitOutputs outputs = unit_outputs(call, unit);
      alignas(64) StripCounts counts;
      for (int64_t strip = 0; strip < strips(layout); ++strip) {
        Isa::count_strip(task, strip, counts);
        const int64_t position = strip * kStripPositions;
        const int64_t lanes = smaller(kStripPositions, layout.outputs - position);
        finish<typename Isa::Floats>(outputs, {output, task.channels, position, lanes, counts[0], kStripPositions});
      }
    });
  }

  ConvWeights w_;
  int64_t group_outputs_;
  XnorConvWeights weights_;
};

/// The kernel, or the scalar one where a 16-bit counter could overflow or groups share a byte of the signs that go out.
template <class Isa>
std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  const int64_t row_inputs = weights.group_channels * weights.kernel_height * weights.kernel_width;
  const bool bytes_shared = weights.group > 1 && weights.out_channels / weights.group % 8 != 0;
  if (row_inputs > 0xffff || (weights.form.to_signs && bytes_shared)) return scalar::make_xnor_conv2d(weights);
  return std::make_unique<XnorConv2d<Isa>>(weights);
}

}  // namespace
}  // namespace edgenet::x86
