// XnorLinear and BwnLinear of SPEC.md.
#pragma once
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/x86/lookup_rows.h"
#include "kernels/x86/xnor.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// Runs body(begin, end) over [0, count) in pieces of at least `work` operations each, here if that makes one piece.
template <class Body>
void parallel_work(const Executor& executor, int64_t count, int64_t work_each, int64_t work, int64_t multiple,
                   const Body& body) {
  const int64_t chunk = round_up(larger(work / larger(work_each, 1), 1), multiple);
  if (chunk >= count) {
    body(int64_t{0}, count);
  } else {
    parallel_chunks(executor, count, chunk, body);
  }
}

// Some 20 microseconds of work: less is not worth handing to another thread.
constexpr int64_t kXnorTaskProducts = int64_t{1} << 22;
constexpr int64_t kLookupTaskProducts = int64_t{1} << 21;

/// `Step` is one of kernels/x86/recurrent_step.h.
template <class Step>
class XnorLinear final : public LinearKernel {
 public:
  explicit XnorLinear(const LinearWeights& weights) : inputs_(weights.inputs), step_(weights) {}

  size_t scratch_bytes(int64_t rows) const override { return static_cast<size_t>(rows * step_.row_bytes()); }

  void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const override {
    auto* signs = static_cast<uint8_t*>(operands.scratch);
    for (int64_t row = 0; row < rows; ++row) {
      step_.prepare(operands.x + row * inputs_, operands.threshold, signs + row * step_.row_bytes());
    }
    parallel_work(executor, step_.pieces(), rows * inputs_ * Step::kPiece, kXnorTaskProducts, 1,
                  [&](int64_t begin, int64_t end) {
                    step_.run(nullptr, rows, signs, begin, end, operands.scale, operands.bias, 0, operands.y);
                  });
  }

 private:
  int64_t inputs_;
  Step step_;
};

template <class Rows>
class BwnLinear final : public LinearKernel {
 public:
  explicit BwnLinear(const LinearWeights& weights)
      : outputs_(weights.outputs), inputs_(weights.inputs), rows_(weights) {}

  size_t scratch_bytes(int64_t rows) const override {
    return static_cast<size_t>(smaller(rows, rows_.rows_at_once()) * rows_.table_bytes());
  }

  /// A few rows at a time, so that tables take no more than that.
  void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const override {
    auto* tables = static_cast<uint8_t*>(operands.scratch);
    const int64_t at_once = rows_.rows_at_once();
    for (int64_t first = 0; first < rows; first += at_once) {
      const int64_t count = smaller(at_once, rows - first);
      for (int64_t row = 0; row < count; ++row) {
        rows_.make_tables(operands.x + (first + row) * inputs_, tables + row * rows_.table_bytes());
      }
      const int64_t block_products = Rows::kBlock * inputs_ * count;
      parallel_work(executor, rows_.blocks(), block_products, kLookupTaskProducts, 1, [&](int64_t begin, int64_t end) {
        rows_.run(count, tables, begin, end, operands.scale, operands.bias, 0, operands.y + first * outputs_);
      });
    }
  }

 private:
  int64_t outputs_, inputs_;
  Rows rows_;
};

}  // namespace
}  // namespace edgenet::x86
