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
#include "kernels/x86/xnor_conv_slice_plan.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kRoundBytes = 1 << 19;  ///< of the signs of units that are convolved together
constexpr int64_t kTileBytes = 1 << 15;   ///< of the signs that a tile of positions meets
// Below these a slice's own tables cost more than it saves.
constexpr int64_t kLeastSliceOutputs = 24;
constexpr int64_t kLeastSliceInputs = 64;

template <class Isa>
class XnorConv2d final : public ConvKernel {
 public:
  explicit XnorConv2d(const ConvWeights& weights)
      : w_(weights), group_outputs_(w_.out_channels / w_.group), weights_(weights), codes_(weights, may_slice()) {}

  size_t scratch_bytes(const Image& image) const override {
    const XnorLayout layout(w_, image);
    if (!fits(layout)) return scalar::xnor_conv2d_scratch_bytes(w_, image);
    return static_cast<size_t>(plan_scratch(layout, round_units(layout, image)).bytes);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const XnorLayout layout(w_, image);
    if (!fits(layout)) return scalar::run_xnor_conv2d(w_, image, operands, executor);
    const int64_t units = image.batch * w_.group;
    const int64_t most = round_units(layout, image);
    Call call{layout, operands, plan_scratch(layout, most), 0, 0};
    layout.fill_taps(call.taps());
    layout.fill_planes(call.planes());
    layout.fill_valid(w_.group_channels, kWideLanes, call.valid());
    if (are_slices(layout)) prepare_slices(call);
    for (; call.first < units; call.first += most) {
      call.units = smaller(most, units - call.first);
      pack(call, image, executor);
      const int64_t sliced = are_slices(layout) ? convolve_by_slices(call, executor) : 0;
      const int64_t end = larger(sliced, positions_end(layout));
      if (end > sliced) convolve_by_positions(call, sliced, end, executor);
      if (layout.outputs > end) convolve_by_channels(call, positions_end(layout), executor);
    }
  }

 private:
  /// Offsets of taps have 32 bits. A kernel that large is not worth more code.
  static bool fits(const XnorLayout& layout) { return layout.unit_bytes < (int64_t{1} << 32); }

  /// How many units are packed and then convolved together: what a cache holds.
  int64_t round_units(const XnorLayout& layout, const Image& image) const {
    return larger(1, smaller(image.batch * w_.group, kRoundBytes / layout.unit_bytes));
  }

  /// Whether vectors of output channels take less work than vectors of positions, in look-ups of 32 lanes a tap.
  bool channels_are_lanes(const XnorLayout& layout) const {
    const int64_t by_positions = (layout.outputs + 31) / 32 * ((group_outputs_ + 7) / 8) * kBlockPairs;
    const int64_t by_channels = (group_outputs_ + 31) / 32 * ((layout.outputs + 1) / 2);
    return by_channels + by_channels / 4 < by_positions;  // a quarter for unpacking weights
  }

  /// Up to where lanes are positions, a multiple of kStripPositions; a few positions beyond may leave a vector as good
  /// as empty.
  int64_t positions_end(const XnorLayout& layout) const {
    if (channels_are_lanes(layout)) return 0;
    const int64_t rest = layout.outputs % 32;
    const int64_t by_channels = (group_outputs_ + 31) / 32 * ((rest + 1) / 2);
    return 2 * by_channels < (group_outputs_ + 7) / 8 * kBlockPairs ? layout.outputs - rest : layout.outputs;
  }

  /// Whether vectors of bits of positions take less work than both: where tables serve enough output channels.
  bool are_slices(const XnorLayout& layout) const {
    return codes_.exist() && !channels_are_lanes(layout) && plan_slices(layout.outputs, group_outputs_, 1).slices() > 0;
  }

  /// Whether slices suit the weights, and likely the image.
  bool may_slice() const {
    const int64_t positions = w_.likely_rows * w_.likely_columns;
    return Isa::kSlices && group_outputs_ >= kLeastSliceOutputs && inputs() >= kLeastSliceInputs &&
           w_.kernel_height * w_.kernel_width <= kMostSliceTaps &&
           (positions == 0 || plan_slices(positions, group_outputs_, 1).slices() > 0);
  }

