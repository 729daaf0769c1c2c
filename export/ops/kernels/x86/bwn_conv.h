// BwnConv2d of SPEC.md by look-up: lanes are output channels, a field is kGroup channels of one position.
//
// Tables are made once for every position of the image, a few rows ahead of the outputs that need them, and serve all
// taps and all output channels. They lie [row][column][field], so that the taps of a kernel row are one run. Padding is
// tables of zeros; kernel rows and columns that only meet padding are left out.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>

#include "kernels/parallel.h"
#include "kernels/x86/conv_axis.h"
#include "kernels/x86/lookup.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Simd>
class BwnConv2d final : public ConvKernel {
  using Weights = LookupWeights<Simd>;
  static constexpr int64_t kEntries = Weights::kEntries;
  static constexpr int64_t kPixels = 10 * Simd::kPositions;  ///< outputs whose sums are kept together
  static constexpr int64_t kMaxWorkers = 8;                  ///< each has scratch of its own
  static constexpr int64_t kTaskProducts = int64_t{1} << 23;

 public:
  explicit BwnConv2d(const ConvWeights& weights)
      : w_(weights),
        group_outputs_(w_.out_channels / w_.group),
        fields_((w_.group_channels + Simd::kGroup - 1) / Simd::kGroup),
        run_taps_(w_.dilation_width == 1 ? w_.kernel_width : 1),
        weights_(w_.group, group_outputs_, w_.kernel_height * w_.kernel_width / run_taps_, run_taps_ * fields_,
                 [&](int64_t output, int64_t run, int64_t field, int64_t count) {
                   return word_of(output, run, field, count);
                 }) {}

  size_t scratch_bytes(const Image& image) const override {
    const Plan plan = make_plan(image);
    return static_cast<size_t>(plan.workers * plan.worker_floats) * sizeof(float);
  }

  void run(const Image& image, const Operands& operands, const Executor& executor) const override {
    const Plan plan = make_plan(image);
    std::atomic<int64_t> next{0};
    // Workers fetch tasks, so that on one thread a single worker does all and touches no scratch but its own.
    const auto work = [&](int64_t worker) {
      float* scratch = static_cast<float*>(operands.scratch) + worker * plan.worker_floats;
      bool fresh = true;
      for (int64_t task = next++; task < plan.tasks; task = next++) {
        if (fresh) std::memset(scratch, 0, static_cast<size_t>(plan.row_floats) * sizeof(float));
        fresh = false;
        run_task(image, operands, plan, task, scratch);
      }
    };
    if (plan.workers == 1) return work(0);
    parallel_for(executor, plan.workers, work);
  }

 private:
  /// How an image is computed. A task is a band of output rows and a part of the output blocks of one group.
  struct Plan {
    ConvAxis vertical, horizontal;
    int64_t row_floats;  ///< tables of one row
    int64_t ring_rows;   ///< rows of tables alive together; row r lies in slot r % ring_rows
    int64_t bands, parts, tasks, workers;
    int64_t worker_floats;  ///< a row of zeros, the ring, sums, and a pointer per kernel row and pixel
  };

