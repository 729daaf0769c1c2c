// Convolution of 8-bit activations whose lanes are outputs: some positions by a panel of outputs at a time, as many
// sums as registers hold.
#pragma once
#include <atomic>
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/x86/int8_scale.h"
#include "kernels/x86/pixel_pool.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// `Isa` finds the largest value, `Panels` holds the weights.
template <class Isa, class Products, class Panels>
class PixelConv2d final : public ConvKernel {
  using Writer = typename Products::Writer;
  using Task = PanelTask<Products>;
  static constexpr int64_t kPanelOutputs = Task::kOutputs;

 public:
  explicit PixelConv2d(const ConvWeights& w)
      : w_(w),
        shape_(w, kPanelOutputs),
        runs_(w, Products::kWordValues, Panels::kWholeWords, Products::rows_of_a_pixel(w)),
        panels_(w, runs_) {}

  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(rooms_offset(layout_of(image)) + kWorkers * room_bytes(image));
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const PixelLayout layout = layout_of(image);
    const int64_t size = image.channels * image.height * image.width;
    layout.fill_runs(w_, runs_, static_cast<int64_t*>(operands.scratch));
    for (int64_t n = 0; n < image.batch; ++n) {
      const float* x = operands.x + n * size;
      auto* maxima = reinterpret_cast<float*>(bytes(operands) + maxima_offset());
      const float most = largest_magnitude<Isa>(x, size, maxima, executor);
      write_pixels(layout, x, 127 / most, operands, executor);
      convolve(image, layout, operands, n, most / 127, executor);
    }
  }

 private:
  static constexpr int64_t kWorkers = 8;
  static constexpr int64_t kStreamValues = int64_t{1} << 21;  ///< 8 MiB, more than most caches of the second level
  static constexpr int64_t kStripPositions = 64;              ///< positions whose values are turned together

  PixelLayout layout_of(const Image& image) const { return PixelLayout(w_, runs_, image, Products::kTilePositions); }

  // Scratch: runs, largest values, the image, tail words, and a room for each worker: weights, then values.
  static uint8_t* bytes(const ConvOperands& operands) { return static_cast<uint8_t*>(operands.scratch); }
  int64_t maxima_offset() const { return round_up(runs_.count * static_cast<int64_t>(sizeof(int64_t)), 64); }
  int64_t image_offset() const { return maxima_offset() + kScaleChunks * static_cast<int64_t>(sizeof(float)); }
  int64_t tails_offset(const PixelLayout& layout) const {
    const int64_t slack = kPixelSlack + Products::kReadPositions * layout.position_bytes();
    return image_offset() + round_up(w_.group * layout.group_bytes + slack, 64);
  }
  int64_t rooms_offset(const PixelLayout& layout) const {
    return tails_offset(layout) + round_up(w_.group * layout.group_tail_bytes(), 64);
  }
  int64_t room_bytes(const Image& image) const {
    const int64_t words =
        w_.form.max_pool ? PooledRows<Products>::words(w_.pool, image.out_width) : kStripPositions * kPanelOutputs;
    return round_up(panels_.room_bytes(), 64) + words * static_cast<int64_t>(sizeof(float));
  }

  void write_pixels(const PixelLayout& layout, const float* x, float factor, const ConvOperands& operands,
                    const Executor& executor) const {
    const Writer writer(layout, runs_, factor);
    const int64_t lines = layout.rows.tables();
    const int64_t area = layout.rows.size * layout.columns.size;
    uint8_t* pixels = bytes(operands) + image_offset();
    parallel_for(executor, w_.group * lines, [&](int64_t i) {
      writer.write_line(x + i / lines * w_.group_channels * area, i % lines, pixels + i * layout.line_bytes);
    });
    if (runs_.tail_words == 0) return;
    uint8_t* tails = bytes(operands) + tails_offset(layout);
    parallel_for(executor, w_.group * lines, [&](int64_t i) {
      writer.write_tails(pixels + i / lines * layout.group_bytes, i % lines, tails + i * layout.tail_line_bytes);
    });
  }

  void convolve(const Image& image, const PixelLayout& layout, const ConvOperands& operands, int64_t n, float step,
                const Executor& executor) const {
    const bool pooled = w_.form.max_pool;
    const int64_t units = pooled ? w_.pool.rows(image.out_height) : layout.lines * layout.tiles;
    const int64_t columns = pooled ? w_.pool.columns(image.out_width) : 0;
    const int64_t plane = pooled ? units * columns : layout.lines * layout.line_positions;
    // Few panels are split by positions too.
    const int64_t parts = larger(1, smaller(kWorkers / shape_.count, units / 4));
    const int64_t part = (units + parts - 1) / parts;
    const int64_t tasks = shape_.count * parts;
    std::atomic<int64_t> next{0};
    parallel_for(executor, smaller(kWorkers, tasks), [&](int64_t worker) {
      const typename Products::Thread thread(runs_);
      uint8_t* room = bytes(operands) + rooms_offset(layout) + worker * room_bytes(image);
      auto* values = reinterpret_cast<float*>(room + round_up(panels_.room_bytes(), 64));
      PooledRows<Products> rows(w_.pool, image.out_height, image.out_width, columns,
                                reinterpret_cast<int32_t*>(values));
      Task panel{};
      int64_t held = -1;
      for (int64_t task = next++; task < tasks; task = next++) {
        const int64_t index = task / parts;
        if (index != held) {
          fill_panel(layout, operands, index, step, room, panel);
          rows.restart();
          held = index;
        }
        float* y = operands.y + (n * w_.out_channels + shape_.first_output(index)) * plane;
        const int64_t begin = task % parts * part, end = smaller(begin + part, units);
        if (pooled) {
          rows.run(panel, begin, end, shape_.panel_outputs(index), y, plane,
                   [&](int64_t line, int32_t* to) { sum_line(layout, panel, line, to); });
        } else {
          sum_tiles(layout, panel, begin, end, shape_.panel_outputs(index), values, y);
        }
      }
    });
  }

  void fill_panel(const PixelLayout& layout, const ConvOperands& operands, int64_t index, float step, uint8_t* room,
                  Task& panel) const {
    panel.weights = panels_.weights(index, room);
    panel.image = bytes(operands) + image_offset() + shape_.group(index) * layout.group_bytes;
    panel.runs = static_cast<const int64_t*>(operands.scratch);
    panel.run_count = runs_.count;
    panel.run_words = runs_.run_words;
    panel.position_bytes = layout.position_bytes();
    panel.tails = bytes(operands) + tails_offset(layout) + shape_.group(index) * layout.group_tail_bytes();
    panel.tail_words = runs_.tail_words;
    panel.tail_step = 4 * w_.dilation_height * layout.tail_line_bytes;
    panel.relu = w_.form.relu;
    const int64_t first = shape_.first_output(index);
    for (int64_t o = 0; o < kPanelOutputs; ++o) {
      const bool exists = o < shape_.panel_outputs(index);
      panel.offset[o] = panels_.offset(index, o);
      panel.factor[o] = exists ? operands.scale[first + o] * step : 0;
      panel.bias[o] = exists ? operands.bias[first + o] : 0;
    }
  }

  void sum_line(const PixelLayout& layout, const Task& panel, int64_t line, int32_t* to) const {
    for (int64_t tile = 0; tile < layout.tiles; ++tile) {
      sum_tile<PanelSums<Products>>(layout, panel, line, tile, to + layout.tile_begin(tile) * kPanelOutputs);
    }
  }

  /// Tiles of all lines in a row; their positions are neighbours in y.
  void sum_tiles(const PixelLayout& layout, const Task& panel, int64_t begin, int64_t end, int64_t outputs,
                 float* values, float* y) const {
    const int64_t plane = layout.lines * layout.line_positions;
    const auto first_position = [&](int64_t unit) {
      return unit / layout.tiles * layout.line_positions + layout.tile_begin(unit % layout.tiles);
    };
    const bool stream = beyond_caches(y, plane);
    int64_t first = first_position(begin);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t position = first_position(unit), after = first_position(unit + 1);
      sum_tile<PanelValues<Products>>(layout, panel, unit / layout.tiles, unit % layout.tiles,
                                      values + (position - first) * kPanelOutputs);
      const bool last = unit + 1 == end;
      if (!last && after - first + Products::kTilePositions <= kStripPositions) continue;
      // Whole lines of the cache: what is left of one waits.
      const int64_t ready = last ? after - first : after / 16 * 16 - first;
      store_turned<Products>(values, ready, outputs, y + first, plane, stream && first % 16 == 0);
      first += ready;
      std::memcpy(values, values + ready * kPanelOutputs,
                  static_cast<size_t>((after - first) * kPanelOutputs) * sizeof(float));
    }
    if (stream) _mm_sfence();
  }

  /// Whether to write y without reading it first, as what is larger than caches would be.
  bool beyond_caches(const float* y, int64_t plane) const {
    const bool whole_lines = reinterpret_cast<uintptr_t>(y) % 64 == 0 && plane % 16 == 0;
    return whole_lines && w_.out_channels * plane >= kStreamValues;
  }

  template <class Stored>
  void sum_tile(const PixelLayout& layout, const Task& panel, int64_t line, int64_t tile,
                typename Stored::Word* to) const {
    const int64_t begin = layout.tile_begin(tile);
    const uint8_t* x = panel.image + layout.line_offset(line) + begin * panel.position_bytes;
    const uint8_t* tails = panel.tails + layout.tail_offset(line) + begin * 4;
    Products::template sum_tile<Panels, Stored>(layout.tile_begin(tile + 1) - begin, panel, x, tails, to);
  }

  ConvWeights w_;
  PanelShape shape_;
  PixelRuns runs_;
  Panels panels_;
};

}  // namespace
}  // namespace edgenet::x86