  int64_t inputs() const { return w_.group_channels * w_.kernel_height * w_.kernel_width; }

  struct ScratchPlan {
    int64_t planes, valid, slice_valid, tables, rows, bounds, signs, bytes;  ///< offsets; taps come first
  };

  ScratchPlan plan_scratch(const XnorLayout& layout, int64_t units) const {
    ScratchPlan plan{};
    plan.planes = round_up(layout.taps * static_cast<int64_t>(sizeof(XnorTap)), 64);
    plan.valid = plan.planes + round_up(layout.planes * static_cast<int64_t>(sizeof(XnorPlane)), 64);
    // A slice of positions beyond the last may be read.
    const int64_t valid_bytes = round_up((layout.outputs + kWideLanes) * static_cast<int64_t>(sizeof(float)), 64);
    plan.slice_valid = plan.valid + valid_bytes;
    plan.tables = plan.slice_valid + (are_slices(layout) ? valid_bytes : 0);
    plan.rows = plan.tables;
    plan.rows += round_up(units * unit_tables(layout, positions_end(layout)) * 2, 64);
    plan.bounds = plan.rows;
    if (are_slices(layout)) {
      plan.bounds += round_up((units * layout.quads * kQuad + 1) * layout.quad_bytes / 8 + kLayoutSlack, 64);
    }
    plan.signs = plan.bounds + round_up(w_.out_channels * static_cast<int64_t>(sizeof(int32_t)), 64);
    plan.bytes = plan.signs + units * layout.unit_bytes + kLayoutSlack;
    return plan;
  }

  /// Of positions from `first` on, whose lanes are output channels.
  static int64_t strips(const XnorLayout& layout, int64_t first) {
    return (layout.outputs - first + kStripPositions - 1) / kStripPositions;
  }
  static int64_t unit_tables(const XnorLayout& layout, int64_t first) {
    return strips(layout, first) * layout.taps * kStripPairs;
  }

  struct Call {
    const XnorLayout& layout;
    const ConvOperands& operands;
    ScratchPlan plan;
    int64_t first, units;  ///< of this round; what lies in scratch is numbered from 0

    uint8_t* at(int64_t offset) const { return static_cast<uint8_t*>(operands.scratch) + offset; }
    XnorTap* taps() const { return reinterpret_cast<XnorTap*>(at(0)); }
    XnorPlane* planes() const { return reinterpret_cast<XnorPlane*>(at(plan.planes)); }
    float* valid() const { return reinterpret_cast<float*>(at(plan.valid)); }
    float* slice_valid() const { return reinterpret_cast<float*>(at(plan.slice_valid)); }
    uint16_t* tables() const { return reinterpret_cast<uint16_t*>(at(plan.tables)); }
    uint64_t* rows() const { return reinterpret_cast<uint64_t*>(at(plan.rows)); }
    int32_t* bounds() const { return reinterpret_cast<int32_t*>(at(plan.bounds)); }
    uint8_t* signs() const { return at(plan.signs); }
    /// The row of signs as bits of a channel, among those of all units; row 0 is that of what is no padding.
    uint64_t* row(int64_t channel) const { return rows() + channel * (layout.quad_bytes / 64); }
  };

