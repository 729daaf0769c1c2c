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

/// Copies `rows` rows of `count` bytes, `width` bytes at a time.
template <int64_t width>
void copy_adjacent(const uint8_t* from, int64_t from_step, uint8_t* to, int64_t to_step, int64_t rows, int64_t count) {
  for (int64_t row = 0; row < rows; ++row, from += from_step, to += to_step) {
    for (int64_t i = 0; i < count; i += width) std::memcpy(to + i, from + i, width);
  }
}

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
  const int64_t from_step = plane.row_stride * piece.columns;
  const int64_t to_step = layout.horizontal.outputs;
  const uint8_t* from = piece.signs + (row * plane.row_stride + plane.row_offset - piece.first_row) * piece.columns +
                        first * stride + shift;
  to += row * to_step + first;
  const int64_t rows = end_row - row;
  const int64_t count = end - first;
  if (stride == 1) {
    // As narrow as can be: a load that is wider than the store before it waits for that store.
    if (count <= 8) return copy_adjacent<8>(from, from_step, to, to_step, rows, count);
    if (count <= 16) return copy_adjacent<16>(from, from_step, to, to_step, rows, count);
    return copy_adjacent<Isa::kBytes>(from, from_step, to, to_step, rows, count);
  }
  for (int64_t i = 0; i < rows; ++i, from += from_step, to += to_step) {
    if (stride == 2) {
      for (int64_t j = 0; j < count; j += 32) Isa::copy_even_bytes(from + 2 * j, to + j);
    } else {
      for (int64_t j = 0; j < count; ++j) to[j] = from[j * stride];
    }
  }
}

void pad(uint8_t* to, int64_t count) {
  if (count > 16) {
    std::memset(to, kPadding, static_cast<size_t>(count));
    return;
  }
  for (int64_t i = 0; i < count; ++i) to[i] = kPadding;
}

/// Marks what a plane holds beside the image.
void pad_plane(const XnorLayout& layout, const XnorPlane& plane, uint8_t* to) {
  const int64_t width = layout.horizontal.outputs;
  pad(to, plane.first_row * width);
  pad(to + plane.end_row * width, (layout.plane_rows - plane.end_row) * width);
  for (int64_t row = plane.first_row; row < plane.end_row; ++row) {
    uint8_t* line = to + row * width;
    pad(line, plane.first);
    pad(line + plane.end, width - plane.end);
  }
}

/// The 4 channels of a quad of one unit (a group of an image).
struct Quad {
  int64_t sample, first, channels;  ///< the channels that exist, from `first` of the image on
};

/// Reads floats.
template <class Isa>
class FloatSource {
 public:
  FloatSource(const Quad& quad, const Image& image, const ConvOperands& operands) {
    const int64_t area = image.height * image.width;
    for (int64_t i = 0; i < kQuad; ++i) {
      const bool exists = i < quad.channels;
      x_[i] = operands.x + (quad.sample * image.channels + quad.first + (exists ? i : 0)) * area;
      // Nothing reaches a NaN: the bits of channels that do not exist are 0, as their weights are.
      threshold_[i] = exists ? operands.threshold[quad.first + i] : __builtin_nanf("");
    }
  }

  void read(int64_t offset, int64_t count, uint8_t* to) const { Isa::binarize(x_, threshold_, offset, count, to); }

 private:
  const float* x_[kQuad];
  float threshold_[kQuad];
};

/// Reads packed signs. A quad lies in one byte or across two.
class SignSource {
 public:
  SignSource(const Quad& quad, const Image& image, const ConvOperands& operands)
      : shift_(static_cast<int>(quad.first % 8)), mask_((1 << quad.channels) - 1) {
    const int64_t area = image.height * image.width;
    low_ = operands.signs + (quad.sample * ((image.channels + 7) / 8) + quad.first / 8) * area;
    high_ = shift_ + quad.channels > 8 ? low_ + area : low_;
  }

  void read(int64_t offset, int64_t count, uint8_t* to) const {
    const uint8_t* low = low_ + offset;
    const uint8_t* high = high_ + offset;
    if (low == high) {
      for (int64_t i = 0; i < count; ++i) to[i] = static_cast<uint8_t>(low[i] >> shift_ & mask_);
    } else {
      for (int64_t i = 0; i < count; ++i) {
        to[i] = static_cast<uint8_t>((low[i] >> shift_ | high[i] << (8 - shift_)) & mask_);
      }
    }
  }

 private:
  const uint8_t *low_, *high_;
  int shift_, mask_;
};

/// Lays the signs of a quad out in planes.
template <class Isa, class Source>
void pack_quad(const XnorLayout& layout, const XnorPlane* planes, const Source& source, uint8_t* quad_signs) {
  alignas(64) uint8_t signs[kPieceBytes + 2 * kLayoutSlack];
  const int64_t height = layout.vertical.size;
  const int64_t width = layout.horizontal.size;
  const int64_t columns = smaller(width, kPieceBytes);
  const int64_t rows = kPieceBytes / columns;
  for (int64_t row = 0; row < height; row += rows) {
    for (int64_t column = 0; column < width; column += columns) {
      const Piece piece{row, smaller(rows, height - row), column, smaller(columns, width - column), signs};
      source.read(row * width + column, piece.rows * piece.columns, signs);
      for (int64_t i = 0; i < layout.planes; ++i) {
        copy_rows<Isa>(layout, planes[i], piece, quad_signs + i * layout.plane_bytes);
      }
    }
  }
  for (int64_t i = 0; i < layout.planes; ++i) pad_plane(layout, planes[i], quad_signs + i * layout.plane_bytes);
}

}  // namespace
}  // namespace edgenet::x86
