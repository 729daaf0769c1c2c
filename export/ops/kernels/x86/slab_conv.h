// A convolution by look-up, slab by slab: lanes are output channels, a field is some channels of one position, which
// has a table of their signed sums.
//
// A position's tables serve all taps and all output channels. They lie [row][plane][column][field], so that the taps of
// a kernel row are one run. Padding is tables of zeros; kernel rows and columns that only meet padding are left out.
//
// `Fields` says what a table is, how it is made and how entries are picked and added up; `Fields::Form`, what a call
// decides of that: how many planes tables have.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>

#include "kernels/parallel.h"
#include "kernels/x86/bwn_conv_plan.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// The fields of a convolution: `run_fields` in each of `runs` runs of taps that are neighbours in memory.
template <int64_t kChannels>
struct ConvFields {
  explicit ConvFields(const ConvWeights& w)
      : weights(w),
        taps(w.kernel_height * w.kernel_width),
        run_taps(w.dilation_width == 1 ? w.kernel_width : 1),
        runs(taps / run_taps),
        row_runs(w.kernel_width / run_taps),
        fields((w.group_channels + kChannels - 1) / kChannels),
        run_fields(run_taps * fields) {}

  /// The bits of `count` fields of an output from a field of a run on, lowest first.
  uint32_t bits(int64_t output, int64_t run, int64_t field, int64_t count) const {
    const uint8_t* row = weights.packed + output * ((weights.group_channels * taps + 7) / 8);
    uint32_t word = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t tap = run * run_taps + (field + i) / fields;
      const int64_t first_channel = (field + i) % fields * kChannels;
      for (int64_t c = 0; c < smaller(kChannels, weights.group_channels - first_channel); ++c) {
        const int64_t k = (first_channel + c) * taps + tap;
        word |= static_cast<uint32_t>((row[k / 8] >> (k % 8)) & 1) << (i * kChannels + c);
      }
    }
    return word;
  }

  ConvWeights weights;
  int64_t taps, run_taps, runs, row_runs;
  int64_t fields;  ///< of a position
  int64_t run_fields;
};

/// The tables of some positions: field f of run r of position p is at tables[r * stride + p].
struct TablePointers {
  const float* const* tables;
  int64_t stride;
};

/// Part of the work of a block: fields [begin, end) of `runs` runs from `run` on.
struct FieldRange {
  int64_t run, runs, begin, end;
};

template <class Simd, class Fields>
class SlabConv {
  using Form = typename Fields::Form;
  static constexpr int64_t kBlock = Fields::kBlock;
  static constexpr int64_t kPixels = Fields::kBlockPixels;  ///< outputs whose sums are kept together

 public:
  explicit SlabConv(const ConvWeights& weights)
      : w_(weights), group_outputs_(w_.out_channels / w_.group), fields_(weights) {}

  const Fields& fields() const { return fields_; }

  size_t scratch_bytes(const Image& image, const Form& form) const {
    const Plan plan = make_plan(image, form);
    return static_cast<size_t>(plan.row_floats + plan.ring_floats() + plan.workers * worker_floats()) * sizeof(float);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor, const Form& form) const {
    const Plan plan = make_plan(image, form);
    auto* scratch = static_cast<float*>(operands.scratch);
    Fields::fill_zeros(form, plan.horizontal, 0, plan.horizontal.tables(), scratch);
    float* tables = scratch + plan.row_floats;
    const Call call{plan, form, image, operands, executor, scratch, tables, tables + plan.ring_floats()};
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
    const Form& form;
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

  Plan make_plan(const Image& image, const Form& form) const {
    return Plan(w_, image, form.position_floats(), kPixels, Fields::slab_size(w_));
  }

  static constexpr int64_t kSumFloats = round_up(kPixels, Simd::kLanes) * kBlock;
  static constexpr int64_t kPointerFloats = sizeof(const float*) / sizeof(float);
  int64_t worker_floats() const { return kSumFloats + round_up(shape().runs * kPixels * kPointerFloats, 16); }
  const typename Fields::Shape& shape() const { return fields_.shape(); }

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
        fields_.make_row(call.form, call.plan.horizontal, unit, line, area, call.row(unit, row));
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

  void sum_slab(const Call& call, const Slab& slab) const {
    const int64_t pixel_blocks = call.plan.pixel_blocks(slab);
    const int64_t tasks = slab.units * pixel_blocks * fields_.blocks();
    std::atomic<int64_t> next{0};
    // Workers fetch tasks, so that on one thread a single worker does all and touches no memory but its own.
    const auto work = [&](int64_t worker) {
      float* sums = call.workers + worker * worker_floats();
      Task task{-1, 0, {0, 0}, sums, reinterpret_cast<const float**>(sums + kSumFloats)};
      for (int64_t index = next++, located = -1; index < tasks; index = next++) {
        const int64_t place = index / fields_.blocks();
        task.unit = slab.unit + place / pixel_blocks;
        task.pixels = call.plan.pixel_block(slab, place % pixel_blocks);
        task.block = index % fields_.blocks();
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
    const int64_t column_floats = call.form.column_floats();
    const int64_t row_runs = shape().row_runs;
    for (int64_t run = 0; run < shape().runs; ++run) {
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
    std::memset(task.sums, 0, static_cast<size_t>(count * kBlock) * sizeof(float));
    const int64_t tiles = (count + Fields::kTilePixels - 1) / Fields::kTilePixels;
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
    const int64_t row_runs = shape().row_runs;
    const Taps rows = call.plan.vertical.taps_inside(first / out_width, last / out_width);
    FieldRange range{rows.begin * row_runs, (rows.end - rows.begin) * row_runs, 0, shape().run_fields};
    if (row_runs == 1 && first / out_width == last / out_width) {
      const Taps columns = call.plan.horizontal.taps_inside(first % out_width, last % out_width);
      range.begin = columns.begin * shape().fields / Fields::kFirst * Fields::kFirst;
      range.end = columns.end * shape().fields;
    }
    fields_.add(call.form, call.plan.horizontal.tables(), task.unit % w_.group, task.block, range,
                static_cast<int>(end - begin), TablePointers{task.tables + begin, kPixels}, task.sums + begin * kBlock);
  }

  void store_block(const Call& call, const Task& task) const {
    const int64_t area = call.image.out_height * call.image.out_width;
    const int64_t first_channel = task.unit % w_.group * group_outputs_;
    for (int64_t vector = 0; vector < fields_.block_outputs(task.block); vector += Simd::kLanes) {
      const int64_t o = task.block * kBlock + vector;
      const int64_t outputs = smaller(Simd::kLanes, group_outputs_ - o);
      const auto scale = Simd::load_first(call.operands.scale + first_channel + o, outputs);
      const auto bias = Simd::load_first(call.operands.bias + first_channel + o, outputs);
      float* y = call.operands.y + (task.unit * group_outputs_ + o) * area + task.pixels.first;
      for (int64_t pixel = 0; pixel < task.pixels.count; pixel += Simd::kLanes) {
        typename Simd::Float rows[Simd::kLanes];
#pragma GCC unroll 16
        for (int i = 0; i < Simd::kLanes; ++i) {
          rows[i] = call.form.finish(Simd::load(task.sums + (pixel + i) * kBlock + vector), task.unit, scale, bias);
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

  ConvWeights w_;
  int64_t group_outputs_;
  Fields fields_;
};

}  // namespace
}  // namespace edgenet::x86
