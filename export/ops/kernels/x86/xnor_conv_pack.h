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

  const uint8_t* row(int64_t input_row) const { return signs + (input_row - first_row) * columns; }
};

/// Writes a quad's signs of `count` positions; whole vectors are written.
template <class Isa>
void binarize(const float* const (&x)[kQuad], const float (&threshold)[kQuad], int64_t offset, int64_t count,
              uint8_t* to) {
  for (int64_t i = 0; i < count; i += Isa::kFloats) {
    Isa::binarize(x, threshold, offset + i, smaller(Isa::kFloats, count - i), to + i);
  }
}

/// Copies the piece's part of one row to one column's plane. Up to 64 bytes beyond are written as well: what belongs
/// there comes later.
template <class Isa>
void copy_row(const XnorAxis& axis, int64_t tap, const Piece& piece, int64_t input_row, uint8_t* to) {
  const int64_t offset = axis.offset(tap);
  int64_t first = axis.first(tap);
  int64_t end = axis.end(tap);
  if (piece.columns < axis.size) {
    first = larger(first, (piece.first_column - offset + axis.stride - 1) / axis.stride);
    end = smaller(end, (piece.first_column + piece.columns - offset + axis.stride - 1) / axis.stride);
  }
  const uint8_t* from = piece.row(input_row) + first * axis.stride + offset - piece.first_column;
  if (axis.stride == 1) {
    for (int64_t i = first; i < end; i += 64, from += 64) std::memcpy(to + i, from, 64);
  } else if (axis.stride == 2) {
    for (int64_t i = first; i < end; i += 32, from += 64) Isa::copy_even_bytes(from, to + i);
  } else {
    for (int64_t i = first; i < end; ++i, from += axis.stride) to[i] = *from;
  }
}

/// Marks what the planes hold of a row beside the image.
inline void pad_row(const XnorAxis& axis, int64_t tap, uint8_t* row) {
  for (int64_t i = 0; i < axis.first(tap); ++i) row[i] = kPadding;
  for (int64_t i = axis.end(tap); i < axis.outputs; ++i) row[i] = kPadding;
}

template <class Isa>
void pack_quad(const XnorLayout& layout, const ConvWeights& w, const Operands& operands, int64_t unit, int64_t quad,
               uint8_t* unit_signs) {
  constexpr int64_t kBytes = 4096;
  alignas(64) uint8_t signs[kBytes + 2 * kLayoutSlack];
  const XnorAxis& vertical = layout.vertical;
  const XnorAxis& horizontal = layout.horizontal;
  const int64_t area = vertical.size * horizontal.size;
  uint8_t* planes = unit_signs + quad * layout.quad_bytes;

  const float* x[kQuad];
  float threshold[kQuad];
  for (int64_t i = 0; i < kQuad; ++i) {
    const int64_t channel = quad * kQuad + i;
    const bool exists = channel < w.group_channels;
    x[i] = operands.x + (unit * w.group_channels + (exists ? channel : quad * kQuad)) * area;
    // Nothing reaches a NaN: the bits of channels that do not exist are 0, as their weights are.
    threshold[i] = exists ? operands.threshold[unit % w.group * w.group_channels + channel] : __builtin_nanf("");
  }

  const int64_t columns = smaller(horizontal.size, kBytes);
  const int64_t rows = kBytes / columns;
  for (int64_t row = 0; row < vertical.size; row += rows) {
    for (int64_t column = 0; column < horizontal.size; column += columns) {
      const Piece piece{row, smaller(rows, vertical.size - row), column, smaller(columns, horizontal.size - column),
                        signs};
      binarize<Isa>(x, threshold, row * horizontal.size + column, piece.rows * piece.columns, signs);
      spread_piece<Isa>(layout, piece, planes);
    }
  }
  pad_planes(layout, planes);
}

}  // namespace
}  // namespace edgenet::x86
