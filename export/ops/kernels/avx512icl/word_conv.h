// XNOR convolution by VPOPCNTD: a lane is an output position and holds 32 channels of it. Takes 3 instructions for 512
// products, no tables, and no work on counts afterwards.
//
// With a stride of 1 and rows that stay as long as they are, the words of a tap for consecutive outputs are consecutive
// words of the image. Otherwise every kernel column (and with a vertical stride every tap) has a plane of its own, in
// the order of the outputs. Lanes that meet padding are masked.
#pragma once
#include <cstring>

#include "kernels/avx512icl/word_conv_finish.h"
#include "kernels/avx512icl/word_conv_pack.h"
#include "kernels/avx512icl/word_conv_tile.h"
#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

class XnorWordConv2d final : public ConvKernel {
 public:
  explicit XnorWordConv2d(const ConvWeights& weights)
      : w_(weights), kernel_(w_.kernel_height * w_.kernel_width), weights_(weights, kTileChannels) {}

  /// Whether words, lanes and tiles are filled well enough.
  static bool suits(const ConvWeights& w) {
    const auto filled = [](int64_t count, int64_t step) { return 8 * count >= 5 * x86::round_up(count, step); };
    return words_suit(w) && filled(w.out_channels / w.group, kTileChannels) &&
           filled(w.likely_rows * w.likely_columns, kLanes);
  }

  size_t scratch_bytes(const Image& image) const override {
    const Layout layout(*this, image);
    return static_cast<size_t>(layout.bytes(round_units(layout, image)));
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const Layout layout(*this, image);
    const int64_t units = image.batch * w_.group;
    const int64_t most = round_units(layout, image);
    Call call{layout, image, operands, 0, 0};
    fill_taps(call);
    if (has_bounds()) x86::find_bounds(w_.form, operands, 0, w_.out_channels, inputs(), call.bounds());
    for (; call.first < units; call.first += most) {
      call.units = x86::smaller(most, units - call.first);
      pack(call, executor);
      convolve(call, executor);
    }
  }

 private:
  static constexpr int64_t kChunkBytes = 3 << 13;    ///< of words that a task meets again for all its channels
  static constexpr int64_t kTaskProducts = 1 << 22;  ///< below which a task is not worth a thread

  /// Where everything of an image lies. Sizes in words are of one word of channels.
  struct Layout {
    Layout(const XnorWordConv2d& kernel, const Image& image)
        : xnor(kernel.w_, image),
          words(kernel.weights_.words()),
          flat(kernel.w_.stride_height == 1 && kernel.w_.stride_width == 1 && image.out_width == image.width),
          mask_step(xnor.outputs / kLanes + kTileVectors) {
      const ConvWeights& w = kernel.w_;
      const int64_t last =
          (w.kernel_height - 1) * w.dilation_height * image.width + (w.kernel_width - 1) * w.dilation_width;
      before = flat ? w.pad_top * image.width + w.pad_left : 0;
      after = (flat ? x86::larger(0, last - before) : 0) + kTileVectors * kLanes;
      image_words = x86::round_up(before + image.height * image.width + after, 16);
      plane_words = flat ? 0 : x86::round_up(xnor.planes * xnor.plane_rows * image.out_width + after, 16);
      bounds = mask_step * kLanes * 4;
      taps = bounds + x86::round_up(w.out_channels * 4, 64);
      masks = taps + x86::round_up(kernel.kernel_ * static_cast<int64_t>(sizeof(WordTap)), 64);
      image_offset = masks + x86::round_up(kernel.kernel_ * mask_step * 2, 64);
    }

    /// Of the words of a unit, planes included.
    int64_t unit_words() const { return words * (image_words + plane_words); }
    int64_t bytes(int64_t units) const { return image_offset + units * unit_words() * 4; }

    XnorLayout xnor;
    int64_t words;
    bool flat;
    int64_t mask_step, before, after, image_words, plane_words, bounds, taps, masks, image_offset;
  };

  struct Call {
    const Layout& layout;
    const Image& image;
    const ConvOperands& operands;
    int64_t first, units;  ///< of this round; what lies in scratch is numbered from 0

