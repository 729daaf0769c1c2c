// BwnConv2d of SPEC.md by look-up: lanes are output channels, a field is kGroup channels of one position.
//
// A position's tables serve all taps and all output channels. They lie [row][column][field], so that the taps of a
// kernel row are one run. Padding is tables of zeros; kernel rows and columns that only meet padding are left out.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>

#include "kernels/parallel.h"
#include "kernels/x86/bwn_conv_plan.h"
#include "kernels/x86/lookup.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Simd>
class BwnConv2d final : public ConvKernel {
  using Weights = LookupWeights<Simd>;
  static constexpr int64_t kEntries = Weights::kEntries;
  static constexpr int64_t kPixels = 10 * Simd::kPositions;  ///< outputs whose sums are kept together

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
    return static_cast<size_t>(plan.row_floats + plan.ring_floats() + plan.workers * worker_floats()) * sizeof(float);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const Plan plan = make_plan(image);
    auto* scratch = static_cast<float*>(operands.scratch);
    std::memset(scratch, 0, static_cast<size_t>(plan.row_floats) * sizeof(float));
    const Call call{plan,
                    image,
                    operands,
                    executor,
                    scratch,
                    scratch + plan.row_floats,
                    scratch + plan.row_floats + plan.ring_floats()};
    for (int64_t unit = 0; unit < plan.units; unit += plan.slab_units) {
      const int64_t units = smaller(plan.slab_units, plan.units - unit);
      int64_t made = 0;  // rows of tables below this are made, or not needed
      for (int64_t row = 0; row < image.out_height; row += plan.slab_rows) {
        const Slab slab{unit, units, row, smaller(row + plan.slab_rows, image.out_height)};
        made = make_tables(call, slab, made);
        sum_slab(call, slab);
      }
    }
  }

 private:
  using Plan = BwnConvPlan;

  /// One call with its memory: a row of zeros, the tables of a slab, and the workers' own.
  struct Call {
    const Plan& plan;
    const Image& image;
    const ConvOperands& operands;
    const Executor& executor;
    float *zeros, *tables, *workers;

    float* row(int64_t unit, int64_t row) const {
      return tables + (unit % plan.slab_units * plan.ring_rows + row % plan.ring_rows) * plan.row_floats;
    }
  };

  /// What a worker sums at a time: a block of pixels of a unit, for a block of outputs.
  struct Task {
    int64_t unit, block;
    PixelBlock pixels;
    float* sums;           ///< [pixel][output]
    const float** tables;  ///< [run][pixel]: a pixel's first table of the run
  };

  Plan make_plan(const Image& image) const { return Plan(w_, image, fields_ * kEntries, kPixels); }

  static constexpr int64_t kSumFloats = round_up(kPixels, Simd::kLanes) * Weights::kBlock;
  static constexpr int64_t kPointerFloats = sizeof(const float*) / sizeof(float);
  int64_t worker_floats() const { return kSumFloats + round_up(weights_.runs() * kPixels * kPointerFloats, 16); }

  /// Makes the tables of a slab that are not there yet; returns where they end.
  int64_t make_tables(const Call& call, const Slab& slab, int64_t made) const {
    const ConvAxis& axis = call.plan.vertical;
    const int64_t begin = larger(made, slab.first_row * axis.stride);
    const int64_t rows = (slab.end_row - 1) * axis.stride + axis.span() - begin;
    const int64_t area = call.image.height * call.image.width;
    const auto make = [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const int64_t unit = slab.unit + i / rows;
        const int64_t row = begin + i % rows;
        if (!axis.inside(row)) continue;
        const float* line = call.operands.x + unit * w_.group_channels * area + axis.input(row) * call.image.width;
        make_row(call.plan.horizontal, line, area, call.row(unit, row));
      }
    };
    const int64_t count = slab.units * rows;
    if (call.plan.workers == 1) {
      make(0, count);
    } else {
      parallel_chunks(call.executor, count, (count + call.plan.workers - 1) / call.plan.workers, make);
    }
    return begin + rows;
  }

  void make_row(const ConvAxis& axis, const float* line, int64_t plane, float* tables) const {
    const int64_t column_floats = fields_ * kEntries;
    const int64_t begin = axis.first_inside();
    const int64_t end = axis.end_inside();
    std::memset(tables, 0, static_cast<size_t>(begin * column_floats) * sizeof(float));
    std::memset(tables + end * column_floats, 0,
                static_cast<size_t>((axis.tables() - end) * column_floats) * sizeof(float));
    // Part by part, so that the cache lines of x that several columns share stay in the L1 cache.
    constexpr int64_t kColumns = 16, kFields = 16;
    for (int64_t column = begin; column < end; column += kColumns) {
      for (int64_t field = 0; field < fields_; field += kFields) {
        for (int64_t c = column; c < smaller(column + kColumns, end); ++c) {
          const float* position = line + axis.input(c);
          for (int64_t f = field; f < smaller(field + kFields, fields_); ++f) {
            make_table(position + f * Simd::kGroup * plane, plane, w_.group_channels - f * Simd::kGroup,
                       tables + c * column_floats + f * kEntries);
          }
        }
      }
    }
  }

  static void make_table(const float* position, int64_t plane, int64_t channels, float* table) {
    float x[Simd::kGroup] = {};
    if (channels >= Simd::kGroup) {
#pragma GCC unroll 4
      for (int i = 0; i < Simd::kGroup; ++i) x[i] = position[i * plane];
    } else {
      for (int64_t i = 0; i < channels; ++i) x[i] = position[i * plane];
    }
    Simd::store(table, Simd::make_table(x));
  }

  void sum_slab(const Call& call, const Slab& slab) const {
    const int64_t pixel_blocks = call.plan.pixel_blocks(slab);
    const int64_t tasks = slab.units * pixel_blocks * weights_.blocks();
    std::atomic<int64_t> next{0};
    // Workers fetch tasks, so that on one thread a single worker does all and touches no memory but its own.
    const auto work = [&](int64_t worker) {
      float* sums = call.workers + worker * worker_floats();
      Task task{-1, 0, {0, 0}, sums, reinterpret_cast<const float**>(sums + kSumFloats)};
      for (int64_t index = next++, located = -1; index < tasks; index = next++) {
        const int64_t place = index / weights_.blocks();
        task.unit = slab.unit + place / pixel_blocks;
        task.pixels = call.plan.pixel_block(slab, place % pixel_blocks);
        task.block = index % weights_.blocks();
        if (place != located) locate(call, task);
        located = place;
        sum_block(call, task);
        store_block(call, task);
      }
    };
    if (call.plan.workers == 1) {
      work(0);
    } else {
      parallel_for(call.executor, call.plan.workers, work);
    }
  }

  /// Finds the tables of a task's pixels, which are part of one output row or whole rows.
  void locate(const Call& call, const Task& task) const {
    const ConvAxis& vertical = call.plan.vertical;
    const int64_t column_floats = fields_ * kEntries;
    const int64_t row_runs = w_.kernel_width / run_taps_;
    for (int64_t run = 0; run < weights_.runs(); ++run) {
      const float** tables = task.tables + run * kPixels;
      for (int64_t pixel = 0; pixel < task.pixels.count;) {
        int64_t column = (task.pixels.first + pixel) % call.plan.out_width;
        const int64_t out_row = (task.pixels.first + pixel) / call.plan.out_width;
        const int64_t row = out_row * vertical.stride + run / row_runs * vertical.dilation;
        const float* from = vertical.inside(row) ? call.row(task.unit, row) : call.zeros;
        from += run % row_runs * w_.dilation_width * column_floats;
        for (; column < call.plan.out_width && pixel < task.pixels.count; ++column, ++pixel) {
          tables[pixel] = from + column * call.plan.horizontal.stride * column_floats;
        }
      }
    }
  }

  void sum_block(const Call& call, const Task& task) const {
    const int64_t count = task.pixels.count;
    std::memset(task.sums, 0, static_cast<size_t>(count * Weights::kBlock) * sizeof(float));
    const int64_t tiles = (count + Simd::kPositions - 1) / Simd::kPositions;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      // Tiles of nearly equal size: a last one of one pixel would waste most of its work.
      sum_tile(call, task, count * tile / tiles, count * (tile + 1) / tiles);
    }
  }

  /// Sums the task's pixels [begin, end), leaving out what is padding to all of them.
  void sum_tile(const Call& call, const Task& task, int64_t begin, int64_t end) const {
    const int64_t out_width = call.plan.out_width;
    const int64_t first = task.pixels.first + begin;
    const int64_t last = task.pixels.first + end - 1;
    const int64_t row_runs = w_.kernel_width / run_taps_;
    const Taps rows = call.plan.vertical.taps_inside(first / out_width, last / out_width);
    typename Weights::Range range{rows.begin * row_runs, (rows.end - rows.begin) * row_runs, 0, weights_.run_fields()};
    if (row_runs == 1 && first / out_width == last / out_width) {
      const Taps columns = call.plan.horizontal.taps_inside(first % out_width, last % out_width);
      range.begin = columns.begin * fields_ / Simd::kFields * Simd::kFields;
      range.end = columns.end * fields_;
    }
    weights_.add(task.unit % w_.group, task.block, range, static_cast<int>(end - begin),
                 typename Weights::Tables{task.tables + begin, kPixels}, task.sums + begin * Weights::kBlock);
  }

  void store_block(const Call& call, const Task& task) const {
    const int64_t area = call.image.out_height * call.image.out_width;
    const int64_t first_channel = task.unit % w_.group * group_outputs_;
    for (int64_t vector = 0; vector < weights_.block_outputs(task.block); vector += Simd::kLanes) {
      const int64_t o = task.block * Weights::kBlock + vector;
      const int64_t outputs = smaller(Simd::kLanes, group_outputs_ - o);
      const auto scale = Simd::load_first(call.operands.scale + first_channel + o, outputs);
      const auto bias = Simd::load_first(call.operands.bias + first_channel + o, outputs);
      float* y = call.operands.y + (task.unit * group_outputs_ + o) * area + task.pixels.first;
      for (int64_t pixel = 0; pixel < task.pixels.count; pixel += Simd::kLanes) {
        typename Simd::Float rows[Simd::kLanes];
#pragma GCC unroll 16
        for (int i = 0; i < Simd::kLanes; ++i) {
          rows[i] = Simd::multiply_add(Simd::load(task.sums + (pixel + i) * Weights::kBlock + vector), scale, bias);
        }
        Simd::transpose(rows);
        store_rows(rows, y + pixel, area, outputs, smaller(Simd::kLanes, task.pixels.count - pixel));
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
