// Rows of float activations times packed rows of weights, by look-up.
#pragma once
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/lookup.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Simd>
class LookupRows {
  using Weights = LookupWeights<Simd>;

 public:
  static constexpr int64_t kRows = Simd::kPositions;  ///< whose tables stand side by side
  static constexpr int64_t kBlock = Weights::kBlock;  ///< outputs of a block
  int64_t rows_at_once() const { return kRows; }

  explicit LookupRows(const LinearWeights& weights)
      : outputs_(weights.outputs),
        inputs_(weights.inputs),
        weights_(1, outputs_, 1, fields(), [&](int64_t output, int64_t, int64_t field, int64_t count) {
          const int64_t first = field * Simd::kGroup;
          const uint8_t* row = weights.packed + output * ((inputs_ + 7) / 8);
          return read_bits(row, first, smaller(count * Simd::kGroup, inputs_ - first));
        }) {}

  int64_t blocks() const { return weights_.blocks(); }
  int64_t table_bytes() const { return table_floats() * static_cast<int64_t>(sizeof(float)); }

  void make_tables(const float* x, uint8_t* memory) const {
    auto* tables = reinterpret_cast<float*>(memory);
    const int64_t full = inputs_ / Simd::kGroup;
    for (int64_t field = 0; field < full; ++field) {
      float group[Simd::kGroup];
      for (int i = 0; i < Simd::kGroup; ++i) group[i] = x[field * Simd::kGroup + i];
      Simd::store(tables + field * Weights::kEntries, Simd::make_table(group));
    }
    if (full == fields()) return;
    float group[Simd::kGroup] = {};
    for (int64_t i = full * Simd::kGroup; i < inputs_; ++i) group[i - full * Simd::kGroup] = x[i];
    Simd::store(tables + full * Weights::kEntries, Simd::make_table(group));
  }

  /// y[r, o] = scale[o] * sum + addend[r, o] for r in [0, rows), rows at most kRows, and blocks of outputs
  /// [begin, end). Tables of row r start at tables + r * table_bytes(); rows of y have stride `outputs`, those of
  /// addend `addend_stride`, which is 0 for a bias.
  void run(int64_t rows, const uint8_t* tables, int64_t begin, int64_t end, const float* scale, const float* addend,
           int64_t addend_stride, float* y) const {
    const float* row_tables[Simd::kPositions];
    for (int64_t r = 0; r < rows; ++r) {
      row_tables[r] = reinterpret_cast<const float*>(tables) + r * table_floats();
    }
    const typename Weights::Tables all{row_tables, 0};
    const typename Weights::Range range{0, 1, 0, fields()};
    for (int64_t block = begin; block < end;) {
      alignas(64) float sums[Simd::kPositions * Weights::kBlock] = {};
      const bool pair = rows == 1 && block + 1 < end && weights_.block_outputs(block + 1) == Weights::kBlock;
      if (pair) {
        weights_.add_pair(0, block, range, all, sums);
      } else {
        weights_.add(0, block, range, static_cast<int>(rows), all, sums);
      }
      const int64_t first = block * Weights::kBlock;
      const int64_t count = pair ? 2 * Weights::kBlock : weights_.block_outputs(block);
      for (int64_t r = 0; r < rows; ++r) {
        finish(sums + r * Weights::kBlock, first, count, scale, addend + r * addend_stride, y + r * outputs_);
      }
      block += pair ? 2 : 1;
    }
  }

 private:
  static void finish(const float* sums, int64_t first, int64_t count, const float* scale, const float* addend,
                     float* y) {
    for (int64_t i = 0; i < count; i += Simd::kLanes) {
      const int64_t o = first + i;
      const int64_t lanes = smaller(Simd::kLanes, count - i);
      const auto start = Simd::load_first(addend + o, lanes);
      const auto sum = Simd::multiply_add(Simd::load_first(scale + o, lanes), Simd::load(sums + i), start);
      Simd::store_first(y + o, sum, lanes);
    }
  }

  int64_t table_floats() const { return fields() * Weights::kEntries; }
  int64_t fields() const { return (inputs_ + Simd::kGroup - 1) / Simd::kGroup; }

  int64_t outputs_, inputs_;
  Weights weights_;
};

}  // namespace
}  // namespace edgenet::x86
