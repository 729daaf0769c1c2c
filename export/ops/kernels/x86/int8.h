// Convolution and linear layers of 8-bit activations (SPEC.md). A 32-bit lane sums products of 4 activations and 4
// weights at a time; the lanes of a convolution are output positions, those of a linear layer inputs.
//
// `Isa` says how: what stands for an activation of 0 (kZeroPoint: instructions that want unsigned activations get q +
// 128, and 128 times the sum of the weights is taken off at the end), and after how many products partial sums of 16
// bits must be flushed to 32.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>

#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/int8_plan.h"
#include "kernels/x86/int8_scale.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// The weights of a convolution as bytes [block of outputs][quad of channels][tap][output][channel of the quad], or
/// where they lie in the file if that has every quad of a block in one piece.
class Int8Weights {
 public:
  explicit Int8Weights(const ConvWeights& w) : Int8Weights(w, Int8Shape(w)) {}

  int64_t block_bytes() const { return shape_.block_taps() * kInt8Quads; }
  const int32_t* sums(int64_t block) const { return sums_of(block); }
  /// The block's weights; `room` is not needed.
  template <class Isa>
  const int8_t* block(int64_t block, int8_t* /*room*/) const {
    return in_place() ? file_ + block * kInt8Outputs * shape_.row : bytes_of(block);
  }
  bool in_place() const { return in_place(shape_); }
  static constexpr bool kExpanded = false;

 private:
  Int8Weights(const ConvWeights& w, const Int8Shape& shape)
      : shape_(shape),
        file_(reinterpret_cast<const int8_t*>(w.packed)),
        words_(in_place(shape) ? 0 : shape.blocks() * shape.block_taps() * kInt8Quads / 4),
        sums_(shape.blocks() * kInt8Outputs) {
    if (!in_place()) std::memset(words_.data(), 0, static_cast<size_t>(shape.blocks() * block_bytes()));
    std::memset(sums_.data(), 0, static_cast<size_t>(shape.blocks() * kInt8Outputs) * sizeof(int32_t));
    for (int64_t o = 0; o < w.out_channels; ++o) {
      const Int8Place place = shape.place(o);
      for (int64_t k = 0; k < shape.row; ++k) {
        const int8_t weight = file_[o * shape.row + k];
        if (!in_place()) bytes_of(place.block)[shape.index(place, k)] = weight;
        sums_of(place.block)[place.output] += weight;
      }
    }
  }

  static bool in_place(const Int8Shape& shape) {
    return shape.taps == 1 && shape.row % 4 == 0 && shape.group_outputs % kInt8Outputs == 0;
  }

  int8_t* bytes_of(int64_t block) { return reinterpret_cast<int8_t*>(words_.data()) + block * block_bytes(); }
  const int8_t* bytes_of(int64_t block) const {
    return reinterpret_cast<const int8_t*>(words_.data()) + block * block_bytes();
  }
  int32_t* sums_of(int64_t block) { return reinterpret_cast<int32_t*>(sums_.data()) + block * kInt8Outputs; }
  const int32_t* sums_of(int64_t block) const {
    return reinterpret_cast<const int32_t*>(sums_.data()) + block * kInt8Outputs;
  }

  Int8Shape shape_;
  const int8_t* file_;
  AlignedWords words_, sums_;
};

/// The same with a bit a weight; a block is expanded to bytes of +1 and -1 when it is used. Weights that do not exist
/// are -1 and meet activations of 0.
class BitWeights {
 public:
  explicit BitWeights(const ConvWeights& w) : BitWeights(w, Int8Shape(w)) {}

  int64_t block_bytes() const { return shape_.block_taps() * kInt8Quads; }
  const int32_t* sums(int64_t block) const {
    return reinterpret_cast<const int32_t*>(sums_.data()) + block * kInt8Outputs;
  }
  template <class Isa>
  const int8_t* block(int64_t block, int8_t* room) const {
    const uint32_t* words = words_.data() + block * shape_.block_taps();
    for (int64_t i = 0; i < shape_.block_taps(); ++i) Isa::expand(words[i], room + i * kInt8Quads);
    return room;
  }
  bool in_place() const { return false; }
  static constexpr bool kExpanded = true;

