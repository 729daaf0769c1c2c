// XnorConv2d of SPEC.md as a product of bit matrices: a row is what one output position meets, tap by tap, or the
// weights of one output. Rows are laid out as the inner loop reads them (xnor_block.h): 4 positions, or 4 outputs, side
// by side. A padded position has signs of -1; what these add to the count of an output is known beforehand, and taken
// off at the end.
#include "kernels/neon/neon.h"
#include "kernels/neon/xnor_block.h"
#include "kernels/neon/xnor_finish.h"
#include "kernels/neon/xnor_pack.h"
#include "kernels/neon/xnor_taps.h"
#include "kernels/parallel.h"
#include "kernels/scalar/scalar.h"

namespace edgenet::neon {
namespace {

using x86::larger;
using x86::round_up;

constexpr int64_t kRoundBytes = 1 << 19;  ///< of the rows of units that are convolved together
constexpr int64_t kTileBytes = 1 << 14;   ///< of the rows of positions that stay in the L1 cache
constexpr int64_t kTaskOutputs = 64;      ///< output channels of a task

class XnorConv2d final : public ConvKernel {
 public:
  explicit XnorConv2d(const ConvWeights& weights)
      : w_(weights),
        group_outputs_(w_.out_channels / w_.group),
        taps_(w_.kernel_height * w_.kernel_width),
        pixel_bytes_((w_.group_channels + 7) / 8),
        chunks_((taps_ * pixel_bytes_ + kChunkBytes - 1) / kChunkBytes),
        quads_((group_outputs_ + 7) / 8 * 2),
        words_(w_.group * quads_ * quad_bytes() / 4),
        tap_counts_(taps_ * w_.out_channels) {
    std::memset(words_.data(), 0, static_cast<size_t>(w_.group * quads_ * quad_bytes()));
    std::memset(tap_counts_.data(), 0, static_cast<size_t>(taps_ * w_.out_channels) * sizeof(uint32_t));
    const int64_t row_bytes = (w_.group_channels * taps_ + 7) / 8;
    for (int64_t o = 0; o < w_.out_channels; ++o) {
      const uint8_t* row = w_.packed + o * row_bytes;
      int64_t k = 0;
      for (int64_t c = 0; c < w_.group_channels; ++c) {
        for (int64_t tap = 0; tap < taps_; ++tap, ++k) {
          if ((row[k / 8] >> (k % 8) & 1) == 0) continue;
          uint8_t& byte = *weight_byte(o, tap * pixel_bytes_ + c / 8);
          byte = static_cast<uint8_t>(byte | 1 << (c % 8));
          ++tap_counts_.data()[tap * w_.out_channels + o];
        }
      }
    }
  }

  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(plan(image, XnorTaps(w_, image)).bytes);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const XnorTaps taps(w_, image);
    const Plan scratch = plan(image, taps);
    auto* memory = static_cast<uint8_t*>(operands.scratch);
    auto* whole = reinterpret_cast<int32_t*>(memory);
    taps.fill_whole(tap_counts_.data(), whole);
    const int64_t units = image.batch * w_.group;
    for (int64_t first = 0; first < units; first += scratch.round_units) {
      const Round round{image,
                        operands,
                        taps,
                        first,
                        smaller(scratch.round_units, units - first),
                        whole,
                        memory + scratch.pixels,
                        memory + scratch.rows};
      pack(round, executor);
      lay_rows(round, executor);
      convolve(round, executor);
    }
  }

 private:
  struct Plan {
    int64_t round_units, pixels, rows, bytes;  ///< offsets into scratch; what is whole comes first
  };

  /// Units (groups of images) that are convolved together.
  struct Round {
    const Image& image;
    const ConvOperands& operands;
    const XnorTaps& taps;
    int64_t first, units;
    const int32_t* whole;
    uint8_t *pixels, *rows;

    int64_t area() const { return image.height * image.width; }
    int64_t outputs() const { return image.out_height * image.out_width; }
    /// Panels of 4 positions.
    int64_t panels() const { return (outputs() + kQuad - 1) / kQuad; }
  };

