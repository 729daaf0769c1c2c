// XnorLstm, BwnLstm, XnorGru and BwnGru of SPEC.md over a whole sequence: a step is a linear layer over the last hidden
// state, all gates at once, then the cell, a vector of units at a time.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/x86/recurrence.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// s and k of the XNOR cells: every product and sum is rounded, so that all paths agree. A NaN is the second operand.
template <class Simd>
struct HardGates {
  using Float = typename Simd::Float;
  static Float s(Float a) {
    const Float value = Simd::add(Simd::multiply(a, Simd::set(0.25f)), Simd::set(0.5f));
    return Simd::minimum(Simd::set(1), Simd::maximum(Simd::set(0), value));
  }
  static Float k(Float a) { return Simd::minimum(Simd::set(1), Simd::maximum(Simd::set(-1), a)); }
};

/// s and k of the binary-weight cells.
template <class Simd>
struct SmoothGates {
  using Float = typename Simd::Float;
  static Float s(Float a) { return logistic<Simd>(a); }
  static Float k(Float a) { return tanh<Simd>(a); }
};

/// What the cells of one row read and write in one step, every pointer to its own first unit.
struct CellRow {
  const float* gates;  ///< scale * dot + addend, all gates
  const float* u;
  const float* previous;
  const float* last_cell;
  float *cell, *h;
};

template <class Simd, class Gates>
struct LstmCell {
  static constexpr int64_t kGates = 4;
  static constexpr bool kHasCell = true;

  static const float* addend(const float* u, const float*, int64_t, float*) { return u; }

  static void run(const CellRow& row, int64_t size) {
    for (int64_t j = 0; j < size; j += Simd::kLanes) {
      const int64_t count = smaller(Simd::kLanes, size - j);
      const auto gate = [&](int64_t g) { return Simd::load_first(row.gates + g * size + j, count); };
      const auto kept = Simd::multiply(Gates::s(gate(1)), Simd::load_first(row.last_cell + j, count));
      const auto added = Simd::multiply(Gates::s(gate(0)), Gates::k(gate(2)));
      const auto cell = Simd::add(kept, added);
      Simd::store_first(row.cell + j, cell, count);
      Simd::store_first(row.h + j, Simd::multiply(Gates::s(gate(3)), Gates::k(cell)), count);
    }
  }
};

template <class Simd, class Gates>
struct GruCell {
  static constexpr int64_t kGates = 3;
  static constexpr bool kHasCell = false;

  /// u of the first two gates and the bias of the third, whose u comes after the reset.
  static const float* addend(const float* u, const float* bias, int64_t size, float* memory) {
    std::memcpy(memory, u, static_cast<size_t>(2 * size) * sizeof(float));
    std::memcpy(memory + 2 * size, bias, static_cast<size_t>(size) * sizeof(float));
    return memory;
  }

  static void run(const CellRow& row, int64_t size) {
    for (int64_t j = 0; j < size; j += Simd::kLanes) {
      const int64_t count = smaller(Simd::kLanes, size - j);
      const auto gate = [&](int64_t g) { return Simd::load_first(row.gates + g * size + j, count); };
      const auto recalled = Simd::multiply(Gates::s(gate(0)), gate(2));
      const auto proposed = Gates::k(Simd::add(recalled, Simd::load_first(row.u + 2 * size + j, count)));
      const auto share = Gates::s(gate(1));
      const auto fresh = Simd::multiply(Simd::subtract(Simd::set(1), share), proposed);
      const auto kept = Simd::multiply(share, Simd::load_first(row.previous + j, count));
      Simd::store_first(row.h + j, Simd::add(fresh, kept), count);
    }
  }
};

/// The linear half of a step with binary activations.
template <class Simd>
class XnorStep {
 public:
  static constexpr int64_t kGroup = Simd::kXnorRows;
  static constexpr int64_t kTaskProducts = kXnorTaskProducts;
  static constexpr int64_t kPiece = Simd::kLanes;  ///< outputs that threads share out by

  explicit XnorStep(const LinearWeights& weights) : outputs_(weights.outputs), rows_(weights) {}

  int64_t pieces() const { return (outputs_ + kPiece - 1) / kPiece; }
  int64_t row_bytes() const { return rows_.sign_bytes(); }
  void prepare(const float* x, const float* threshold, uint8_t* memory) const { rows_.pack(x, threshold, memory); }
  void run(int64_t rows, const uint8_t* memory, int64_t begin, int64_t end, const float* scale, const float* addend,
           int64_t addend_stride, float* y) const {
    rows_.run(rows, memory, begin * kPiece, smaller(end * kPiece, outputs_), scale, addend, addend_stride, y);
  }

 private:
  int64_t outputs_;
  XnorRows<Simd> rows_;
};