 private:
  BitWeights(const ConvWeights& w, const Int8Shape& shape)
      : shape_(shape), words_(shape.blocks() * shape.block_taps()), sums_(shape.blocks() * kInt8Outputs) {
    std::memset(words_.data(), 0, static_cast<size_t>(shape.blocks() * shape.block_taps()) * sizeof(uint32_t));
    auto* sums = reinterpret_cast<int32_t*>(sums_.data());
    for (int64_t i = 0; i < shape.blocks() * kInt8Outputs; ++i) sums[i] = static_cast<int32_t>(-4 * shape.block_taps());
    for (int64_t o = 0; o < w.out_channels; ++o) {
      const Int8Place place = shape.place(o);
      const uint8_t* row = w.packed + o * ((shape.row + 7) / 8);
      for (int64_t k = 0; k < shape.row; ++k) {
        if (((row[k / 8] >> (k % 8)) & 1) == 0) continue;
        const int64_t index = shape.index(place, k);
        words_.data()[place.block * shape.block_taps() + index / 32] |= uint32_t{1} << (index % 32);
        sums[place.block * kInt8Outputs + place.output] += 2;
      }
    }
  }

  Int8Shape shape_;
  AlignedWords words_, sums_;
};

template <class Isa, class Weights>
class Int8Conv2d final : public ConvKernel {
 public:
  explicit Int8Conv2d(const ConvWeights& weights) : w_(weights), shape_(weights), weights_(weights) {}

  size_t scratch_bytes(const Image& image) const override {
    const Int8Layout layout(w_, shape_, image);
    return static_cast<size_t>(room_offset(layout) + kWorkers * room_bytes(layout));
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const Int8Layout layout(w_, shape_, image);
    const int64_t size = image.channels * image.height * image.width;
    layout.fill_taps(w_, taps(operands));
    for (int64_t n = 0; n < image.batch; ++n) {
      const float* x = operands.x + n * size;
      const float most = largest_magnitude<Isa>(x, size, maxima(operands, layout), executor);
      const float factor = 127 / most;
      parallel_for(executor, w_.group * shape_.quads, [&](int64_t i) {
        pack_quad(layout, x, factor, i / shape_.quads, i % shape_.quads,
                  planes(operands, layout) + i * layout.quad_bytes);
      });
      convolve(layout, operands, operands.y + n * w_.out_channels * plane_outputs(layout), most / 127, executor);
    }
  }

 private:
  static constexpr int64_t kWorkers = 8;

  // Scratch: taps, largest values, a row of quantised values per quad, planes, expanded weights.
  static int64_t* taps(const ConvOperands& operands) { return static_cast<int64_t*>(operands.scratch); }
  static int64_t maxima_offset(const Int8Layout& layout) {
    return round_up(layout.taps * static_cast<int64_t>(sizeof(int64_t)), 64);
  }
  static float* maxima(const ConvOperands& operands, const Int8Layout& layout) {
    return reinterpret_cast<float*>(static_cast<uint8_t*>(operands.scratch) + maxima_offset(layout));
  }
  int64_t planes_offset(const Int8Layout& layout) const {
    return maxima_offset(layout) + kScaleChunks * static_cast<int64_t>(sizeof(float));
  }
  uint8_t* planes(const ConvOperands& operands, const Int8Layout& layout) const {
    return static_cast<uint8_t*>(operands.scratch) + planes_offset(layout);
  }
  int64_t room_offset(const Int8Layout& layout) const {
    return planes_offset(layout) + round_up(w_.group * shape_.quads * layout.quad_bytes + kInt8Slack, 64);
  }

  /// What a worker needs for itself: expanded weights, and the values that are pooled.
  int64_t room_bytes(const Int8Layout& layout) const {
    const int64_t floats = w_.form.max_pool ? kInt8Outputs * layout.positions + layout.out_width : 0;
    return round_up(values_offset() + floats * static_cast<int64_t>(sizeof(float)), 64);
  }
  int64_t values_offset() const { return Weights::kExpanded ? round_up(weights_.block_bytes(), 64) : 0; }