  int64_t quad_bytes() const { return chunks_ * kQuad * kChunkBytes; }
  uint8_t* weight_byte(int64_t o, int64_t byte) {
    const int64_t output = o % group_outputs_;
    const int64_t quad = o / group_outputs_ * quads_ + output / kQuad;
    return reinterpret_cast<uint8_t*>(words_.data()) + quad * quad_bytes() + place(byte, kQuad, output % kQuad);
  }
  /// Where in a panel of `count` rows a byte of a row lies.
  static int64_t place(int64_t byte, int64_t count, int64_t row) {
    return (byte / kChunkBytes * count + row) * kChunkBytes + byte % kChunkBytes;
  }

  Plan plan(const Image& image, const XnorTaps& taps) const {
    const int64_t area = image.height * image.width;
    const int64_t panels = (image.out_height * image.out_width + kQuad - 1) / kQuad;
    Plan plan{};
    plan.round_units = larger(1, smaller(image.batch * w_.group, kRoundBytes / (panels * quad_bytes())));
    plan.pixels = round_up(taps.classes() * w_.out_channels * static_cast<int64_t>(sizeof(int32_t)), 64);
    plan.rows = plan.pixels + round_up(plan.round_units * area * pixel_bytes_, 64);
    plan.bytes = plan.rows + plan.round_units * panels * quad_bytes();
    return plan;
  }

