// XNOR convolution by matrix tiles: signs and weights are bytes of +1 and -1 for as long as they are multiplied.
#include "kernels/amx/amx.h"
#include "kernels/amx/bit_tiles.h"
#include "kernels/amx/sign_pixels.h"
#include "kernels/amx/tile_conv.h"
#include "kernels/amx/tile_layout.h"
#include "kernels/amx/xnor_finish.h"
#include "kernels/avx512icl/avx512icl.h"
#include "kernels/parallel.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::amx {

namespace {

constexpr int64_t kRoundBytes = 1 << 20;  ///< of activations that are written and then convolved together
// With fewer positions, writing tiles of weights and taking up sums costs more than multiplying by tiles saves; and
// with fewer tiles of weights, unless many outputs share what is written of the image and bit slices do worse too.
constexpr int64_t kLeastPositions = 100;
constexpr int64_t kLeastSteps = 9;
constexpr int64_t kManyOutputs = 256;
constexpr int64_t kManyPositions = 1024;
constexpr int64_t kTasks = 8;
constexpr int64_t kTaskTiles = 32;  ///< at least, of positions: weights are written anew for every task

class XnorTileConv2d final : public ConvKernel {
 public:
  explicit XnorTileConv2d(const ConvWeights& weights) : w_(weights), weights_(weights) {}

  /// Whether tiles are filled well enough and used often enough.
  static bool suits(const ConvWeights& w) {
    const int64_t block_channels = x86::round_up(w.group_channels, kBlockChannels);
    const int64_t outputs = w.out_channels / w.group;
    if (!x86::words_align(w) || !has_tables(w) || 8 * w.group_channels < 5 * block_channels || outputs < kTileOutputs)
      return false;
    const int64_t steps = block_channels / kBlockChannels * w.kernel_height * w.kernel_width;
    const int64_t positions = w.likely_rows * w.likely_columns;
    const bool broad = outputs >= kManyOutputs && (positions <= kManyPositions || !w.form.to_signs);
    return positions >= kLeastPositions && (steps >= kLeastSteps || broad);
  }

  size_t scratch_bytes(const Image& image) const override {
    const TileLayout layout(w_, image);
    return static_cast<size_t>(x_offset(layout) + round_units(layout, image) * layout.unit_bytes);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const TileLayout layout(w_, image);
    const int64_t units = image.batch * w_.group;
    const int64_t most = round_units(layout, image);
    auto* bounds = static_cast<int32_t*>(operands.scratch);
    auto* offsets = reinterpret_cast<int64_t*>(static_cast<int8_t*>(operands.scratch) + bounds_bytes());
    auto* x = static_cast<int8_t*>(operands.scratch) + x_offset(layout);
    layout.fill_steps(offsets);
    if (has_bounds()) x86::find_bounds(w_.form, operands, 0, w_.out_channels, inputs(), bounds);
    for (int64_t first = 0; first < units; first += most) {
      const int64_t round = smaller(most, units - first);
      write_sign_pixels(w_, image, layout, operands, first, round, x, executor);
      convolve({layout, operands, x, offsets, has_bounds() ? bounds : nullptr, first}, round, executor);
    }
  }

 private:
  struct Call {
    const TileLayout& layout;
    const ConvOperands& operands;
    const int8_t* x;
    const int64_t* offsets;
    const int32_t* bounds;
    int64_t first;  ///< unit of this round
  };

  /// Whether the sign that goes out depends on the sum alone.
  bool has_bounds() const { return w_.form.to_signs && !w_.form.add; }
  int64_t inputs() const { return w_.group_channels * w_.kernel_height * w_.kernel_width; }
  int64_t group_outputs() const { return w_.out_channels / w_.group; }
  int64_t bounds_bytes() const { return x86::round_up(w_.out_channels * 4, 64); }
  int64_t x_offset(const TileLayout& layout) const {
    return bounds_bytes() + x86::round_up(layout.steps() * static_cast<int64_t>(sizeof(int64_t)), 64);
  }
  int64_t round_units(const TileLayout& layout, const Image& image) const {
    return larger(1, smaller(image.batch * w_.group, kRoundBytes / layout.unit_bytes));
  }

  /// A task is a panel of output channels and some tiles of positions.
  void convolve(const Call& call, int64_t units, const Executor& executor) const {
    const int64_t panels = weights_.panels(), tiles = call.layout.tiles;
    const int64_t parts = larger(1, smaller(kTasks / (units * panels), tiles / kTaskTiles));
    const int64_t part = (tiles + parts - 1) / parts;
    parallel_for(executor, units * parts * panels, [&](int64_t index) {
      const int64_t begin = index / panels % parts * part;
      convolve(call, index / panels / parts, index % panels, begin, smaller(begin + part, tiles));
    });
  }

  void convolve(const Call& call, int64_t slot, int64_t panel, int64_t begin, int64_t end) const {
    const TileLayout& layout = call.layout;
    const int64_t group = (call.first + slot) % w_.group;
    const int64_t channel = panel * kTileOutputs;
    const x86::UnitOutputs outputs = x86::unit_outputs(w_, layout.positions, nullptr, call.operands, call.first + slot);
    const PanelTarget target{outputs, channel, weights_.panel_outputs(panel),
                             call.bounds == nullptr ? nullptr : call.bounds + group * group_outputs() + channel,
                             inputs()};
    const XnorFinish finish(target);
    const TileTask task{call.x + slot * layout.unit_bytes, call.offsets, group, panel, begin, end};
    PanelConv<BitTiles, XnorFinish>(layout, weights_, finish, task).run();
  }

  ConvWeights w_;
  BitTiles weights_;
};

}  // namespace

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  if (XnorTileConv2d::suits(weights)) return std::make_unique<XnorTileConv2d>(weights);
  return avx512icl::make_sliced_xnor_conv2d(weights);
}

}  // namespace edgenet::amx