  /// Outputs of a channel.
  int64_t plane_outputs(const Int8Layout& layout) const {
    return w_.form.max_pool ? w_.pool.rows(layout.out_height()) * w_.pool.columns(layout.out_width) : layout.positions;
  }

  /// Quantises the channels of a quad and lays them out, a plane for every kernel column and phase of rows.
  void pack_quad(const Int8Layout& layout, const float* x, float factor, int64_t group, int64_t quad,
                 uint8_t* to) const {
    const int64_t area = layout.height * layout.width;
    const float* channels[4];
    const int64_t exist = smaller(4, w_.group_channels - 4 * quad);
    for (int64_t i = 0; i < 4; ++i) {
      channels[i] = x + (group * w_.group_channels + 4 * quad + smaller(i, exist - 1)) * area;
    }
    auto* words = reinterpret_cast<uint32_t*>(to);
    for (int64_t phase = 0; phase < layout.phases; ++phase) {
      for (int64_t row = 0; row < layout.plane_rows; ++row) {
        const int64_t in_row = row * w_.stride_height + phase - w_.pad_top;
        uint32_t* lines = words + (phase * w_.kernel_width * layout.plane_rows + row) * layout.out_width;
        const int64_t plane = layout.plane_rows * layout.out_width;
        const bool inside = in_row >= 0 && in_row < layout.height;
        for (int64_t column = 0; column < w_.kernel_width; ++column) {
          uint32_t* line = lines + column * plane;
          if (!inside) {
            fill(line, layout.out_width);
          } else if (column < layout.column_phases) {
            pack_line(layout, channels, exist, factor, in_row, column, line);
          } else {
            shift_line(layout, channels, exist, factor, in_row, column, line, layout.column_phases * plane);
          }
        }
      }
    }
  }

  static void fill(uint32_t* line, int64_t count) {
    for (int64_t i = 0; i < count; ++i) line[i] = Isa::kZeroPoint;
  }

  void pack_line(const Int8Layout& layout, const float* const (&channels)[4], int64_t exist, float factor,
                 int64_t in_row, int64_t column, uint32_t* line) const {
    const Int8Span span = layout.columns(w_, column);
    fill(line, span.first);
    fill(line + span.end, layout.out_width - span.end);
    const float* from[4];
    const int64_t at = in_row * layout.width + span.first * w_.stride_width + column * w_.dilation_width - w_.pad_left;
    for (int64_t i = 0; i < 4; ++i) from[i] = channels[i] + at;
    Isa::quantize(from, exist, w_.stride_width, factor, span.end - span.first, line + span.first);
  }

  /// Most of a column's values are those of the column `column_phases` before, `column_shift` outputs on; `distance` is
  /// how far before this line theirs lies.
  void shift_line(const Int8Layout& layout, const float* const (&channels)[4], int64_t exist, float factor,
                  int64_t in_row, int64_t column, uint32_t* line, int64_t distance) const {
    const int64_t shift = layout.column_shift;
    const Int8Span span = layout.columns(w_, column);
    const int64_t kept = layout.out_width - shift;
    if (kept <= 0) return pack_line(layout, channels, exist, factor, in_row, column, line);
    std::memcpy(line, line - distance + shift, static_cast<size_t>(kept) * sizeof(uint32_t));
    fill(line + kept, shift);
    if (span.end <= kept) return;
    const int64_t first = larger(kept, span.first);
    const float* from[4];
    for (int64_t i = 0; i < 4; ++i) {
      from[i] =
          channels[i] + in_row * layout.width + first * w_.stride_width + column * w_.dilation_width - w_.pad_left;
    }
    Isa::quantize(from, exist, w_.stride_width, factor, span.end - first, line + first);
  }

  struct Block {
    const int64_t* taps;
    int64_t tap_count, quads, quad_bytes;
    const uint8_t* planes;
    const int8_t* weights;
    int64_t row;  ///< bytes from one output's weights to the next one's where they lie in the file, else 0
    const int32_t* sums;
    float factor[kInt8Outputs], bias[kInt8Outputs];
    float* y;
    int64_t outputs, positions;
    bool relu;
  };

