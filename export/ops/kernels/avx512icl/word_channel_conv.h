// XNOR convolution by VPOPCNTD with output channels as lanes: a vector holds 32 weights of 16 of them, and a pixel's
// word is broadcast. Taps that meet padding are skipped and no lane is left empty, whatever the image; counts are
// turned afterwards. For layers of many output channels on small images.
#pragma once
#include <immintrin.h>

#include "kernels/avx512icl/simd.h"
#include "kernels/avx512icl/word_conv_finish.h"
#include "kernels/avx512icl/word_conv_pack.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

constexpr int64_t kPanelVectors = 4;
constexpr int64_t kPanelChannels = kPanelVectors * kLanes;
constexpr int64_t kPanelPositions = 6;  ///< most that are counted side by side: 24 counts in flight
constexpr int64_t kPanelRun = 128;      ///< positions whose counts are turned together

constexpr int64_t kMostTaps = 32;             ///< of an axis
constexpr int64_t kMostRuns = 2 * kMostTaps;  ///< as each end of the taps is passed once

/// Neighbouring outputs of an axis that meet the image with the same taps.
struct AxisRun {
  int64_t first, end, first_tap, end_tap;
};

/// The runs of an axis from `first` on, at most `most` outputs of them; returns how many.
int64_t find_runs(const XnorAxis& axis, int64_t first, int64_t most, AxisRun* to) {
  int64_t count = 0;
  const int64_t end = x86::smaller(axis.outputs, first + most);
  for (int64_t output = first; output < end; ++output) {
    int64_t place = output * axis.stride - axis.pad;
    AxisRun run{output, output + 1, 0, 0};
    for (; run.first_tap < axis.taps && place < 0; place += axis.dilation) ++run.first_tap;
    run.end_tap = run.first_tap;
    for (; run.end_tap < axis.taps && place < axis.size; place += axis.dilation) ++run.end_tap;
    AxisRun* last = to + count - 1;
    if (count > 0 && last->first_tap == run.first_tap && last->end_tap == run.end_tap) {
      last->end = run.end;
    } else {
      to[count++] = run;
    }
  }
  return count;
}

/// The taps of a region of the output plane, and where their words and weights lie.
struct RegionTaps {
  const uint32_t* signs;
  int64_t word_step;  ///< from one word of the channels to the next
  int64_t words;
  int64_t rows, columns, row_step, column_step;  ///< steps of a pixel in words
  const uint32_t* weights;
  int64_t weight_row_step, weight_column_step;
  int32_t padded;  ///< half of the inputs that meet padding
};

/// Counts of a run of positions, by position and output channel.
using PanelCounts = int32_t[kPanelRun][kPanelChannels];

template <int positions, int vectors>
EDGENET_NOINLINE void count_positions(const RegionTaps& taps, const int64_t* pixels, int32_t* const* to) {
  __m512i counts[positions][vectors];
  x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { counts[p][v] = _mm512_set1_epi32(taps.padded); });
  });
  for (int64_t row = 0; row < taps.rows; ++row) {
    for (int64_t column = 0; column < taps.columns; ++column) {
      const uint32_t* weights = taps.weights + row * taps.weight_row_step + column * taps.weight_column_step;
      const uint32_t* signs[positions];
      x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
        signs[p] = taps.signs + pixels[p] + row * taps.row_step + column * taps.column_step;
      });
      for (int64_t word = 0, at = 0; word < taps.words; ++word, at += taps.word_step) {
        __m512i weight[vectors];
        x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { weight[v] = _mm512_load_si512(weights + v * kLanes); });
        x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
          const __m512i sign = _mm512_set1_epi32(static_cast<int>(signs[p][at]));
          x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
            const __m512i differing = _mm512_popcnt_epi32(_mm512_xor_si512(weight[v], sign));
            counts[p][v] = _mm512_add_epi32(counts[p][v], differing);
            x86::Bytes512::settle(counts[p][v]);
          });
        });
        weights += kPanelChannels;
      }
    }
  }
  x86::unroll<positions>([&](auto p) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA { _mm512_store_si512(to[p] + v * kLanes, counts[p][v]); });
  });
}

template <int vectors>
void count_some_positions(const RegionTaps& taps, int64_t positions, const int64_t* pixels, int32_t* const* to) {
  if (positions == 6) return count_positions<6, vectors>(taps, pixels, to);
  if (positions == 5) return count_positions<5, vectors>(taps, pixels, to);
  if (positions == 4) return count_positions<4, vectors>(taps, pixels, to);
  if (positions == 3) return count_positions<3, vectors>(taps, pixels, to);
  if (positions == 2) return count_positions<2, vectors>(taps, pixels, to);
  count_positions<1, vectors>(taps, pixels, to);
}