/// The same with float activations.
template <class Simd>
class LookupStep {
 public:
  static constexpr int64_t kGroup = Simd::kPositions;
  static constexpr int64_t kTaskProducts = kLookupTaskProducts;
  static constexpr int64_t kPiece = LookupWeights<Simd>::kBlock;

  explicit LookupStep(const LinearWeights& weights) : rows_(weights) {}

  int64_t pieces() const { return rows_.blocks(); }
  int64_t row_bytes() const { return rows_.table_floats() * static_cast<int64_t>(sizeof(float)); }
  void prepare(const float* x, const float*, uint8_t* memory) const {
    rows_.make_tables(x, reinterpret_cast<float*>(memory));
  }
  void run(int64_t rows, const uint8_t* memory, int64_t begin, int64_t end, const float* scale, const float* addend,
           int64_t addend_stride, float* y) const {
    rows_.run(static_cast<int>(rows), reinterpret_cast<const float*>(memory), begin, end, scale, addend, addend_stride,
              y);
  }

 private:
  LookupRows<Simd> rows_;
};

template <class Step, class Cell>
class GatedRecurrence final : public RecurrenceKernel {
 public:
  explicit GatedRecurrence(const LinearWeights& weights)
      : size_(weights.inputs), gate_values_(Cell::kGates * size_), step_(weights) {}

  size_t scratch_bytes(int64_t batch) const override {
    return static_cast<size_t>(batch * (step_.row_bytes() + 2 * value_bytes()));
  }

  void run(int64_t steps, int64_t batch, const RecurrenceOperands& operands, const Executor& executor) const override {
    const int64_t row_products = steps * gate_values_ * size_;
    parallel_work(executor, batch, row_products, Step::kTaskProducts, Step::kGroup, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += Step::kGroup) {
        const Rows rows{first, smaller(Step::kGroup, end - first), batch};
        for (int64_t t = 0; t < steps; ++t) run_step(t, rows, operands, executor);
      }
    });
  }

 private:
  struct Rows {
    int64_t first, count, batch;
  };

  /// A row's gate values, on cache lines of its own.
  int64_t value_bytes() const { return round_up(gate_values_ * static_cast<int64_t>(sizeof(float)), 64); }

  void run_step(int64_t t, const Rows& rows, const RecurrenceOperands& operands, const Executor& executor) const {
    auto* activations = static_cast<uint8_t*>(operands.scratch) + rows.first * step_.row_bytes();
    auto* memory = static_cast<uint8_t*>(operands.scratch) + rows.batch * step_.row_bytes();
    auto* addends = reinterpret_cast<float*>(memory + rows.first * 2 * value_bytes());
    auto* gates = addends + rows.count * gate_values_;
    const int64_t at = t * rows.batch + rows.first;
    const float* u = operands.u + at * gate_values_;
    const float* previous =
        (t == 0 ? operands.initial : operands.y - rows.batch * size_ + t * rows.batch * size_) + rows.first * size_;
    const float* addend = u;
    for (int64_t row = 0; row < rows.count; ++row) {
      step_.prepare(previous + row * size_, operands.threshold, activations + row * step_.row_bytes());
      const float* row_addend =
          Cell::addend(u + row * gate_values_, operands.bias, size_, addends + row * gate_values_);
      if (row == 0) addend = row_addend;
    }
    const auto multiply = [&](int64_t begin, int64_t end) {
      step_.run(rows.count, activations, begin, end, operands.scale, addend, gate_values_, gates);
    };
    if (rows.batch > 1) {
      multiply(0, step_.pieces());
    } else {
      // The one state of a large layer is split over its outputs.
      parallel_work(executor, step_.pieces(), Step::kPiece * size_, Step::kTaskProducts, 1, multiply);
    }
    for (int64_t row = 0; row < rows.count; ++row) {
      const int64_t state = (rows.first + row) * size_;
      const float* last_cell = t == 0 ? operands.initial_cell : operands.final_cell;
      CellRow cell{gates + row * gate_values_,     u + row * gate_values_, previous + row * size_, nullptr, nullptr,
                   operands.y + (at + row) * size_};
      if (Cell::kHasCell) {
        cell.last_cell = last_cell + state;
        cell.cell = operands.final_cell + state;
      }
      Cell::run(cell, size_);
    }
  }

  int64_t size_, gate_values_;
  Step step_;
};

template <class Simd>
using XnorLstm = GatedRecurrence<XnorStep<Simd>, LstmCell<Simd, HardGates<Simd>>>;
template <class Simd>
using XnorGru = GatedRecurrence<XnorStep<Simd>, GruCell<Simd, HardGates<Simd>>>;
template <class Simd>
using BwnLstm = GatedRecurrence<LookupStep<Simd>, LstmCell<Simd, SmoothGates<Simd>>>;
template <class Simd>
using BwnGru = GatedRecurrence<LookupStep<Simd>, GruCell<Simd, SmoothGates<Simd>>>;

}  // namespace
}  // namespace edgenet::x86
