// XnorLstm, BwnLstm, XnorGru and BwnGru of SPEC.md over a whole sequence: a step is a linear layer over the last hidden
// state, all gates at once, then the cell, a vector of units at a time.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/x86/recurrent_step.h"
#include "kernels/x86/tanh.h"

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

  static const float* addends(int64_t, const float* u, const float*, int64_t, float*) { return u; }

  static void run(const CellRow& row, int64_t size) {
    for (int64_t j = 0; j < size; j += Simd::kLanes) {
      const int64_t count = smaller(Simd::kLanes, size - j);
      const auto gate = [&](int64_t g) { return Simd::load_first(row.gates + g * size + j, count); };
      const auto kept = Simd::multiply(Gates::s(gate(1)), Simd::load_first(row.last_cell + j, count));
      const auto added = Simd::multiply(Gates::s(gate(0)), Gates::k(gate(2)));
      Simd::store_first(row.cell + j, Simd::add(kept, added), count);
    }
    // A loop of its own: units side by side hide the latency of the functions, not one unit's chain of them.
    for (int64_t j = 0; j < size; j += Simd::kLanes) {
      const int64_t count = smaller(Simd::kLanes, size - j);
      const auto opened = Gates::s(Simd::load_first(row.gates + 3 * size + j, count));
      const auto cell = Simd::load_first(row.cell + j, count);
      Simd::store_first(row.h + j, Simd::multiply(opened, Gates::k(cell)), count);
    }
  }
};

template <class Simd, class Gates>
struct GruCell {
  static constexpr int64_t kGates = 3;
  static constexpr bool kHasCell = false;

  /// u of the first two gates and the bias of the third, whose u comes after the reset.
  static const float* addends(int64_t rows, const float* u, const float* bias, int64_t size, float* memory) {
    const auto state_bytes = static_cast<size_t>(size) * sizeof(float);
    for (int64_t row = 0; row < rows; ++row) {
      float* to = memory + row * kGates * size;
      std::memcpy(to, u + row * kGates * size, 2 * state_bytes);
      std::memcpy(to + 2 * size, bias, state_bytes);
    }
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

template <class Step, class Cell>
class GatedRecurrence final : public RecurrenceKernel {
 public:
  explicit GatedRecurrence(const LinearWeights& weights)
      : size_(weights.inputs), gate_values_(Cell::kGates * size_), step_(weights) {}

  size_t scratch_bytes(int64_t batch) const override {
    return static_cast<size_t>(round_up(step_.sequence_bytes(), 64) + batch * row_bytes());
  }

  void run(int64_t steps, int64_t batch, const RecurrenceOperands& operands, const Executor& executor) const override {
    auto* memory = static_cast<uint8_t*>(operands.scratch);
    const uint8_t* sequence = step_.begin_sequence(steps * batch, memory);
    memory += round_up(step_.sequence_bytes(), 64);
    const int64_t row_products = steps * gate_values_ * size_;
    parallel_work(executor, batch, row_products, Step::kTaskProducts, Step::kGroup, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += Step::kGroup) {
        const Group group{first, smaller(Step::kGroup, end - first), batch, sequence, memory + first * row_bytes()};
        for (int64_t t = 0; t < steps; ++t) run_step(t, group, operands, executor);
      }
    });
  }

 private:
  /// Rows of the batch that share every load of weights.
  struct Group {
    int64_t first, rows, batch;
    const uint8_t* sequence;
    uint8_t* memory;
  };

  /// A row's gate values, or their addends, on cache lines of their own.
  int64_t value_bytes() const { return round_up(gate_values_ * static_cast<int64_t>(sizeof(float)), 64); }
  int64_t row_bytes() const { return round_up(step_.row_bytes(), 64) + 2 * value_bytes(); }

  void run_step(int64_t t, const Group& group, const RecurrenceOperands& operands, const Executor& executor) const {
    const int64_t at = t * group.batch + group.first;
    const float* u = operands.u + at * gate_values_;
    const float* previous = t == 0 ? operands.initial + group.first * size_ : operands.y + (at - group.batch) * size_;
    const float* gates = multiply(group, u, previous, operands, executor);
    for (int64_t row = 0; row < group.rows; ++row) {
      CellRow cell{gates + row * gate_values_,     u + row * gate_values_, previous + row * size_, nullptr, nullptr,
                   operands.y + (at + row) * size_};
      if (Cell::kHasCell) {
        const int64_t state = (group.first + row) * size_;
        cell.last_cell = (t == 0 ? operands.initial_cell : operands.final_cell) + state;
        cell.cell = operands.final_cell + state;
      }
      Cell::run(cell, size_);
    }
  }

  /// The gate values of a step.
  const float* multiply(const Group& group, const float* u, const float* previous, const RecurrenceOperands& operands,
                        const Executor& executor) const {
    auto* gates = reinterpret_cast<float*>(group.memory);
    float* addends = gates + group.rows * gate_values_;
    uint8_t* activations = group.memory + group.rows * 2 * value_bytes();
    for (int64_t row = 0; row < group.rows; ++row) {
      step_.prepare(previous + row * size_, operands.threshold, activations + row * step_.row_bytes());
    }
    const float* addend = Cell::addends(group.rows, u, operands.bias, size_, addends);
    const auto run_pieces = [&](int64_t begin, int64_t end) {
      step_.run(group.sequence, group.rows, activations, begin, end, operands.scale, addend, gate_values_, gates);
    };
    if (group.batch > 1) {
      run_pieces(0, step_.pieces());
    } else {
      // The one state of a large layer is split over its outputs.
      parallel_work(executor, step_.pieces(), Step::kPiece * size_, Step::kTaskProducts, 1, run_pieces);
    }
    return gates;
  }

  int64_t size_, gate_values_;
  Step step_;
};

template <class Simd, class Step>
using XnorLstm = GatedRecurrence<Step, LstmCell<Simd, HardGates<Simd>>>;
template <class Simd, class Step>
using XnorGru = GatedRecurrence<Step, GruCell<Simd, HardGates<Simd>>>;
template <class Simd, class Step>
using BwnLstm = GatedRecurrence<Step, LstmCell<Simd, SmoothGates<Simd>>>;
template <class Simd, class Step>
using BwnGru = GatedRecurrence<Step, GruCell<Simd, SmoothGates<Simd>>>;

}  // namespace
}  // namespace edgenet::x86