  void convolve(const Int8Layout& layout, const ConvOperands& operands, float* y, float step,
                const Executor& executor) const {
    const int64_t blocks = shape_.blocks();
    // A single block of outputs is split by positions instead.
    const int64_t splits = w_.form.max_pool ? 1 : smaller(8 / blocks, layout.positions / (4 * Isa::kLanes * kVectors));
    const int64_t parts = larger(1, splits);
    const int64_t part = round_up((layout.positions + parts - 1) / parts, Isa::kLanes * kVectors);
    const int64_t tasks = blocks * parts;
    std::atomic<int64_t> next{0};
    uint8_t* rooms = static_cast<uint8_t*>(operands.scratch) + room_offset(layout);
    parallel_for(executor, smaller(kWorkers, tasks), [&](int64_t worker) {
      uint8_t* room = rooms + worker * room_bytes(layout);
      for (int64_t task = next++; task < tasks; task = next++) {
        const int64_t index = task / parts;
        Block block = make_block(layout, operands, y, step, index, reinterpret_cast<int8_t*>(room));
        if (w_.form.max_pool) {
          sum_and_pool(layout, block, reinterpret_cast<float*>(room + values_offset()));
          continue;
        }
        const int64_t begin = task % parts * part;
        sum_block(block, begin, smaller(begin + part, layout.positions));
      }
    });
  }

  Block make_block(const Int8Layout& layout, const ConvOperands& operands, float* y, float step, int64_t index,
                   int8_t* room) const {
    const int64_t group = index / shape_.group_blocks;
    const int64_t first = index % shape_.group_blocks * kInt8Outputs;
    const int64_t channel = group * shape_.group_outputs + first;
    Block block{taps(operands),
                layout.taps,
                shape_.quads,
                layout.quad_bytes,
                planes(operands, layout) + group * shape_.quads * layout.quad_bytes,
                weights_.template block<Isa>(index, room),
                weights_.in_place() ? shape_.row : 0,
                weights_.sums(index),
                {},
                {},
                y + channel * plane_outputs(layout),
                smaller(kInt8Outputs, shape_.group_outputs - first),
                layout.positions,
                w_.form.relu};
    for (int64_t o = 0; o < block.outputs; ++o) {
      block.factor[o] = operands.scale[channel + o] * step;
      block.bias[o] = operands.bias[channel + o];
    }
    return block;
  }

  /// Sums a block a few rows at a time, and takes the largest of the windows that these complete while they are near.
  void sum_and_pool(const Int8Layout& layout, Block& block, float* values) const {
    constexpr int64_t kRows = 16;
    const int64_t rows = w_.pool.rows(layout.out_height());
    float* pooled = block.y;
    block.y = values;
    for (int64_t row = 0, done = 0; row < layout.out_height(); row += kRows) {
      const int64_t end = smaller(row + kRows, layout.out_height());
      sum_block(block, row * layout.out_width, end * layout.out_width);
      for (; done < rows; ++done) {
        const int64_t bottom = done * w_.pool.stride_height - w_.pool.pad_top + w_.pool.kernel_height;
        if (smaller(bottom, layout.out_height()) > end) break;
        for (int64_t o = 0; o < block.outputs; ++o) {
          pool_row(layout, values + o * layout.positions, done, values + kInt8Outputs * layout.positions,
                   pooled + o * plane_outputs(layout) + done * w_.pool.columns(layout.out_width));
        }
      }
    }
  }

