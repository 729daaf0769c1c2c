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

/// Copies the piece's part of a plane. Up to 64 bytes beyond each row are written as well: what belongs there comes
/// later, the next row or padding.
template <class Isa>
void copy_rows(const XnorLayout& layout, const XnorPlane& plane, const Piece& piece, uint8_t* to) {
  const int64_t stride = layout.horizontal.stride;
  const int64_t shift = plane.column_offset - piece.first_column;
  int64_t first = plane.first;
  int64_t end = plane.end;
  int64_t row = plane.first_row;
  int64_t end_row = plane.end_row;
  if (piece.rows < layout.vertical.size) {
    row = larger(row, plane.first_from(piece.first_row));
    end_row = smaller(end_row, plane.first_from(piece.first_row + piece.rows));
  }
  if (piece.columns < layout.horizontal.size) {
    first = larger(first, (stride - 1 - shift) / stride);
    end = smaller(end, (piece.columns - shift + stride - 1) / stride);
  }
  const int64_t step = plane.row_stride * piece.columns;
  const uint8_t* line = piece.signs + (row * plane.row_stride + plane.row_offset - piece.first_row) * piece.columns +
                        first * stride + shift;
  to += row * layout.horizontal.outputs;
  for (; row < end_row; ++row, line += step, to += layout.horizontal.outputs) {
    const uint8_t* from = line;
    if (stride == 1) {
      for (int64_t i = first; i < end; i += Isa::kBytes, from += Isa::kBytes) std::memcpy(to + i, from, Isa::kBytes);
    } else if (stride == 2) {
      for (int64_t i = first; i < end; i += 32, from += 64) Isa::copy_even_bytes(from, to + i);
    } else {
      for (int64_t i = first; i < end; ++i, from += stride) to[i] = *from;
    }
  }
}

/// Marks what a plane holds beside the image.
void pad_plane(const XnorLayout& layout, const XnorPlane& plane, uint8_t* to) {
  const int64_t width = layout.horizontal.outputs;
  std::memset(to, kPadding, static_cast<size_t>(plane.first_row * width));
  std::memset(to + plane.end_row * width, kPadding, static_cast<size_t>((layout.plane_rows - plane.end_row) * width));
  for (int64_t row = plane.first_row; row < plane.end_row; ++row) {
    uint8_t* line = to + row * width;
    for (int64_t i = 0; i < plane.first; ++i) line[i] = kPadding;
    for (int64_t i = plane.end; i < width; ++i) line[i] = kPadding;
  }
}

/// Binarises the 4 channels of a quad of one unit (a group of an image) and lays them out in planes.
template <class Isa>
void pack_quad(const XnorLayout& layout, const XnorPlane* planes, const ConvWeights& w, const Operands& operands,
               int64_t unit, int64_t quad, uint8_t* quad_signs) {
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
      for (int64_t i = 0; i < layout.planes; ++i) {
        copy_rows<Isa>(layout, planes[i], piece, quad_signs + i * layout.plane_bytes);
      }
    }
  }
  for (int64_t i = 0; i < layout.planes; ++i) pad_plane(layout, planes[i], quad_signs + i * layout.plane_bytes);
}

}  // namespace
}  // namespace edgenet::x86
