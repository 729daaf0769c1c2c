// An image of 8-bit activations, its channels last: a kernel row of an undilated convolution is then one run of values,
// whatever the stride. Values are bytes, or halves (16 bits) where instructions multiply those; a word is 32 bits of
// them: 4 or 2.
#pragma once
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/conv_axis.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kPixelSlack = 192;  ///< bytes after the image that may be read

/// Values of a kernel that lie together, and where a weight lies among them. Rows with a byte more than words leave
/// that byte to words of 4 rows each, as 7 rows of 7 pixels of 3 bytes do: 37 words then, not 42.
struct PixelRuns {
  /// Fewer than 4 channels lie without gaps unless `whole_words` wants values of 0 after them. `rows_of_a_pixel` are
  /// those of an undilated kernel that a pixel holds the channels of; 0: one, and kernel rows may have tails.
  PixelRuns(const ConvWeights& w, int64_t values_of_a_word, bool whole_words, int64_t rows_of_a_pixel)
      : word_values(values_of_a_word),
        channels(w.group_channels),
        fold(larger(1, rows_of_a_pixel)),
        pixel(fold * (channels < 4 && !whole_words ? channels : round_up(channels, word_values))),
        kernel_width(w.kernel_width),
        row_pixels(w.dilation_width == 1 ? kernel_width : 1),
        count((w.kernel_height + fold - 1) / fold * kernel_width / row_pixels),
        taps(w.kernel_height * kernel_width),
        tail_words(rows_of_a_pixel == 0 && word_values == 4 && row_pixels > 1 && count > 1 &&
                           row_pixels * pixel % 4 == 1
                       ? (count + 3) / 4
                       : 0),
        run_words((row_pixels * pixel + (tail_words != 0 ? 0 : word_values - 1)) / word_values) {}

  int64_t words() const { return count * run_words + tail_words; }
  int64_t value_bytes() const { return 4 / word_values; }
  /// Weight k of an output as a value of its words.
  int64_t value(int64_t k) const {
    const int64_t row = k % taps / kernel_width, column = k % taps % kernel_width;
    const int64_t run = (row / fold * kernel_width + column) / row_pixels;
    const int64_t within = column % row_pixels * pixel + row % fold * (pixel / fold) + k / taps;
    const int64_t run_values = run_words * word_values;
    return within < run_values ? run * run_values + within : count * run_values + run;
  }

  int64_t word_values, channels;
  int64_t fold;   ///< rows that a pixel holds
  int64_t pixel;  ///< values from one position to the next
  int64_t kernel_width, row_pixels, count, taps, tail_words, run_words;
};

/// Where the pixels of an image lie: [group][row][column][channel]. A 1x1 kernel has pixels for its positions alone, so
/// they are one line of them, unless rows are pooled.
struct PixelLayout {
  PixelLayout(const ConvWeights& w, const PixelRuns& runs, const Image& image, int64_t tile_positions)
      : rows(w.kernel_height, w.stride_height, w.dilation_height, w.pad_top, image.height, image.out_height),
        columns(w.kernel_width, w.stride_width, w.dilation_width, w.pad_left, image.width, image.out_width),
        pixel(runs.pixel * runs.value_bytes()),
        line_bytes(columns.tables() * pixel),
        group_bytes(rows.tables() * line_bytes),
        tail_line_bytes(runs.tail_words != 0 ? image.out_width * 4 : 0),
        lines(runs.taps == 1 && !w.form.max_pool ? 1 : image.out_height),
        line_positions(image.out_height * image.out_width / lines),
        tiles((line_positions + tile_positions - 1) / tile_positions) {}

  /// The first position of a tile of a line; tiles are as equal as can be.
  int64_t tile_begin(int64_t tile) const { return tile * line_positions / tiles; }
  int64_t line_offset(int64_t line) const { return line * rows.stride * line_bytes; }
  int64_t tail_offset(int64_t line) const { return line * rows.stride * tail_line_bytes; }
  int64_t group_tail_bytes() const { return rows.tables() * tail_line_bytes; }
  int64_t position_bytes() const { return columns.stride * pixel; }

  void fill_runs(const ConvWeights& w, const PixelRuns& runs, int64_t* to) const {
    for (int64_t run = 0; run < runs.count; ++run) {
      const int64_t tap = run * runs.row_pixels, row = tap / w.kernel_width * runs.fold;
      *to++ = row * w.dilation_height * line_bytes + tap % w.kernel_width * w.dilation_width * pixel;
    }
  }

  x86::ConvAxis rows, columns;
  int64_t pixel;  ///< bytes
  int64_t line_bytes, group_bytes;
  int64_t tail_line_bytes;  ///< of the last bytes of 4 kernel rows for every position, where they have words
  int64_t lines, line_positions, tiles;
};

}  // namespace
}  // namespace edgenet::x86