  /// One row of windows over a channel's values, none of which is negative; `line` is room for a row of them.
  void pool_row(const Int8Layout& layout, const float* values, int64_t row, float* __restrict line,
                float* __restrict y) const {
    const PoolWindow& pool = w_.pool;
    const int64_t width = layout.out_width;
    const int64_t top = row * pool.stride_height - pool.pad_top;
    const int64_t first = larger(0, top);
    std::memcpy(line, values + first * width, static_cast<size_t>(width) * sizeof(float));
    for (int64_t r = first + 1; r < smaller(top + pool.kernel_height, layout.out_height()); ++r) {
      const float* from = values + r * width;
      for (int64_t c = 0; c < width; ++c) line[c] = from[c] > line[c] ? from[c] : line[c];
    }
    const int64_t columns = pool.columns(width);
    for (int64_t column = 0; column < columns; ++column) y[column] = 0;
    for (int64_t tap = 0; tap < pool.kernel_width; ++tap) {
      const float* from = line + tap - pool.pad_left;
      const int64_t begin = larger(0, (pool.pad_left - tap + pool.stride_width - 1) / pool.stride_width);
      const int64_t end = smaller(columns, (width - 1 - tap + pool.pad_left) / pool.stride_width + 1);
      if (pool.stride_width == 2) {
        for (int64_t c = begin; c < end; ++c) y[c] = from[2 * c] > y[c] ? from[2 * c] : y[c];
      } else {
        for (int64_t c = begin; c < end; ++c) {
          y[c] = from[c * pool.stride_width] > y[c] ? from[c * pool.stride_width] : y[c];
        }
      }
    }
  }

  static constexpr int kVectors = Isa::kVectors;
  static constexpr int64_t kTileOutputs = Isa::kTileOutputs;

  static void sum_block(const Block& block, int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end;) {
      const int64_t vectors = (end - position + Isa::kLanes - 1) / Isa::kLanes;
      if (kVectors >= 3 && vectors >= 3 && vectors != 4) {
        sum_lanes<kVectors>(block, position, end);
        position += kVectors * Isa::kLanes;
      } else if (kVectors >= 2 && vectors >= 2) {
        sum_lanes<kVectors >= 2 ? 2 : 1>(block, position, end);
        position += 2 * Isa::kLanes;
      } else {
        sum_lanes<1>(block, position, end);
        position += Isa::kLanes;
      }
    }
  }

  template <int vectors>
  static void sum_lanes(const Block& block, int64_t position, int64_t end) {
    for (int64_t first = 0; first < block.outputs; first += kTileOutputs) {
      if (block.row != 0) {
        sum_tile<vectors, true>(block, first, position, end);
      } else {
        sum_tile<vectors, false>(block, first, position, end);
      }
    }
  }

  template <int vectors, bool in_place>
  __attribute__((noinline)) static void sum_tile(const Block& block, int64_t first, int64_t position, int64_t end) {
    const int64_t next_output = in_place ? block.row : 4;
    const int64_t next_quad = in_place ? 4 : kInt8Quads;
    typename Isa::Int sums[kTileOutputs][vectors];
    typename Isa::Int totals[kTileOutputs][vectors];
    clear(sums);
    if (Isa::kFlush != 0) clear(totals);
    const int8_t* weights = block.weights + first * next_output;
    int64_t left = Isa::kFlush;
    for (int64_t quad = 0; quad < block.quads; ++quad) {
      const uint8_t* plane = block.planes + quad * block.quad_bytes + position * 4;
      for (int64_t tap = 0; tap < block.tap_count; ++tap) {
        const uint8_t* from = plane + block.taps[tap];
        typename Isa::Int x[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) x[v] = Isa::load(from + v * Isa::kLanes * 4);
#pragma GCC unroll 8
        for (int o = 0; o < kTileOutputs; ++o) {
          const auto weight = Isa::broadcast(weights + o * next_output);
#pragma GCC unroll 4
          for (int v = 0; v < vectors; ++v) sums[o][v] = Isa::add_products(sums[o][v], x[v], weight);
        }
        weights += next_quad;
        if (Isa::kFlush != 0 && --left == 0) {
          flush(sums, totals);
          left = Isa::kFlush;
        }
      }
    }
    if (Isa::kFlush != 0) flush(sums, totals);
    for (int64_t o = 0; o < smaller(kTileOutputs, block.outputs - first); ++o) {
      for (int v = 0; v < vectors; ++v) {
        const int64_t at = position + v * Isa::kLanes;
        if (at >= end) break;
        Isa::store(Isa::kFlush != 0 ? totals[o][v] : sums[o][v], Isa::kZeroPoint != 0 ? 128 * block.sums[first + o] : 0,
                   block.factor[first + o], block.bias[first + o], block.relu,
                   block.y + (first + o) * block.positions + at, end - at);
      }
    }
  }

  template <int vectors>
  static void clear(typename Isa::Int (&sums)[kTileOutputs][vectors]) {
#pragma GCC unroll 8
    for (int o = 0; o < kTileOutputs; ++o) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[o][v] = Isa::zero();
    }
  }

  template <int vectors>
  static void flush(typename Isa::Int (&sums)[kTileOutputs][vectors],
                    typename Isa::Int (&totals)[kTileOutputs][vectors]) {
#pragma GCC unroll 8
    for (int o = 0; o < kTileOutputs; ++o) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) totals[o][v] = Isa::widen_and_add(totals[o][v], sums[o][v]);
    }
    clear(sums);
  }

  ConvWeights w_;
  Int8Shape shape_;
  Weights weights_;
};