    uint8_t* at(int64_t offset) const { return static_cast<uint8_t*>(operands.scratch) + offset; }
    int32_t* padded() const { return reinterpret_cast<int32_t*>(at(0)); }
    int32_t* bounds() const { return reinterpret_cast<int32_t*>(at(layout.bounds)); }
    WordTap* taps() const { return reinterpret_cast<WordTap*>(at(layout.taps)); }
    uint16_t* masks() const { return reinterpret_cast<uint16_t*>(at(layout.masks)); }
    uint32_t* image_words(int64_t slot, int64_t word) const {
      return reinterpret_cast<uint32_t*>(at(layout.image_offset)) + slot * layout.unit_words() +
             word * layout.image_words;
    }
    uint32_t* plane_words(int64_t slot, int64_t word) const {
      return image_words(slot, layout.words) + word * layout.plane_words;
    }
  };

  /// Whether the sign that goes out depends on the count alone.
  bool has_bounds() const { return w_.form.to_signs && !w_.form.add; }
  int64_t inputs() const { return w_.group_channels * kernel_; }
  int64_t group_outputs() const { return w_.out_channels / w_.group; }

  int64_t round_units(const Layout& layout, const Image& image) const {
    return x86::larger(1, x86::smaller(image.batch * w_.group, kRoundBytes / (layout.unit_words() * 4)));
  }

  /// Taps that meet the image, for each the lanes that do, and for each lane half of the inputs that do not.
  void fill_taps(const Call& call) const {
    const XnorLayout& xnor = call.layout.xnor;
    const int64_t unused = kernel_ - xnor.used_rows * xnor.used_columns;
    const auto half = static_cast<int32_t>(w_.group_channels / 2);
    for (int64_t i = 0; i < call.layout.mask_step * kLanes; ++i) call.padded()[i] = static_cast<int32_t>(unused) * half;
    std::memset(call.masks(), 0xff, static_cast<size_t>(kernel_ * call.layout.mask_step * 2));
    WordTap* tap = call.taps();
    int64_t first_plane = 0;  // of a kernel row
    for (int64_t i = 0; i < xnor.vertical.taps; ++i) {
      if (!xnor.vertical.used(i)) continue;
      int64_t plane = first_plane;
      for (int64_t j = 0; j < xnor.horizontal.taps; ++j) {
        if (!xnor.horizontal.used(j)) continue;
        uint16_t* inside = call.masks() + (tap - call.taps()) * call.layout.mask_step;
        *tap++ = {first_word(call.layout, i, j, plane++), (i * w_.kernel_width + j) * weights_.tap_words(), inside};
        mark_padding(xnor, i, j, half, inside, call.padded());
      }
      if (!xnor.rows_share_planes) first_plane = plane;
    }
  }

  /// Where the words of output 0 lie.
  static int64_t first_word(const Layout& layout, int64_t row_tap, int64_t column_tap, int64_t plane) {
    const XnorLayout& xnor = layout.xnor;
    const int64_t row = xnor.vertical.offset(row_tap);
    if (layout.flat) return layout.before + row * xnor.horizontal.size + xnor.horizontal.offset(column_tap);
    return (plane * xnor.plane_rows + (xnor.rows_share_planes ? row - xnor.first_row : 0)) * xnor.horizontal.outputs;
  }

  static void mark_padding(const XnorLayout& xnor, int64_t row_tap, int64_t column_tap, int32_t half, uint16_t* inside,
                           int32_t* padded) {
    const int64_t width = xnor.horizontal.outputs;
    const int64_t first_row = xnor.vertical.first(row_tap), end_row = xnor.vertical.end(row_tap);
    const int64_t first = xnor.horizontal.first(column_tap), end = xnor.horizontal.end(column_tap);
    const auto mark = [&](int64_t begin, int64_t stop) {
      for (int64_t i = begin; i < stop; ++i) {
        inside[i / kLanes] &= static_cast<uint16_t>(~(1u << (i % kLanes)));
        padded[i] += half;
      }
    };
    mark(0, first_row * width);
    mark(end_row * width, xnor.outputs);
    if (first == 0 && end == width) return;
    for (int64_t row = first_row; row < end_row; ++row) {
      mark(row * width, row * width + first);
      mark(row * width + end, (row + 1) * width);
    }
  }

  void pack(const Call& call, const Executor& executor) const {
    pack_units(w_, call.image, call.operands, call.first, call.units, executor,
               [&](int64_t slot, int64_t word) { return call.image_words(slot, word) + call.layout.before; });
    if (call.layout.flat) return;
    const int64_t words = weights_.words();
    parallel_for(executor, call.units * words, [&](int64_t index) {
      spread(call.layout.xnor, call.image_words(index / words, index % words),
             call.plane_words(index / words, index % words));
    });
  }