  Plan make_plan(const Image& image) const {
    Plan plan{};
    plan.vertical =
        ConvAxis(w_.kernel_height, w_.stride_height, w_.dilation_height, w_.pad_top, image.height, image.out_height);
    plan.horizontal =
        ConvAxis(w_.kernel_width, w_.stride_width, w_.dilation_width, w_.pad_left, image.width, image.out_width);
    plan.row_floats = plan.horizontal.tables() * fields_ * kEntries;
    const int64_t block_rows = smaller(image.out_height, (kPixels + image.out_width - 2) / image.out_width + 1);
    plan.ring_rows = (block_rows - 1) * plan.vertical.stride + plan.vertical.span();

    const int64_t units = image.batch * w_.group;
    const int64_t products = image.batch * w_.out_channels * image.out_height * image.out_width * w_.group_channels *
                             w_.kernel_height * w_.kernel_width;
    const int64_t pieces = smaller(kMaxWorkers, products / kTaskProducts);
    const int64_t split = larger(1, (pieces + units - 1) / units);
    // Bands repeat the tables at their seams, parts repeat them all: parts only for images of few rows.
    plan.bands = image.out_height >= 4 * split ? split : 1;
    plan.parts = plan.bands == 1 ? smaller(split, weights_.blocks()) : 1;
    plan.tasks = units * plan.bands * plan.parts;
    plan.workers = larger(1, smaller(pieces, plan.tasks));
    plan.worker_floats = (1 + plan.ring_rows) * plan.row_floats + kSumRows * Weights::kBlock +
                         round_up(w_.kernel_height * kPixels * kPointerFloats, 16);
    return plan;
  }

  static constexpr int64_t kSumRows = (kPixels + Simd::kLanes - 1) / Simd::kLanes * Simd::kLanes;
  static constexpr int64_t kPointerFloats = sizeof(const float*) / sizeof(float);

  /// One task's image, target and memory.
  struct Task {
    const Plan& plan;
    int64_t group;
    const float* x;  ///< the group's channels
    float* y;        ///< the group's outputs
    const float *scale, *bias;
    int64_t height, width, out_width, out_area;
    float *zeros, *ring, *sums;
    const float** tables;  ///< [kernel row][pixel]: the tables of a pixel's first column

    float* row(int64_t table_row) const { return ring + table_row % plan.ring_rows * plan.row_floats; }
    bool is_padding(const float* table) const { return table < ring; }
  };

  void run_task(const Image& image, const Operands& operands, const Plan& plan, int64_t index, float* scratch) const {
    const int64_t part = index % plan.parts;
    const int64_t band = index / plan.parts % plan.bands;
    const int64_t unit = index / plan.parts / plan.bands;
    const int64_t group = unit % w_.group;
    float* sums = scratch + (1 + plan.ring_rows) * plan.row_floats;
    const Task task{plan,
                    group,
                    operands.x + unit * w_.group_channels * image.height * image.width,
                    operands.y + unit * group_outputs_ * image.out_height * image.out_width,
                    operands.scale + group * group_outputs_,
                    operands.bias + group * group_outputs_,
                    image.height,
                    image.width,
                    image.out_width,
                    image.out_height * image.out_width,
                    scratch,
                    scratch + plan.row_floats,
                    sums,
                    reinterpret_cast<const float**>(sums + kSumRows * Weights::kBlock)};
    const int64_t first_row = image.out_height * band / plan.bands;
    const int64_t end = image.out_height * (band + 1) / plan.bands * image.out_width;
    const int64_t first_block = weights_.blocks() * part / plan.parts;
    const int64_t end_block = weights_.blocks() * (part + 1) / plan.parts;
    int64_t made = 0;  // rows of tables below this are made, or not needed
    for (int64_t first = first_row * image.out_width; first < end; first += kPixels) {
      const int64_t count = smaller(kPixels, end - first);
      made = make_rows(task, first / image.out_width, (first + count - 1) / image.out_width, made);
      locate(task, first, count);
      for (int64_t block = first_block; block < end_block; ++block) {
        sum_block(task, block, first, count);
        store_block(task, block, first, count);
      }
    }
  }

  /// Makes the tables that output rows [first, last] need and that are not there yet.
  int64_t make_rows(const Task& task, int64_t first, int64_t last, int64_t made) const {
    const ConvAxis& axis = task.plan.vertical;
    const int64_t end = last * axis.stride + axis.span();
    for (made = larger(made, first * axis.stride); made < end; ++made) {
      const int64_t y = axis.input(made);
      if (y >= 0 && y < task.height) make_row(task, task.x + y * task.width, task.row(made));
    }
    return end;
  }