  void pack(const Call& call, const Image& image, const Executor& executor) const {
    const int64_t quads = call.layout.quads;
    const bool slices = are_slices(call.layout);
    const int64_t chunk = larger(1, kPieceBytes / (image.height * image.width));
    parallel_chunks(executor, call.units * quads, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        pack(call, image, i / quads, i % quads);
        if (slices) slice(call, i);
      }
    });
  }

  void pack(const Call& call, const Image& image, int64_t index, int64_t quad_index) const {
    const int64_t unit = call.first + index;
    const int64_t first = quad_index * kQuad;
    const Quad quad{unit / w_.group, unit % w_.group * w_.group_channels + first,
                    smaller(kQuad, w_.group_channels - first)};
    uint8_t* to = call.signs() + index * call.layout.unit_bytes + quad_index * call.layout.quad_bytes;
    if (w_.form.from_signs) {
      pack_quad<Isa>(call.layout, call.planes(), SignSource(quad, image, call.operands), to);
    } else {
      pack_quad<Isa>(call.layout, call.planes(), FloatSource<Isa>(quad, image, call.operands), to);
    }
  }

  UnitOutputs unit_outputs(const Call& call, int64_t unit) const {
    return x86::unit_outputs(w_, call.layout.outputs, call.valid(), call.operands, unit);
  }

  void slice(const Call& call, int64_t quad) const {
    if constexpr (Isa::kSlices) {
      const int64_t count = call.layout.quad_bytes;
      const uint8_t* signs = call.signs() + quad * count;
      Isa::slice_quad(signs, count, call.row(1 + quad * kQuad), count / 64);
      if (call.first + quad == 0) Isa::slice_inside(signs, count, call.row(0));
    }
  }

  void prepare_slices(const Call& call) const {
    fill_slice_valid(call);
    if constexpr (Isa::kSlices) {
      if (has_bounds()) Isa::find_bounds(w_.form, call.operands, 0, w_.out_channels, inputs(), call.bounds());
    }
  }

  /// Whether the sign that goes out depends on the count alone.
  bool has_bounds() const { return w_.form.to_signs && !w_.form.add && w_.group_channels % 2 == 0; }

  /// Convolves for as many positions as fill slices, and returns how many.
  int64_t convolve_by_slices(const Call& call, const Executor& executor) const {
    const SlicePlan plan = plan_slices(call.layout.outputs, group_outputs_, call.units);
    if constexpr (Isa::kSlices) {
      int64_t tap_bits[kMostSliceTaps];
      fill_tap_bits(call, tap_bits);
      const int64_t tiles = (group_outputs_ + plan.channels - 1) / plan.channels;
      parallel_for(executor, call.units * plan.slices() * tiles, [&](int64_t index) {
        const int64_t slot = index / tiles / plan.slices();
        const int64_t channel = index % tiles * plan.channels;
        UnitOutputs outputs = unit_outputs(call, call.first + slot);
        outputs.valid = call.slice_valid();
        Isa::convolve_slice(slice_unit(call, slot, tap_bits), outputs, plan, index / tiles % plan.slices(), channel,
                            smaller(plan.channels, group_outputs_ - channel));
      });
    }
    return plan.end(call.layout.outputs);
  }

  /// A slice counts half of the weights that meet padding: dot = inputs - 2 * count, less 1 where those are odd.
  void fill_slice_valid(const Call& call) const {
    for (int64_t i = 0; i < call.layout.outputs; ++i) {
      const int64_t padded = inputs() - static_cast<int64_t>(call.valid()[i]);
      call.slice_valid()[i] = static_cast<float>(inputs() - padded % 2);
    }
    std::memset(call.slice_valid() + call.layout.outputs, 0, kWideLanes * sizeof(float));
  }

  void fill_tap_bits(const Call& call, int64_t* tap_bits) const {
    for (int64_t tap = 0; tap < w_.kernel_height * w_.kernel_width; ++tap) tap_bits[tap] = -1;
    for (int64_t i = 0; i < call.layout.taps / call.layout.quads; ++i) {
      tap_bits[call.taps()[i].index] = call.taps()[i].signs;
    }
  }

  SliceUnit slice_unit(const Call& call, int64_t slot, const int64_t* tap_bits) const {
    const int64_t group = (call.first + slot) % w_.group;
    int planes = kLeastPlanes;
    while (inputs() >> planes != 0) ++planes;
    return {call.row(slot * call.layout.quads * kQuad + 1),
            call.row(0),
            call.layout.quad_bytes / 64,
            tap_bits,
            tap_bits,
            w_.kernel_height * w_.kernel_width,
            inputs(),
            w_.group_channels,
            codes_.tap_bundles(),
            codes_.at(group),
            group_outputs_,
            planes,
            call.valid(),
            has_bounds() ? call.bounds() + group * group_outputs_ : nullptr};
  }

  /// Convolves for positions [first, last), in tiles whose signs stay in the cache for all output channels.
  void convolve_by_positions(const Call& call, int64_t first, int64_t last, const Executor& executor) const {
    const XnorLayout& layout = call.layout;
    const int64_t lanes = larger(1, kTileBytes / larger(1, layout.planes * layout.quads) / kMostLanes) * kMostLanes;
    const int64_t tiles = (last - first + lanes - 1) / lanes;
    const int64_t superblocks = (group_outputs_ + kSuperblockOutputs - 1) / kSuperblockOutputs;
    parallel_for(executor, call.units * tiles * superblocks, [&](int64_t index) {
      const int64_t begin = first + index / superblocks % tiles * lanes;
      const int64_t output = index % superblocks * kSuperblockOutputs;
      const int64_t end = smaller(group_outputs_, output + kSuperblockOutputs);
      for (int64_t block = output; block < end; block += kBlockOutputs) {
        convolve_block(call, index / superblocks / tiles, block, begin, smaller(begin + lanes, last));
      }
    });
  }

  void convolve_block(const Call& call, int64_t slot, int64_t output, int64_t begin, int64_t end) const {
    const XnorLayout& layout = call.layout;
    const int64_t unit = call.first + slot;
    const int64_t channels = smaller(kBlockOutputs, group_outputs_ - output);
    const BlockTask task{call.taps(),
                         layout.taps,
                         call.signs() + slot * layout.unit_bytes,
                         weights_.at(unit % w_.group, output),
                         weights_.tap_bytes(output),
                         channels};
    const UnitOutputs outputs = unit_outputs(call, unit);
    alignas(64) BlockCounts counts;
    for (int64_t lane = begin; lane < end;) {
      const int64_t lanes = Isa::count_lanes(task, lane, end - lane, counts);
      finish<typename Isa::Floats>(outputs, {output, channels, lane, lanes, counts[0], kMostLanes});
      lane += lanes;
    }
  }

  /// Convolves from position `first` on.
  void convolve_by_channels(const Call& call, int64_t first, const Executor& executor) const {
    const XnorLayout& layout = call.layout;
    const int64_t tables = unit_tables(layout, first);
    parallel_for(executor, call.units, [&](int64_t slot) {
      const uint8_t* signs = call.signs() + slot * layout.unit_bytes + first;
      for (int64_t strip = 0; strip < strips(layout, first); ++strip) {
        find_tables(call.taps(), layout.taps, signs + strip * kStripPositions,
                    call.tables() + slot * tables + strip * layout.taps * kStripPairs);
      }
    });
    const int64_t superblocks = (group_outputs_ + kSuperblockOutputs - 1) / kSuperblockOutputs;
    parallel_for(executor, call.units * superblocks, [&](int64_t index) {
      const int64_t slot = index / superblocks;
      const int64_t unit = call.first + slot;
      const int64_t output = index % superblocks * kSuperblockOutputs;
      const SuperblockTask task{call.taps(),
                                layout.taps,
                                call.tables() + slot * tables,
                                weights_.at(unit % w_.group, output),
                                weights_.tap_bytes(output),
                                layout.outputs - first,
                                smaller(kSuperblockOutputs, group_outputs_ - output)};
      const UnitOutputs outputs = unit_outputs(call, unit);
      alignas(64) StripCounts counts;
      for (int64_t strip = 0; strip < strips(layout, first); ++strip) {
        Isa::count_strip(task, strip, counts);
        const int64_t position = first + strip * kStripPositions;
        const int64_t lanes = smaller(kStripPositions, layout.outputs - position);
        finish<typename Isa::Floats>(outputs, {output, task.channels, position, lanes, counts[0], kStripPositions});
      }
    });
  }

  ConvWeights w_;
  int64_t group_outputs_;
  XnorConvWeights weights_;
  XnorBundleCodes codes_;
};

template <class Isa>
std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  if (!has_tables(weights)) return scalar::make_xnor_conv2d(weights);
  return std::make_unique<XnorConv2d<Isa>>(weights);
}

}  // namespace
}  // namespace edgenet::x86