  void pack(const Round& round, const Executor& executor) const {
    const int64_t blocks = (round.area() + kPixels - 1) / kPixels;
    const int64_t chunk = larger(1, 256 / larger(1, pixel_bytes_));
    parallel_chunks(executor, round.units * blocks, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t unit = round.first + i / blocks;
        const int64_t pixel = i % blocks * kPixels;
        const int64_t first = unit % w_.group * w_.group_channels;
        const int64_t pixels = smaller(kPixels, round.area() - pixel);
        uint8_t* to = round.pixels + (i / blocks * round.area() + pixel) * pixel_bytes_;
        if (w_.form.from_signs) {
          pack_pixels(PackedSigns(round.image, round.operands), unit / w_.group, first, w_.group_channels, pixel,
                      pixels, pixel_bytes_, to);
        } else {
          pack_pixels(FloatSigns(round.image, round.operands), unit / w_.group, first, w_.group_channels, pixel, pixels,
                      pixel_bytes_, to);
        }
      }
    });
  }

  void lay_rows(const Round& round, const Executor& executor) const {
    const int64_t panels = round.panels();
    const int64_t chunk = larger(1, kTileBytes / quad_bytes());
    parallel_chunks(executor, round.units * panels, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint8_t* pixels = round.pixels + i / panels * round.area() * pixel_bytes_;
        lay_panel(round, pixels, i % panels * kQuad, round.rows + i * quad_bytes());
      }
    });
  }

  /// The rows of up to 4 positions from `position` on, side by side.
  void lay_panel(const Round& round, const uint8_t* pixels, int64_t position, uint8_t* to) const {
    std::memset(to, 0, static_cast<size_t>(quad_bytes()));
    const int64_t count = positions_of(round.outputs() - position);
    for (int64_t i = 0; i < smaller(count, round.outputs() - position); ++i) {
      if (pixel_bytes_ % 8 == 0) {
        lay_row<uint64_t>(round, pixels, position + i, count, i, to);
      } else if (pixel_bytes_ % 4 == 0) {
        lay_row<uint32_t>(round, pixels, position + i, count, i, to);
      } else {
        lay_row<uint8_t>(round, pixels, position + i, count, i, to);
      }
    }
  }

  template <class Word>
  void lay_row(const Round& round, const uint8_t* pixels, int64_t position, int64_t count, int64_t row,
               uint8_t* to) const {
    constexpr auto kBytes = static_cast<int64_t>(sizeof(Word));
    const int64_t out_row = position / round.image.out_width;
    const int64_t out_column = position % round.image.out_width;
    const TapRange rows = round.taps.rows(out_row);
    const TapRange columns = round.taps.columns(out_column);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t y = out_row * w_.stride_height - w_.pad_top + r * w_.dilation_height;
      for (int64_t c = columns.begin; c < columns.end; ++c) {
        const int64_t x = out_column * w_.stride_width - w_.pad_left + c * w_.dilation_width;
        const uint8_t* from = pixels + (y * round.image.width + x) * pixel_bytes_;
        const int64_t byte = (r * w_.kernel_width + c) * pixel_bytes_;
        for (int64_t i = 0; i < pixel_bytes_; i += kBytes) {
          std::memcpy(to + place(byte + i, count, row), from + i, static_cast<size_t>(kBytes));
        }
      }
    }
  }

  /// How many positions the inner loop takes together where `left` are left.
  static int64_t positions_of(int64_t left) { return left >= 3 ? 4 : left; }

  void convolve(const Round& round, const Executor& executor) const {
    const int64_t tile = larger(1, kTileBytes / quad_bytes());
    const int64_t tiles = (round.panels() + tile - 1) / tile;
    const int64_t parts = (group_outputs_ + kTaskOutputs - 1) / kTaskOutputs;
    parallel_for(executor, round.units * tiles * parts, [&](int64_t index) {
      const int64_t slot = index / parts / tiles;
      const int64_t panel = index / parts % tiles * tile;
      const int64_t first = index % parts * kTaskOutputs;
      const XnorOutputs outputs(w_, round.outputs(), round.operands, round.first + slot);
      const int64_t end = smaller(first + kTaskOutputs, group_outputs_);
      for (int64_t channel = first; channel < end; channel += 2 * kQuad) {
        for (int64_t p = panel; p < smaller(panel + tile, round.panels()); ++p) {
          convolve_panel(round, slot, outputs, channel, p);
        }
      }
    });
  }

  /// 8 output channels of 4 positions.
  void convolve_panel(const Round& round, int64_t slot, const XnorOutputs& outputs, int64_t channel,
                      int64_t panel) const {
    const int64_t group = (round.first + slot) % w_.group;
    const auto* weights =
        reinterpret_cast<const uint8_t*>(words_.data()) + (group * quads_ + channel / kQuad) * quad_bytes();
    const uint8_t* rows = round.rows + (slot * round.panels() + panel) * quad_bytes();
    const int64_t position = panel * kQuad;
    const int64_t left = round.outputs() - position;
    XnorBlock block{channel, smaller(2 * kQuad, group_outputs_ - channel), position, smaller(kQuad, left), {}, {}};
    for (int half = 0; half < 2 && half * kQuad < block.channels; ++half) {
      auto& counts = block.counts[half];
      const uint8_t* quad = weights + half * quad_bytes();
      if (left >= 3) {
        count_block<4>(rows, quad, chunks_, counts);
      } else if (left == 2) {
        count_block<2>(rows, quad, chunks_, counts);
      } else {
        count_block<1>(rows, quad, chunks_, counts);
      }
    }
    for (int64_t i = 0; i < kQuad; ++i) {
      block.whole[i] = round.whole + round.taps.class_of(position + smaller(i, block.positions - 1)) * w_.out_channels +
                       group * group_outputs_;
    }
    finish(outputs, block);
  }

  ConvWeights w_;
  int64_t group_outputs_, taps_;
  int64_t pixel_bytes_;           ///< of the signs of a group's channels
  int64_t chunks_;                ///< of a row
  int64_t quads_;                 ///< of the outputs of a group, an even number
  x86::AlignedWords words_;       ///< [group, quad of outputs, chunk, output, 16 bytes]
  x86::AlignedWords tap_counts_;  ///< [tap, output]: weights of +1
};

}  // namespace

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  const bool bytes_shared = weights.group > 1 && weights.out_channels / weights.group % 8 != 0;
  if (weights.form.to_signs && bytes_shared) return scalar::make_xnor_conv2d(weights);
  return std::make_unique<XnorConv2d>(weights);
}

}  // namespace edgenet::neon