  void make_row(const Task& task, const float* line, float* tables) const {
    const ConvAxis& axis = task.plan.horizontal;
    const int64_t column_floats = fields_ * kEntries;
    const int64_t begin = axis.first_inside();
    const int64_t end = axis.end_inside();
    std::memset(tables, 0, static_cast<size_t>(begin * column_floats) * sizeof(float));
    std::memset(tables + end * column_floats, 0,
                static_cast<size_t>((axis.tables() - end) * column_floats) * sizeof(float));
    const int64_t plane = task.height * task.width;
    constexpr int64_t kColumns = 16;  // a cache line of x
    for (int64_t column = begin; column < end; column += kColumns) {
      const int64_t stop = smaller(column + kColumns, end);
      for (int64_t field = 0; field < fields_; ++field) {
        const int64_t channels = smaller(Simd::kGroup, w_.group_channels - field * Simd::kGroup);
        const float* from = line + field * Simd::kGroup * plane;
        float* to = tables + field * kEntries;
        for (int64_t c = column; c < stop; ++c) {
          float x[Simd::kGroup] = {};
          const float* position = from + axis.input(c);
          if (channels == Simd::kGroup) {
#pragma GCC unroll 4
            for (int i = 0; i < Simd::kGroup; ++i) x[i] = position[i * plane];
          } else {
            for (int64_t i = 0; i < channels; ++i) x[i] = position[i * plane];
          }
          Simd::store(to + c * column_floats, Simd::make_table(x));
        }
      }
    }
  }

  void locate(const Task& task, int64_t first, int64_t count) const {
    const ConvAxis& vertical = task.plan.vertical;
    const int64_t step = task.plan.horizontal.stride * fields_ * kEntries;
    for (int64_t kernel_row = 0; kernel_row < w_.kernel_height; ++kernel_row) {
      for (int64_t pixel = 0; pixel < count;) {
        int64_t column = (first + pixel) % task.out_width;
        const int64_t table_row = (first + pixel) / task.out_width * vertical.stride + kernel_row * vertical.dilation;
        const int64_t y = vertical.input(table_row);
        const float* row = y >= 0 && y < task.height ? task.row(table_row) : task.zeros;
        for (; column < task.out_width && pixel < count; ++column, ++pixel) {
          task.tables[kernel_row * kPixels + pixel] = row + column * step;
        }
      }
    }
  }

