// The linear half of one step of a recurrent layer, as the recurrences see it: activations are prepared row by row,
// then pieces of the outputs are run.
#pragma once
#include <cstdint>

#include "kernels/x86/linear.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// The linear half of a step with binary activations.
template <class Simd>
class XnorStep {
 public:
  static constexpr int64_t kGroup = Simd::kXnorRows;
  static constexpr int64_t kTaskProducts = kXnorTaskProducts;
  static constexpr int64_t kPiece = Simd::kLanes;  ///< outputs that threads share out by

  explicit XnorStep(const LinearWeights& weights) : outputs_(weights.outputs), rows_(weights) {}

  int64_t pieces() const { return (outputs_ + kPiece - 1) / kPiece; }
  int64_t sequence_bytes() const { return 0; }
  const uint8_t* begin_sequence(int64_t, uint8_t*) const { return nullptr; }
  int64_t row_bytes() const { return rows_.sign_bytes(); }
  void prepare(const float* x, const float* threshold, uint8_t* memory) const { rows_.pack(x, threshold, memory); }
  void run(const uint8_t* /*sequence*/, int64_t rows, const uint8_t* memory, int64_t begin, int64_t end,
           const float* scale, const float* addend, int64_t addend_stride, float* y) const {
    rows_.run(rows, memory, begin * kPiece, smaller(end * kPiece, outputs_), scale, addend, addend_stride, y);
  }

 private:
  int64_t outputs_;
  XnorRows<Simd> rows_;
};

/// The same with float activations, whose tables `Rows` makes.
template <class Rows>
class LookupStep {
 public:
  static constexpr int64_t kGroup = Rows::kRows;
  static constexpr int64_t kTaskProducts = kLookupTaskProducts;
  static constexpr int64_t kPiece = Rows::kBlock;

  explicit LookupStep(const LinearWeights& weights) : rows_(weights) {}

  int64_t pieces() const { return rows_.blocks(); }
  int64_t sequence_bytes() const { return 0; }
  const uint8_t* begin_sequence(int64_t, uint8_t*) const { return nullptr; }
  int64_t row_bytes() const { return rows_.table_bytes(); }
  void prepare(const float* x, const float*, uint8_t* memory) const { rows_.make_tables(x, memory); }
  void run(const uint8_t* /*sequence*/, int64_t rows, const uint8_t* memory, int64_t begin, int64_t end,
           const float* scale, const float* addend, int64_t addend_stride, float* y) const {
    rows_.run(rows, memory, begin, end, scale, addend, addend_stride, y);
  }

 private:
  Rows rows_;
};

}  // namespace
}  // namespace edgenet::x86
