// How a convolution by look-up goes over its images: slab by slab. A slab is as many output rows, or whole images, as
// have their tables in a part of the L2 cache; first its tables are made, then its outputs are summed, block by block.
#pragma once
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/conv_axis.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// Some rows of one unit (a group of an image), or several whole units.
struct Slab {
  int64_t unit, units, first_row, end_row;
};

struct PixelBlock {
  int64_t first, count;
};

/// What a slab is worth: so many bytes of tables, and as many workers as each have so many products.
struct SlabSize {
  int64_t bytes, task_products;
};

/// Tables lie [unit of the slab][row, modulo ring_rows][column][field]; a field is `entries` floats.
struct BwnConvPlan {
  static constexpr int64_t kMaxWorkers = 8;  // each has sums of its own

  BwnConvPlan(const ConvWeights& w, const Image& image, int64_t column_floats, int64_t max_pixels, const SlabSize& slab)
      : vertical(w.kernel_height, w.stride_height, w.dilation_height, w.pad_top, image.height, image.out_height),
        horizontal(w.kernel_width, w.stride_width, w.dilation_width, w.pad_left, image.width, image.out_width),
        units(image.batch * w.group),
        out_width(image.out_width),
        row_floats(horizontal.tables() * column_floats),
        block_rows(larger(1, max_pixels / image.out_width)),
        row_blocks((image.out_width + max_pixels - 1) / max_pixels) {
    const int64_t slab_floats = slab.bytes / static_cast<int64_t>(sizeof(float));
    const int64_t rows = (slab_floats / row_floats - vertical.span()) / vertical.stride + 1;
    slab_rows = smaller(image.out_height, larger(1, rows / block_rows) * block_rows);
    ring_rows = (slab_rows - 1) * vertical.stride + vertical.span();
    const bool whole = slab_rows == image.out_height;
    slab_units = whole ? smaller(units, larger(1, slab_floats / (ring_rows * row_floats))) : 1;
    const int64_t products = slab_units * slab_rows * image.out_width * (w.out_channels / w.group) * w.group_channels *
                             w.kernel_height * w.kernel_width;
    workers = larger(1, smaller(kMaxWorkers, products / slab.task_products));
  }

  int64_t ring_floats() const { return slab_units * ring_rows * row_floats; }

  /// Blocks of pixels in each unit of a slab: whole rows where some fit in a block, else equal parts of one.
  int64_t pixel_blocks(const Slab& slab) const {
    const int64_t rows = slab.end_row - slab.first_row;
    return row_blocks > 1 ? rows * row_blocks : (rows + block_rows - 1) / block_rows;
  }

  PixelBlock pixel_block(const Slab& slab, int64_t index) const {
    if (row_blocks == 1) {
      const int64_t row = slab.first_row + index * block_rows;
      return {row * out_width, smaller(block_rows, slab.end_row - row) * out_width};
    }
    const int64_t part = index % row_blocks;
    const int64_t begin = out_width * part / row_blocks;
    const int64_t end = out_width * (part + 1) / row_blocks;
    return {(slab.first_row + index / row_blocks) * out_width + begin, end - begin};
  }

  ConvAxis vertical, horizontal;
  int64_t units, out_width, row_floats, block_rows, row_blocks;
  int64_t slab_rows, ring_rows, slab_units, workers;
};

}  // namespace
}  // namespace edgenet::x86
