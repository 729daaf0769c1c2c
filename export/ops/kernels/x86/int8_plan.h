// Where a convolution of 8-bit activations has its weights and its image.
#pragma once
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kInt8Outputs = 8;               ///< output channels that are computed together
constexpr int64_t kInt8Quads = 4 * kInt8Outputs;  ///< bytes of weights of a tap and a quad of channels
constexpr int64_t kInt8Slack = 1024;              ///< bytes after the planes that may be read

/// The block of an output channel, and its place there.
struct Int8Place {
  int64_t block, output;
};

struct Int8Shape {
  explicit Int8Shape(const ConvWeights& w)
      : taps(w.kernel_height * w.kernel_width),
        row(w.group_channels * taps),
        quads((w.group_channels + 3) / 4),
        group(w.group),
        group_outputs(w.out_channels / w.group),
        group_blocks((group_outputs + kInt8Outputs - 1) / kInt8Outputs) {}

  int64_t blocks() const { return group * group_blocks; }
  int64_t block_taps() const { return quads * taps; }
  Int8Place place(int64_t o) const {
    const int64_t output = o % group_outputs;
    return {o / group_outputs * group_blocks + output / kInt8Outputs, output % kInt8Outputs};
  }
  /// Where in its block weight k of an output lies.
  int64_t index(const Int8Place& place, int64_t k) const {
    const int64_t channel = k / taps;
    return ((channel / 4 * taps + k % taps) * kInt8Outputs + place.output) * 4 + channel % 4;
  }

  int64_t taps, row, quads, group, group_outputs, group_blocks;
};

struct Int8Span {
  int64_t first, end;
};

/// Planes of one quad: [phase of rows][kernel column][row][output column], 4 bytes a position. Rows of a phase are
/// those that a tap meets as outputs go down, so a tap's values of all outputs are one run.
struct Int8Layout {
  Int8Layout(const ConvWeights& w, const Int8Shape& shape, const Image& image)
      : height(image.height),
        width(image.width),
        out_width(image.out_width),
        positions(image.out_height * image.out_width),
        taps(shape.taps),
        phases(0),
        column_phases(1),
        plane_rows(image.out_height + (w.kernel_height - 1) * w.dilation_height / w.stride_height) {
    for (int64_t row = 0; row < w.kernel_height; ++row) {
      phases = larger(phases, row * w.dilation_height % w.stride_height + 1);
    }
    while (column_phases * w.dilation_width % w.stride_width != 0) ++column_phases;
    column_shift = column_phases * w.dilation_width / w.stride_width;
    quad_bytes = phases * w.kernel_width * plane_rows * out_width * 4;
  }

  /// Where every tap's first value lies from its quad's planes on.
  void fill_taps(const ConvWeights& w, int64_t* to) const {
    for (int64_t row = 0; row < w.kernel_height; ++row) {
      const int64_t phase = row * w.dilation_height % w.stride_height;
      const int64_t first_row = row * w.dilation_height / w.stride_height;
      for (int64_t column = 0; column < w.kernel_width; ++column) {
        *to++ = (((phase * w.kernel_width + column) * plane_rows) + first_row) * out_width * 4;
      }
    }
  }

  /// The output columns whose tap of a kernel column meets the image.
  Int8Span columns(const ConvWeights& w, int64_t column) const {
    const int64_t offset = column * w.dilation_width - w.pad_left;
    const int64_t first = offset >= 0 ? 0 : smaller(out_width, (-offset + w.stride_width - 1) / w.stride_width);
    const int64_t end = offset >= width ? 0 : smaller(out_width, (width - 1 - offset) / w.stride_width + 1);
    return {first, larger(first, end)};
  }

  int64_t out_height() const { return positions / out_width; }

  int64_t height, width, out_width, positions, taps, phases;
  int64_t column_phases;  ///< kernel columns after which outputs meet the same input columns again
  int64_t column_shift;   ///< so many outputs on
  int64_t plane_rows, quad_bytes;
};

}  // namespace
}  // namespace edgenet::x86
