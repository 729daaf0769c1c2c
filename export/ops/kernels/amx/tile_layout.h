// Where the activations of a convolution by tiles lie: [unit][block of 64 channels][plane][row][column][channel], a
// byte each, 0 where the image is padded. A tile's rows are positions that are a step apart.
//
// Wide images have one plane, the padded image, and a tile's positions are of one row. Of narrow ones, whose rows would
// leave tiles half empty, planes hold what a tap meets output by output, so that positions of all rows are neighbours.
#pragma once
#include <cstdint>

#include "kernels/amx/tiles.h"
#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"

namespace edgenet::amx {
namespace {  // internal linkage: no copy of these may serve a CPU without AMX

using x86::larger;
using x86::smaller;

constexpr int64_t kBlockChannels = kTileBytes;
constexpr int64_t kNarrow = 12;  ///< columns

/// The places of one axis of a plane: place i holds input i * step + offset.
struct PlaneAxis {
  int64_t count, step, offset, size;

  /// The places [first, end) hold inputs within [begin, end_input); the first of them takes what is before the image
  /// where `begin` is 0, the last what is behind it where `end_input` is its end.
  int64_t first(int64_t begin) const {
    return begin == 0 ? 0 : smaller(count, larger(0, (begin - offset + step - 1) / step));
  }
  int64_t end(int64_t end_input) const { return end_input == size ? count : first(end_input); }
  int64_t inside() const { return smaller(count, larger(0, (step - 1 - offset) / step)); }
  int64_t inside_end() const {
    return offset >= size ? inside() : larger(inside(), smaller(count, (size - 1 - offset) / step + 1));
  }
};

class TileLayout {
 public:
  TileLayout(const ConvWeights& w, const Image& image)
      : w_(w),
        image_(image),
        flat_(image.out_width <= kNarrow || w.kernel_height * w.kernel_width == 1),
        rows_shared_(!flat_ || w.stride_height == 1) {
    blocks = (w.group_channels + kBlockChannels - 1) / kBlockChannels;
    positions = image.out_height * image.out_width;
    plane_rows = flat_ && !rows_shared_
                     ? image.out_height
                     : (image.out_height - 1) * w.stride_height + (w.kernel_height - 1) * w.dilation_height + 1;
    plane_columns =
        flat_ ? image.out_width : (image.out_width - 1) * w.stride_width + (w.kernel_width - 1) * w.dilation_width + 1;
    planes = (rows_shared_ ? 1 : w.kernel_height) * (flat_ ? w.kernel_width : 1);
    plane_bytes = plane_rows * plane_columns * kBlockChannels;
    block_bytes = planes * plane_bytes;
    unit_bytes = blocks * block_bytes;
    taps = w.kernel_height * w.kernel_width;
    position_bytes = (flat_ ? 1 : w.stride_width) * kBlockChannels;
    const int64_t line = flat_ ? positions : image.out_width;
    line_tiles_ = (line + kTileRows - 1) / kTileRows;
    tile_positions = (line + line_tiles_ - 1) / line_tiles_;
    tiles = line_tiles_ * (flat_ ? 1 : image.out_height);
  }

  int64_t blocks, positions, plane_rows, plane_columns, planes, plane_bytes, block_bytes, unit_bytes, taps;
  int64_t position_bytes;
  int64_t tile_positions;  ///< of every tile; the last of a line overlaps the one before it
  int64_t tiles;

  /// The first position of a tile.
  int64_t tile_position(int64_t tile) const {
    const int64_t line = flat_ ? positions : image_.out_width;
    return tile / line_tiles_ * line + smaller(tile % line_tiles_ * tile_positions, line - tile_positions);
  }
  /// How many of its positions are those of the tile before it.
  int64_t tile_overlap(int64_t tile) const {
    const int64_t line = flat_ ? positions : image_.out_width;
    return larger(0, tile % line_tiles_ * tile_positions - (line - tile_positions));
  }
  /// Where the activations of a position's first tap lie in a block.
  int64_t position_offset(int64_t position) const {
    if (flat_) return position * kBlockChannels;
    const int64_t row = position / image_.out_width * w_.stride_height;
    return (row * plane_columns + position % image_.out_width * w_.stride_width) * kBlockChannels;
  }

  /// Of every tile of weights, by block and tap, where the activations that it meets lie from those of a position on.
  void fill_steps(int64_t* to) const {
    for (int64_t block = 0; block < blocks; ++block) {
      for (int64_t row = 0; row < w_.kernel_height; ++row) {
        for (int64_t column = 0; column < w_.kernel_width; ++column) {
          const int64_t below = rows_shared_ ? row * w_.dilation_height * plane_columns * kBlockChannels : 0;
          const int64_t plane = (rows_shared_ ? 0 : row * w_.kernel_width) + column;
          const int64_t beside = flat_ ? plane * plane_bytes : column * w_.dilation_width * kBlockChannels;
          *to++ = block * block_bytes + below + beside;
        }
      }
    }
  }

  int64_t steps() const { return blocks * taps; }

  PlaneAxis rows(int64_t plane) const {
    const int64_t kernel_row = rows_shared_ ? 0 : plane / w_.kernel_width;
    return {plane_rows, rows_shared_ ? 1 : w_.stride_height, kernel_row * w_.dilation_height - w_.pad_top,
            image_.height};
  }
  PlaneAxis columns(int64_t plane) const {
    const int64_t kernel_column = flat_ ? plane % w_.kernel_width : 0;
    return {plane_columns, flat_ ? w_.stride_width : 1, kernel_column * w_.dilation_width - w_.pad_left, image_.width};
  }

 private:
  const ConvWeights& w_;
  const Image& image_;
  bool flat_, rows_shared_;
  int64_t line_tiles_;
};

}  // namespace
}  // namespace edgenet::amx
