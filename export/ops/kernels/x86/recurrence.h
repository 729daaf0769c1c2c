// XnorRecurrence and BwnRecurrence of SPEC.md over a whole sequence: the weights stay in the cache from step to step.
#pragma once
#include <cstdint>

#include "kernels/x86/recurrent_step.h"
#include "kernels/x86/tanh.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// What one step of some rows of the batch reads and writes; rows of all three have stride `size`.
struct RecurrenceStep {
  const float *previous, *u;
  float* p;
};

/// Calls step(first_row, rows, RecurrenceStep) in the order of time for every group of at most `group` rows. The groups
/// know nothing of each other, so they run side by side.
template <class Step>
void for_each_step(int64_t steps, int64_t batch, int64_t size, int64_t group, int64_t task_products,
                   const RecurrenceOperands& operands, const Executor& executor, const Step& step) {
  const int64_t row_products = steps * size * size;
  parallel_work(executor, batch, row_products, task_products, group, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += group) {
      const float* previous = operands.initial + first * size;
      for (int64_t t = 0; t < steps; ++t) {
        const int64_t offset = (t * batch + first) * size;
        step(first, smaller(group, end - first), RecurrenceStep{previous, operands.u + offset, operands.y + offset});
        previous = operands.y + offset;
      }
    }
  });
}

template <class Step>
class XnorRecurrence final : public RecurrenceKernel {
 public:
  explicit XnorRecurrence(const LinearWeights& weights) : size_(weights.outputs), step_(weights) {}

  size_t scratch_bytes(int64_t batch) const override {
    return static_cast<size_t>(round_up(step_.sequence_bytes(), 64) + batch * step_.row_bytes());
  }

  void run(int64_t steps, int64_t batch, const RecurrenceOperands& operands, const Executor& executor) const override {
    auto* memory = static_cast<uint8_t*>(operands.scratch);
    const uint8_t* sequence = step_.begin_sequence(steps * batch, memory);
    memory += round_up(step_.sequence_bytes(), 64);
    for_each_step(steps, batch, size_, Step::kGroup, Step::kTaskProducts, operands, executor,
                  [&](int64_t first, int64_t rows, const RecurrenceStep& step) {
                    uint8_t* signs = memory + first * step_.row_bytes();
                    for (int64_t row = 0; row < rows; ++row) {
                      step_.prepare(step.previous + row * size_, operands.threshold, signs + row * step_.row_bytes());
                    }
                    const auto multiply = [&](int64_t begin, int64_t end) {
                      step_.run(sequence, rows, signs, begin, end, operands.scale, step.u, size_, step.p);
                    };
                    if (batch > 1) return multiply(0, step_.pieces());
                    // The one state of a large layer is split over its outputs.
                    parallel_work(executor, step_.pieces(), Step::kPiece * size_, Step::kTaskProducts, 1, multiply);
                  });
  }

 private:
  int64_t size_;
  Step step_;
};

template <class Simd, class Rows>
class BwnRecurrence final : public RecurrenceKernel {
 public:
  explicit BwnRecurrence(const LinearWeights& weights) : size_(weights.outputs), rows_(weights) {}

  size_t scratch_bytes(int64_t batch) const override {
    return static_cast<size_t>(batch * (activation_bytes() + rows_.table_bytes()));
  }

  void run(int64_t steps, int64_t batch, const RecurrenceOperands& operands, const Executor& executor) const override {
    auto* activations = static_cast<uint8_t*>(operands.scratch);
    uint8_t* all_tables = activations + batch * activation_bytes();
    for_each_step(steps, batch, size_, Rows::kRows, kLookupTaskProducts, operands, executor,
                  [&](int64_t first, int64_t rows, const RecurrenceStep& step) {
                    uint8_t* tables = all_tables + first * rows_.table_bytes();
                    for (int64_t row = 0; row < rows; ++row) {
                      auto* activation = reinterpret_cast<float*>(activations + (first + row) * activation_bytes());
                      activate(step.previous + row * size_, activation);
                      rows_.make_tables(activation, tables + row * rows_.table_bytes());
                    }
                    const auto multiply = [&](int64_t begin, int64_t end) {
                      rows_.run(rows, tables, begin, end, operands.scale, step.u, size_, step.p);
                    };
                    if (batch > 1) return multiply(0, rows_.blocks());
                    parallel_work(executor, rows_.blocks(), Rows::kBlock * size_, kLookupTaskProducts, 1, multiply);
                  });
  }

 private:
  int64_t activation_bytes() const { return round_up(size_, 16) * static_cast<int64_t>(sizeof(float)); }

  void activate(const float* p, float* activation) const {
    for (int64_t i = 0; i < size_; i += Simd::kLanes) {
      const int64_t count = smaller(Simd::kLanes, size_ - i);
      Simd::store_first(activation + i, tanh<Simd>(Simd::load_first(p + i, count)), count);
    }
  }

  int64_t size_;
  Rows rows_;
};

}  // namespace
}  // namespace edgenet::x86