void count_pixels(const RegionTaps& taps, int64_t vectors, int64_t positions, const int64_t* pixels,
                  int32_t* const* to) {
  if (vectors == 4) return count_some_positions<4>(taps, positions, pixels, to);
  if (vectors == 3) return count_some_positions<3>(taps, positions, pixels, to);
  if (vectors == 2) return count_some_positions<2>(taps, positions, pixels, to);
  count_some_positions<1>(taps, positions, pixels, to);
}

class XnorWordChannelConv2d final : public ConvKernel {
 public:
  explicit XnorWordChannelConv2d(const ConvWeights& weights) : w_(weights), weights_(weights, kPanelChannels) {}

  /// Whether words are filled well enough, and lanes take less work than those of positions would.
  static bool suits(const ConvWeights& w) {
    const int64_t outputs = w.out_channels / w.group;
    if (!words_suit(w) || w.likely_columns < 1 || outputs < kLanes) return false;
    if (w.kernel_height > kMostTaps || w.kernel_width > kMostTaps) return false;
    const int64_t positions = w.likely_rows * w.likely_columns;
    const int64_t words = (w.group_channels + kWordChannels - 1) / kWordChannels;
    const int64_t kernel = w.kernel_height * w.kernel_width;
    // In vectors that are counted for 16 output channels; turning counts takes as long as 2 words of a position, and
    // with a stride a word is copied for every tap.
    const bool copied = w.stride_height > 1 || w.stride_width > 1;
    const int64_t by_positions =
        x86::round_up(positions, kLanes) * kernel * words * x86::round_up(outputs, 8) / kLanes +
        (copied ? positions * kernel * words : 0);
    const int64_t met = met_taps({w.kernel_height, w.stride_height, w.dilation_height, w.pad_top,
                                  w.likely_rows * w.stride_height, w.likely_rows}) *
                        met_taps({w.kernel_width, w.stride_width, w.dilation_width, w.pad_left,
                                  w.likely_columns * w.stride_width, w.likely_columns});
    const int64_t by_channels = (met * words + 2 * positions) * x86::round_up(outputs, kLanes) / kLanes;
    return by_channels < by_positions;
  }

  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(bounds_bytes() + round_units(image) * unit_words(image) * 4);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const XnorLayout layout(w_, image);
    const int64_t units = image.batch * w_.group;
    const int64_t most = round_units(image);
    Call call{layout, image, operands, image_words(image), weights_.words(), bounds_bytes(), 0, 0};
    if (has_bounds()) x86::find_bounds(w_.form, operands, 0, w_.out_channels, inputs(), call.bounds());
    for (; call.first < units; call.first += most) {
      call.units = x86::smaller(most, units - call.first);
      pack_units(w_, image, operands, call.first, call.units, executor,
                 [&](int64_t slot, int64_t word) { return call.words_of(slot) + word * call.word_step; });
      convolve(call, executor);
    }
  }

 private:
  struct Call {
    const XnorLayout& layout;
    const Image& image;
    const ConvOperands& operands;
    int64_t word_step, words, signs_offset;
    int64_t first, units;  ///< of this round; what lies in scratch is numbered from 0

    int32_t* bounds() const { return static_cast<int32_t*>(operands.scratch); }
    uint32_t* words_of(int64_t slot) const {
      return static_cast<uint32_t*>(operands.scratch) + signs_offset / 4 + slot * words * word_step;
    }
  };

  /// Over all outputs of an axis.
  static int64_t met_taps(const XnorAxis& axis) {
    int64_t sum = 0;
    for (int64_t tap = 0; tap < axis.taps; ++tap) sum += x86::larger(0, axis.end(tap) - axis.first(tap));
    return sum;
  }

  /// Whether the sign that goes out depends on the count alone.
  bool has_bounds() const { return w_.form.to_signs && !w_.form.add; }
  int64_t inputs() const { return w_.group_channels * w_.kernel_height * w_.kernel_width; }
  int64_t group_outputs() const { return w_.out_channels / w_.group; }
  int64_t bounds_bytes() const { return x86::round_up(w_.out_channels * 4, 64); }
  static int64_t image_words(const Image& image) { return x86::round_up(image.height * image.width, kLanes); }
  int64_t unit_words(const Image& image) const { return weights_.words() * image_words(image); }
  int64_t round_units(const Image& image) const {
    return x86::larger(1, x86::smaller(image.batch * w_.group, kRoundBytes / (unit_words(image) * 4)));
  }

  /// A task is a panel of output channels and a run of positions.
  void convolve(const Call& call, const Executor& executor) const {
    const int64_t outputs = call.layout.outputs;
    const int64_t runs = (outputs + kPanelRun - 1) / kPanelRun;
    const int64_t run = (outputs + runs - 1) / runs;
    const int64_t panels = weights_.tiles();
    // Runs are handed out before panels: a thread then finds what it wrote of the image before this one.
    parallel_for(executor, call.units * runs * panels, [&](int64_t index) {
      const int64_t begin = index / panels % runs * run;
      convolve(call, index / panels / runs, index % panels, begin, x86::smaller(begin + run, outputs));
    });
  }

  void convolve(const Call& call, int64_t slot, int64_t panel, int64_t begin, int64_t end) const {
    alignas(64) PanelCounts counts;
    const int64_t channels = x86::smaller(kPanelChannels, group_outputs() - panel * kPanelChannels);
    const int64_t vectors = (channels + kLanes - 1) / kLanes;
    const int64_t width = call.layout.horizontal.outputs;
    AxisRun rows[kMostRuns + 1], columns[kMostRuns + 1];
    const int64_t row_runs =
        find_runs(call.layout.vertical, begin / width, (end - 1) / width - begin / width + 1, rows);
    const int64_t column_runs = find_runs(call.layout.horizontal, 0, width, columns);
    for (int64_t i = 0; i < row_runs; ++i) {
      for (int64_t j = 0; j < column_runs; ++j) {
        count_region(call, slot, panel, vectors, rows[i], columns[j], begin, end, counts);
      }
    }
    finish(call, call.first + slot, panel * kPanelChannels, channels, begin, end, counts);
  }

  /// Counts what of a region lies in [begin, end).
  void count_region(const Call& call, int64_t slot, int64_t panel, int64_t vectors, const AxisRun& rows,
                    const AxisRun& columns, int64_t begin, int64_t end, PanelCounts& counts) const {
    const XnorAxis& vertical = call.layout.vertical;
    const XnorAxis& horizontal = call.layout.horizontal;
    const int64_t met = (rows.end_tap - rows.first_tap) * (columns.end_tap - columns.first_tap);
    const int64_t kernel = w_.kernel_height * w_.kernel_width;
    const RegionTaps taps{call.words_of(slot),
                          call.word_step,
                          weights_.words(),
                          rows.end_tap - rows.first_tap,
                          columns.end_tap - columns.first_tap,
                          vertical.dilation * call.image.width,
                          horizontal.dilation,
                          weights_.tile((call.first + slot) % w_.group, panel) +
                              (rows.first_tap * w_.kernel_width + columns.first_tap) * weights_.tap_words(),
                          w_.kernel_width * weights_.tap_words(),
                          weights_.tap_words(),
                          static_cast<int32_t>((kernel - met) * w_.group_channels / 2)};
    int64_t pixels[kPanelRun];
    int32_t* to[kPanelRun];
    int64_t count = 0;
    for (int64_t row = rows.first; row < rows.end; ++row) {
      const int64_t position = row * horizontal.outputs;
      const int64_t first = x86::larger(columns.first, begin - position);
      const int64_t last = x86::smaller(columns.end, end - position);
      const int64_t pixel =
          (row * vertical.stride + rows.first_tap * vertical.dilation - vertical.pad) * call.image.width +
          columns.first_tap * horizontal.dilation - horizontal.pad;
      for (int64_t column = first; column < last; ++column, ++count) {
        pixels[count] = pixel + column * horizontal.stride;
        to[count] = counts[position + column - begin];
      }
    }
    // In equal parts: a few positions left over would wait for their weights.
    for (int64_t parts = (count + kPanelPositions - 1) / kPanelPositions, at = 0; parts > 0; --parts) {
      const int64_t positions = (count - at + parts - 1) / parts;
      count_pixels(taps, vectors, positions, pixels + at, to + at);
      at += positions;
    }
  }

  void finish(const Call& call, int64_t unit, int64_t channel, int64_t channels, int64_t begin, int64_t end,
              const PanelCounts& counts) const {
    const x86::UnitOutputs outputs = x86::unit_outputs(w_, call.layout.outputs, nullptr, call.operands, unit);
    const int32_t* bounds = has_bounds() ? call.bounds() + unit % w_.group * group_outputs() : nullptr;
    for (int64_t first = 0; first < channels; first += kLanes) {
      for (int64_t position = begin; position < end; position += kTileLanes) {
        const int64_t lanes = x86::smaller(kTileLanes, end - position);
        alignas(64) int32_t turned[2][kTileChannels][kTileLanes];
        for (int64_t i = 0; i < lanes; i += kLanes) turn(counts[position - begin + i] + first, turned[0][0] + i);
        for (int64_t half = 0; half < 2; ++half) {
          const int64_t at = first + half * kTileChannels;
          if (at >= channels) break;
          const TileTarget target{outputs, static_cast<float>(inputs()), bounds, channel + at,
                                  x86::smaller(kTileChannels, channels - at)};
          choose_finish(target)(target, position, lanes, turned[half]);
        }
      }
    }
  }

  /// A square of 16 positions and 16 output channels.
  static void turn(const int32_t* from, int32_t* to) {
    __m512 square[kLanes];
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; ++i)
      square[i] = _mm512_load_ps(reinterpret_cast<const float*>(from) + i * kPanelChannels);
    Simd::transpose(square);
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; ++i) _mm512_store_ps(reinterpret_cast<float*>(to) + i * kTileLanes, square[i]);
  }

  ConvWeights w_;
  WordWeights weights_;
};

}  // namespace
}  // namespace edgenet::avx512icl