/// Rows of weights are read where they lie in the file.
template <class Isa>
class Int8Linear final : public LinearKernel {
 public:
  explicit Int8Linear(const LinearWeights& weights) : w_(weights), sums_(weights.outputs) {
    for (int64_t o = 0; o < w_.outputs; ++o) {
      int32_t sum = 0;
      for (int64_t k = 0; k < w_.inputs; ++k) sum += row(o)[k];
      sums_.data()[o] = static_cast<uint32_t>(sum);
    }
  }

  size_t scratch_bytes(int64_t rows) const override {
    return static_cast<size_t>(steps_bytes(rows) + rows * row_bytes());
  }

  void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const override {
    auto* steps = static_cast<float*>(operands.scratch);
    uint8_t* q = static_cast<uint8_t*>(operands.scratch) + steps_bytes(rows);
    parallel_for(executor, rows, [&](int64_t r) {
      const float* x = operands.x + r * w_.inputs;
      const float found = Isa::largest(x, w_.inputs);
      const float most = found > 1e-30f ? found : 1e-30f;
      steps[r] = most / 127;
      Isa::quantize_row(x, w_.inputs, 127 / most, q + r * row_bytes());
    });
    const int64_t chunk = larger(kOutputs, kTaskProducts / (w_.inputs * rows) / kOutputs * kOutputs);
    parallel_chunks(executor, w_.outputs, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; o += kOutputs) {
        for (int64_t r = 0; r < rows; ++r) multiply(operands, r, steps[r], q + r * row_bytes(), o, end);
      }
    });
  }

 private:
  static constexpr int64_t kOutputs = 4;
  static constexpr int64_t kTaskProducts = int64_t{1} << 19;

  const int8_t* row(int64_t o) const { return reinterpret_cast<const int8_t*>(w_.packed) + o * w_.inputs; }
  int64_t row_bytes() const { return round_up(w_.inputs, 64); }
  static int64_t steps_bytes(int64_t rows) { return round_up(rows * static_cast<int64_t>(sizeof(float)), 64); }

  void multiply(const LinearOperands& operands, int64_t r, float step, const uint8_t* q, int64_t first,
                int64_t end) const {
    const int8_t* weights[kOutputs];
    int32_t sums[kOutputs];
    for (int64_t i = 0; i < kOutputs; ++i) weights[i] = row(smaller(first + i, end - 1));
    Isa::multiply_rows(weights, q, w_.inputs, sums);
    for (int64_t i = 0; i < smaller(kOutputs, end - first); ++i) {
      const int64_t o = first + i;
      const int32_t offset = Isa::kZeroPoint != 0 ? 128 * static_cast<int32_t>(sums_.data()[o]) : 0;
      const float factor = operands.scale[o] * step;
      // The correction may pass 32 bits where the sum does not: unsigned arithmetic wraps round.
      const auto sum = static_cast<int32_t>(static_cast<uint32_t>(sums[i]) - static_cast<uint32_t>(offset));
      const float product = factor * static_cast<float>(sum);
      operands.y[r * w_.outputs + o] = product + operands.bias[o];
    }
  }

  LinearWeights w_;
  AlignedWords sums_;
};

}  // namespace
}  // namespace edgenet::x86