  void sum_block(const Task& task, int64_t block, int64_t first, int64_t count) const {
    std::memset(task.sums, 0, static_cast<size_t>(count * Weights::kBlock) * sizeof(float));
    const int64_t tiles = (count + Simd::kPositions - 1) / Simd::kPositions;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      // Tiles of nearly equal size: a last one of one pixel would waste most of its work.
      const int64_t begin = count * tile / tiles;
      sum_tile(task, block, first, begin, count * (tile + 1) / tiles);
    }
  }

  /// Sums the pixels [begin, end) of those that start at `first`.
  void sum_tile(const Task& task, int64_t block, int64_t first, int64_t begin, int64_t end) const {
    const Taps taps = taps_inside(task, first + begin, first + end - 1);
    const int64_t row_runs = w_.kernel_width / run_taps_;
    for (int64_t kernel_row = 0; kernel_row < w_.kernel_height; ++kernel_row) {
      const float* const* tables = task.tables + kernel_row * kPixels + begin;
      if (only_padding(task, tables, end - begin)) continue;
      for (int64_t row_run = 0; row_run < row_runs; ++row_run) {
        // A run is all taps of the kernel row, or with dilation a single one.
        const int64_t run_begin = larger(taps.begin - row_run, 0) * fields_ / Simd::kFields * Simd::kFields;
        const int64_t run_end =
            smaller(weights_.run_fields(), round_up(larger(taps.end - row_run, 0) * fields_, Simd::kFields));
        weights_.add(task.group, block, kernel_row * row_runs + row_run, run_begin, run_end,
                     static_cast<int>(end - begin), tables, row_run * w_.dilation_width * fields_ * kEntries,
                     task.sums + begin * Weights::kBlock);
      }
    }
  }

  bool only_padding(const Task& task, const float* const* tables, int64_t count) const {
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      if (!task.is_padding(tables[pixel])) return false;
    }
    return true;
  }

  struct Taps {
    int64_t begin, end;
  };

  /// The kernel columns that meet the image for at least one of the pixels [first, last].
  Taps taps_inside(const Task& task, int64_t first, int64_t last) const {
    const ConvAxis& axis = task.plan.horizontal;
    const bool one_row = first / task.out_width == last / task.out_width;
    const int64_t left = axis.input((one_row ? first % task.out_width : 0) * axis.stride);
    const int64_t right = axis.input((one_row ? last % task.out_width : task.out_width - 1) * axis.stride);
    Taps taps{0, w_.kernel_width};
    while (taps.begin < taps.end && right + taps.begin * axis.dilation < 0) ++taps.begin;
    while (taps.end > taps.begin && left + (taps.end - 1) * axis.dilation >= task.width) --taps.end;
    return taps;
  }

  void store_block(const Task& task, int64_t block, int64_t first, int64_t count) const {
    for (int64_t vector = 0; vector < weights_.block_outputs(block); vector += Simd::kLanes) {
      const int64_t o = block * Weights::kBlock + vector;
      const int64_t outputs = smaller(Simd::kLanes, group_outputs_ - o);
      const auto scale = Simd::load_first(task.scale + o, outputs);
      const auto bias = Simd::load_first(task.bias + o, outputs);
      for (int64_t pixel = 0; pixel < count; pixel += Simd::kLanes) {
        typename Simd::Float rows[Simd::kLanes];
#pragma GCC unroll 16
        for (int i = 0; i < Simd::kLanes; ++i) {
          rows[i] = Simd::multiply_add(Simd::load(task.sums + (pixel + i) * Weights::kBlock + vector), scale, bias);
        }
        Simd::transpose(rows);
        float* y = task.y + o * task.out_area + first + pixel;
        const int64_t pixels = smaller(Simd::kLanes, count - pixel);
        store_rows(rows, y, task.out_area, outputs, pixels);
      }
    }
  }

  static void store_rows(const typename Simd::Float (&rows)[Simd::kLanes], float* y, int64_t stride, int64_t outputs,
                         int64_t pixels) {
    if (outputs == Simd::kLanes && pixels == Simd::kLanes) {
#pragma GCC unroll 16
      for (int i = 0; i < Simd::kLanes; ++i) Simd::store(y + i * stride, rows[i]);
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < Simd::kLanes; ++i) {
        if (i < outputs) Simd::store_first(y + i * stride, rows[i], pixels);
      }
    }
  }

  uint32_t word_of(int64_t output, int64_t run, int64_t field, int64_t count) const {
    const int64_t taps = w_.kernel_height * w_.kernel_width;
    const uint8_t* row = w_.packed + output * ((w_.group_channels * taps + 7) / 8);
    uint32_t word = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t tap = run * run_taps_ + (field + i) / fields_;
      const int64_t first_channel = (field + i) % fields_ * Simd::kGroup;
      for (int64_t c = 0; c < smaller(Simd::kGroup, w_.group_channels - first_channel); ++c) {
        const int64_t k = (first_channel + c) * taps + tap;
        word |= static_cast<uint32_t>((row[k / 8] >> (k % 8)) & 1) << (i * Simd::kGroup + c);
      }
    }
    return word;
  }

  ConvWeights w_;
  int64_t group_outputs_;
  int64_t fields_;    ///< fields of one position
  int64_t run_taps_;  ///< taps that are neighbours in memory
  Weights weights_;
};

}  // namespace
}  // namespace edgenet::x86