  /// Copies an image to its planes; what is padding there stays as it is.
  void spread(const XnorLayout& xnor, const uint32_t* from, uint32_t* to) const {
    for (int64_t i = 0; i < xnor.vertical.taps; ++i) {
      if (!xnor.vertical.used(i)) continue;
      const int64_t first_row = xnor.rows_share_planes ? xnor.first_row : xnor.vertical.offset(i);
      for (int64_t j = 0; j < xnor.horizontal.taps; ++j) {
        if (!xnor.horizontal.used(j)) continue;
        const int64_t column = xnor.horizontal.first(j);
        const int64_t columns = xnor.horizontal.end(j) - column;
        for (int64_t row = 0; row < xnor.plane_rows; ++row) {
          const int64_t y = first_row + row * xnor.vertical.stride;
          if (y < 0 || y >= xnor.vertical.size) continue;
          copy_words(from + y * xnor.horizontal.size + column * xnor.horizontal.stride + xnor.horizontal.offset(j),
                     xnor.horizontal.stride, columns, to + row * xnor.horizontal.outputs + column);
        }
        to += xnor.plane_rows * xnor.horizontal.outputs;
      }
      if (xnor.rows_share_planes) return;
    }
  }

  void convolve(const Call& call, const Executor& executor) const {
    const XnorLayout& xnor = call.layout.xnor;
    const int64_t used = xnor.used_rows * xnor.used_columns;
    const int64_t met = weights_.words() * 4 * (call.layout.flat ? 1 : x86::larger(1, used));
    const int64_t most = x86::larger(1, kChunkBytes / met / kTileLanes) * kTileLanes;
    // In halves, and chunks before channels: a thread then finds what it wrote of the image before this one.
    const int64_t halves = (xnor.outputs + 2 * most - 1) / (2 * most);
    const int64_t chunk = x86::round_up((xnor.outputs + 2 * halves - 1) / (2 * halves), kLanes);
    const int64_t chunks = (xnor.outputs + chunk - 1) / chunk;
    const int64_t tile_products =
        x86::smaller(chunk, xnor.outputs) * kTileChannels * w_.group_channels * x86::larger(1, used);
    const int64_t tiles = x86::smaller(weights_.tiles(), x86::larger(1, kTaskProducts / tile_products));
    const int64_t tasks = (weights_.tiles() + tiles - 1) / tiles;
    parallel_for(executor, call.units * chunks * tasks, [&](int64_t index) {
      const int64_t begin = index / tasks % chunks * chunk;
      const int64_t end = x86::smaller(begin + chunk, xnor.outputs);
      const int64_t slot = index / tasks / chunks;
      const int64_t first = index % tasks * tiles;
      for (int64_t i = first; i < x86::smaller(first + tiles, weights_.tiles()); ++i)
        convolve_tile(call, slot, i, begin, end);
    });
  }

  void convolve_tile(const Call& call, int64_t slot, int64_t tile_index, int64_t begin, int64_t end) const {
    const Layout& layout = call.layout;
    const int64_t unit = call.first + slot;
    const int64_t channel = tile_index * kTileChannels;
    const int64_t channels = x86::smaller(kTileChannels, group_outputs() - channel);
    // Of what unit_outputs() names, the counts of valid inputs are not needed.
    const x86::UnitOutputs outputs = x86::unit_outputs(w_, layout.xnor.outputs, nullptr, call.operands, unit);
    const TileTarget target{outputs, static_cast<float>(inputs()),
                            has_bounds() ? call.bounds() + unit % w_.group * group_outputs() : nullptr, channel,
                            channels};
    const WordTile tile{call.taps(),
                        layout.xnor.used_rows * layout.xnor.used_columns,
                        layout.flat ? call.image_words(slot, 0) : call.plane_words(slot, 0),
                        layout.flat ? layout.image_words : layout.plane_words,
                        weights_.words(),
                        weights_.tile(unit % w_.group, tile_index),
                        call.padded()};
    const FinishTile finish = choose_finish(target);
    alignas(64) TileCounts counts;
    for (int64_t position = begin; position < end;) {
      const int64_t lanes = count_lanes(tile, position, end - position, counts);
      finish(target, position, lanes, counts);
      position += lanes;
    }
  }

  ConvWeights w_;
  int64_t kernel_;
  WordWeights weights_;
};

}  // namespace
}  // namespace edgenet::avx512icl
