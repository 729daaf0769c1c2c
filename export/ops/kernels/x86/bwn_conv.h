// BwnConv2d of SPEC.md by look-up of floats: a field is kGroup channels of one position.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/x86/lookup.h"
#include "kernels/x86/slab_conv.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Simd>
class FloatFields {
  using Weights = LookupWeights<Simd>;
  using Float = typename Simd::Float;
  static constexpr int64_t kEntries = Weights::kEntries;

 public:
  using Shape = ConvFields<Simd::kGroup>;
  static constexpr int64_t kBlock = Weights::kBlock;  ///< outputs summed side by side
  static constexpr int kTilePixels = Simd::kPositions;
  static constexpr int64_t kBlockPixels = 10 * kTilePixels;
  static constexpr int64_t kFirst = Simd::kFields;  ///< a multiple of this is the first field of a range

  struct Form {
    int64_t fields;

    int64_t position_floats() const { return column_floats(); }
    int64_t column_floats() const { return fields * kEntries; }
    static Float finish(Float sum, int64_t /*unit*/, Float scale, Float bias) {
      return Simd::multiply_add(sum, scale, bias);
    }
  };

  /// Half of a usual L2 cache; some 30 microseconds.
  static SlabSize slab_size(const ConvWeights& /*w*/) { return {512 * 1024, int64_t{1} << 22}; }

  explicit FloatFields(const ConvWeights& w)
      : shape_(w),
        weights_(w.group, w.out_channels / w.group, shape_.runs, shape_.run_fields,
                 [&](int64_t output, int64_t run, int64_t field, int64_t count) {
                   return shape_.bits(output, run, field, count);
                 }) {}

  const Shape& shape() const { return shape_; }
  int64_t blocks() const { return weights_.blocks(); }
  int64_t block_outputs(int64_t block) const { return weights_.block_outputs(block); }

  /// Columns [begin, end) of a row of tables become those of padding.
  static void fill_zeros(const Form& form, const ConvAxis& /*axis*/, int64_t begin, int64_t end, float* tables) {
    std::memset(tables + begin * form.column_floats(), 0,
                static_cast<size_t>((end - begin) * form.column_floats()) * sizeof(float));
  }

  void make_row(const Form& form, const ConvAxis& axis, int64_t /*unit*/, const float* line, int64_t plane,
                float* tables) const {
    const int64_t column_floats = form.column_floats();
    const int64_t begin = axis.first_inside();
    const int64_t end = axis.end_inside();
    fill_zeros(form, axis, 0, begin, tables);
    fill_zeros(form, axis, end, axis.tables(), tables);
    // Part by part, so that the cache lines of x that several columns share stay in the L1 cache.
    constexpr int64_t kColumns = 16, kFields = 16;
    for (int64_t column = begin; column < end; column += kColumns) {
      for (int64_t field = 0; field < form.fields; field += kFields) {
        for (int64_t c = column; c < smaller(column + kColumns, end); ++c) {
          const float* position = line + axis.input(c);
          for (int64_t f = field; f < smaller(field + kFields, form.fields); ++f) {
            make_table(position + f * Simd::kGroup * plane, plane, shape_.weights.group_channels - f * Simd::kGroup,
                       tables + c * column_floats + f * kEntries);
          }
        }
      }
    }
  }

  void add(const Form& /*form*/, int64_t /*columns*/, int64_t group, int64_t block, const FieldRange& range, int pixels,
           const TablePointers& tables, float* sums) const {
    weights_.add(group, block, {range.run, range.runs, range.begin, range.end}, pixels, {tables.tables, tables.stride},
                 sums);
  }

 private:
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

  Shape shape_;
  Weights weights_;
};

template <class Simd>
class BwnConv2d final : public ConvKernel {
 public:
  explicit BwnConv2d(const ConvWeights& weights) : conv_(weights), form_{conv_.fields().shape().fields} {}

  size_t scratch_bytes(const Image& image) const override { return conv_.scratch_bytes(image, form_); }
  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    conv_.run(image, operands, executor, form_);
  }

 private:
  SlabConv<Simd, FloatFields<Simd>> conv_;
  typename FloatFields<Simd>::Form form_;
};

}  // namespace
}  // namespace edgenet::x86
