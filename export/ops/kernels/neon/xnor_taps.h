// Which taps of a convolution meet the image at which output, and what padding does to the counts.
#pragma once
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"

namespace edgenet::neon {
namespace {  // internal linkage: a kernel's own

/// Taps [begin, end) of one axis; they are neighbours, since the positions they meet go up.
struct TapRange {
  int64_t begin, end;
  bool operator==(const TapRange& other) const { return begin == other.begin && end == other.end; }
};

struct TapAxis {
  int64_t taps, stride, dilation, pad, size, outputs;

  TapRange at(int64_t output) const {
    const int64_t first = output * stride - pad;
    TapRange range{0, taps};
    while (range.begin < range.end && first + range.begin * dilation < 0) ++range.begin;
    while (range.end > range.begin && first + (range.end - 1) * dilation >= size) --range.end;
    return range.begin == range.end ? TapRange{0, 0} : range;
  }
};

/// Output positions whose taps are the same are a class.
class XnorTaps {
 public:
  XnorTaps(const ConvWeights& w, const Image& image)
      : w_(w),
        vertical_{w.kernel_height, w.stride_height, w.dilation_height, w.pad_top, image.height, image.out_height},
        horizontal_{w.kernel_width, w.stride_width, w.dilation_width, w.pad_left, image.width, image.out_width},
        row_classes_(vertical_),
        column_classes_(horizontal_) {}

  TapRange rows(int64_t row) const { return row_classes_.range(row_classes_.of(row)); }
  TapRange columns(int64_t column) const { return column_classes_.range(column_classes_.of(column)); }
  int64_t classes() const { return row_classes_.count() * column_classes_.count(); }
  int64_t class_of(int64_t position) const {
    return row_classes_.of(position / horizontal_.outputs) * column_classes_.count() +
           column_classes_.of(position % horizontal_.outputs);
  }

  /// whole[class, output]: dot = whole - 2 * count, where the count is of all taps and a padded one's signs are -1.
  /// `tap_counts` [tap, output] has the number of its weights that are +1.
  void fill_whole(const uint32_t* tap_counts, int32_t* whole) const {
    const int64_t outputs = w_.out_channels;
    for (int64_t i = 0; i < classes(); ++i, whole += outputs) {
      const TapRange rows = row_classes_.range(i / column_classes_.count());
      const TapRange columns = column_classes_.range(i % column_classes_.count());
      const int64_t inside = (rows.end - rows.begin) * (columns.end - columns.begin) * w_.group_channels;
      for (int64_t o = 0; o < outputs; ++o) whole[o] = static_cast<int32_t>(inside);
      for (int64_t tap = 0; tap < w_.kernel_height * w_.kernel_width; ++tap) {
        const int64_t row = tap / w_.kernel_width;
        const int64_t column = tap % w_.kernel_width;
        if (row >= rows.begin && row < rows.end && column >= columns.begin && column < columns.end) continue;
        const uint32_t* counts = tap_counts + tap * outputs;
        for (int64_t o = 0; o < outputs; ++o) whole[o] += static_cast<int32_t>(2 * counts[o]);
      }
    }
  }

 private:
  /// The classes of one axis: outputs near the edges have one each, those between share one.
  class Classes {
   public:
    explicit Classes(const TapAxis& axis) : axis_(axis) {
      const TapRange all{0, axis.taps};
      first_whole_ = 0;
      while (first_whole_ < axis.outputs && !(axis.at(first_whole_) == all)) ++first_whole_;
      end_whole_ = axis.outputs;
      while (end_whole_ > first_whole_ && !(axis.at(end_whole_ - 1) == all)) --end_whole_;
      merged_ = end_whole_ > first_whole_ ? end_whole_ - first_whole_ - 1 : 0;
    }

    int64_t count() const { return axis_.outputs - merged_; }
    int64_t of(int64_t output) const {
      return output < first_whole_ ? output : output < end_whole_ ? first_whole_ : output - merged_;
    }
    TapRange range(int64_t index) const { return axis_.at(index <= first_whole_ ? index : index + merged_); }

   private:
    TapAxis axis_;
    int64_t first_whole_, end_whole_, merged_;
  };

  ConvWeights w_;
  TapAxis vertical_, horizontal_;
  Classes row_classes_, column_classes_;
};

}  // namespace
}  // namespace edgenet::neon
