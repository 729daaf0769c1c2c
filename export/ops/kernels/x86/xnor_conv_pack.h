// Binarising an image for the XNOR convolution: floats to bytes of 4 signs, and those to the planes of every kernel
// column.
#pragma once
#include <cstring>

#include "kernels/x86/aligned.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// A few whole rows of the image, or a part of one, as bytes of 4 signs.
struct Piece {
  int64_t first_row, rows, first_column, columns;
  const uint8_t* signs;
};

/// The rows of one plane: row j holds input row j * stride + offset.
struct PlaneRows {
  int64_t offset, stride;

  /// The first plane row that holds `input_row` or one below it.
  int64_t first_from(int64_t input_row) const {
    const int64_t distance = input_row - offset;
    return distance <= 0 ? 0 : (distance + stride - 1) / stride;
  }
};

/// Copies the piece's part of a plane. Up to 64 bytes beyond each row are written as well: what belongs there comes
/// later, the next row or padding.
template <class Isa>
void copy_rows(const XnorLayout& layout, const PlaneRows& rows, int64_t tap, const Piece& piece, uint8_t* plane) {
  const XnorAxis& axis = layout.horizontal;
  const int64_t shift = axis.offset(tap) - piece.first_column;
  int64_t first = axis.first(tap);
  int64_t end = axis.end(tap);
  if (piece.columns < axis.size) {
    first = larger(first, (axis.stride - 1 - shift) / axis.stride);
    end = smaller(end, (piece.columns - shift + axis.stride - 1) / axis.stride);
  }
  const int64_t end_row = smaller(layout.plane_rows, rows.first_from(piece.first_row + piece.rows));
  for (int64_t row = rows.first_from(piece.first_row); row < end_row; ++row) {
    const int64_t input_row = row * rows.stride + rows.offset - piece.first_row;
    const uint8_t* from = piece.signs + input_row * piece.columns + first * axis.stride + shift;
    uint8_t* to = plane + row * axis.outputs;
    if (axis.stride == 1) {
      for (int64_t i = first; i < end; i += Isa::kBytes, from += Isa::kBytes) std::memcpy(to + i, from, Isa::kBytes);
    } else if (axis.stride == 2) {
      for (int64_t i = first; i < end; i += 32, from += 64) Isa::copy_even_bytes(from, to + i);
    } else {
      for (int64_t i = first; i < end; ++i, from += axis.stride) to[i] = *from;
    }
  }
}

/// Marks what a plane holds beside the image.
void pad_plane(const XnorLayout& layout, const PlaneRows& rows, int64_t tap, uint8_t* plane) {
  const XnorAxis& axis = layout.horizontal;
  const int64_t first_row = smaller(layout.plane_rows, rows.first_from(0));
  const int64_t end_row = smaller(layout.plane_rows, rows.first_from(layout.vertical.size));
  std::memset(plane, kPadding, static_cast<size_t>(first_row * axis.outputs));
  std::memset(plane + end_row * axis.outputs, kPadding,
              static_cast<size_t>((layout.plane_rows - end_row) * axis.outputs));
  const int64_t first = axis.first(tap);
  const int64_t end = axis.end(tap);
  for (int64_t row = first_row; row < end_row; ++row) {
    uint8_t* line = plane + row * axis.outputs;
    for (int64_t i = 0; i < first; ++i) line[i] = kPadding;
    for (int64_t i = end; i < axis.outputs; ++i) line[i] = kPadding;
  }
}

/// Calls body(rows, tap, plane) for every plane of a quad.
template <class Body>
void for_each_plane(const XnorLayout& layout, uint8_t* quad_signs, const Body& body) {
  const XnorAxis& vertical = layout.vertical;
  for (int64_t row_tap = 0; row_tap < vertical.taps; ++row_tap) {
    if (!vertical.used(row_tap)) continue;
    const PlaneRows rows = layout.rows_share_planes ? PlaneRows{layout.first_row, 1}
                                                    : PlaneRows{vertical.offset(row_tap), vertical.stride};
    for (int64_t tap = 0; tap < layout.horizontal.taps; ++tap) {
      if (!layout.horizontal.used(tap)) continue;
      body(rows, tap, quad_signs);
      quad_signs += layout.plane_bytes;
    }
    if (layout.rows_share_planes) return;
  }
}

/// Binarises the 4 channels of a quad of one unit (a group of an image) and lays them out in planes.
template <class Isa>
void pack_quad(const XnorLayout& layout, const ConvWeights& w, const Operands& operands, int64_t unit, int64_t quad,
               uint8_t* quad_signs) {
  alignas(64) uint8_t signs[kPieceBytes + 2 * kLayoutSlack];
  const int64_t height = layout.vertical.size;
  const int64_t width = layout.horizontal.size;
  const float* x[kQuad];
  float threshold[kQuad];
  for (int64_t i = 0; i < kQuad; ++i) {
    const int64_t channel = quad * kQuad + i;
    const bool exists = channel < w.group_channels;
    x[i] = operands.x + (unit * w.group_channels + (exists ? channel : quad * kQuad)) * height * width;
    // Nothing reaches a NaN: the bits of channels that do not exist are 0, as their weights are.
    threshold[i] = exists ? operands.threshold[unit % w.group * w.group_channels + channel] : __builtin_nanf("");
  }
  const int64_t columns = smaller(width, kPieceBytes);
  const int64_t rows = kPieceBytes / columns;
  for (int64_t row = 0; row < height; row += rows) {
    for (int64_t column = 0; column < width; column += columns) {
      const Piece piece{row, smaller(rows, height - row), column, smaller(columns, width - column), signs};
      Isa::binarize(x, threshold, row * width + column, piece.rows * piece.columns, signs);
      for_each_plane(layout, quad_signs, [&](const PlaneRows& plane_rows, int64_t tap, uint8_t* plane) {
        copy_rows<Isa>(layout, plane_rows, tap, piece, plane);
      });
    }
  }
  for_each_plane(layout, quad_signs, [&](const PlaneRows& plane_rows, int64_t tap, uint8_t* plane) {
    pad_plane(layout, plane_rows, tap, plane);
  });
}

}  // namespace
}  // namespace edgenet::x86
