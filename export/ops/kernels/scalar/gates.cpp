#include <cmath>
#include <cstring>

#include "kernels/scalar/scalar.h"

namespace edgenet::scalar {
namespace {

/// s and k of the XNOR cells: exact on every path. A NaN fails every comparison and so is handed on.
struct HardGates {
  static float s(float a) {
    const float value = a / 4.0f + 0.5f;
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
  }
  static float k(float a) { return a < -1.0f ? -1.0f : a > 1.0f ? 1.0f : a; }
};

/// s and k of the binary-weight cells.
struct SmoothGates {
  static float s(float a) { return 1.0f / (1.0f + std::exp(-a)); }
  static float k(float a) { return std::tanh(a); }
};

/// Gate pre-activations of one row at a time: a linear layer over the last hidden state.
class GatedRecurrence : public RecurrenceKernel {
 public:
  size_t scratch_bytes(int64_t) const override {
    return linear_->scratch_bytes(1) + static_cast<size_t>(2 * gate_values_) * sizeof(float);
  }

  void run(int64_t steps, int64_t batch, const RecurrenceOperands& operands, const Executor& executor) const override {
    for (int64_t step = 0; step < steps; ++step) {
      const float* previous = step == 0 ? operands.initial : operands.y + (step - 1) * batch * size_;
      for (int64_t row = 0; row < batch; ++row) {
        const int64_t at = step * batch + row;
        run_row(step == 0, row, operands.u + at * gate_values_, previous + row * size_, operands.y + at * size_,
                operands, executor);
      }
    }
  }

 protected:
  GatedRecurrence(const LinearWeights& weights, std::unique_ptr<LinearKernel> linear)
      : size_(weights.inputs), gate_values_(weights.outputs), linear_(std::move(linear)) {}

  virtual void run_row(bool first_step, int64_t row, const float* u, const float* previous, float* h,
                       const RecurrenceOperands& operands, const Executor& executor) const = 0;

  /// scale * dot + addend [gates * H], in scratch.
  const float* gate_values(const float* previous, const float* addend, const RecurrenceOperands& operands,
                           const Executor& executor) const {
    float* values = gate_scratch(operands);
    const LinearOperands linear = {previous, operands.threshold, operands.scale, addend, values, operands.scratch};
    linear_->run(1, linear, executor);
    return values;
  }

  /// Room for gates * H floats beside gate_values().
  float* addend_scratch(const RecurrenceOperands& operands) const { return gate_scratch(operands) + gate_values_; }

  int64_t size_, gate_values_;

 private:
  float* gate_scratch(const RecurrenceOperands& operands) const {
    return static_cast<float*>(operands.scratch) + linear_->scratch_bytes(1) / sizeof(float);
  }

  std::unique_ptr<LinearKernel> linear_;
};

template <class Gates>
class Lstm final : public GatedRecurrence {
 public:
  Lstm(const LinearWeights& weights, std::unique_ptr<LinearKernel> linear)
      : GatedRecurrence(weights, std::move(linear)) {}

 protected:
  void run_row(bool first_step, int64_t row, const float* u, const float* previous, float* h,
               const RecurrenceOperands& operands, const Executor& executor) const override {
    const float* input = gate_values(previous, u, operands, executor);
    const float *forget = input + size_, *cell_input = forget + size_, *output = cell_input + size_;
    const float* last_cell = (first_step ? operands.initial_cell : operands.final_cell) + row * size_;
    float* cell = operands.final_cell + row * size_;
    for (int64_t j = 0; j < size_; ++j) {
      const float kept = Gates::s(forget[j]) * last_cell[j];
      const float added = Gates::s(input[j]) * Gates::k(cell_input[j]);
      cell[j] = kept + added;
      h[j] = Gates::s(output[j]) * Gates::k(cell[j]);
    }
  }
};

template <class Gates>
class Gru final : public GatedRecurrence {
 public:
  Gru(const LinearWeights& weights, std::unique_ptr<LinearKernel> linear)
      : GatedRecurrence(weights, std::move(linear)) {}

 protected:
  void run_row(bool, int64_t, const float* u, const float* previous, float* h, const RecurrenceOperands& operands,
               const Executor& executor) const override {
    float* addend = addend_scratch(operands);
    const auto state_bytes = static_cast<size_t>(size_) * sizeof(float);
    std::memcpy(addend, u, 2 * state_bytes);
    std::memcpy(addend + 2 * size_, operands.bias, state_bytes);
    const float* reset = gate_values(previous, addend, operands, executor);
    const float *update = reset + size_, *candidate = update + size_, *candidate_u = u + 2 * size_;
    for (int64_t j = 0; j < size_; ++j) {
      const float recalled = Gates::s(reset[j]) * candidate[j];
      const float proposed = Gates::k(recalled + candidate_u[j]);
      const float share = Gates::s(update[j]);
      const float fresh = (1.0f - share) * proposed;
      const float kept = share * previous[j];
      h[j] = fresh + kept;
    }
  }
};

}  // namespace

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights) {
  return std::make_unique<Lstm<HardGates>>(weights, make_xnor_linear(weights));
}

std::unique_ptr<RecurrenceKernel> make_bwn_lstm(const LinearWeights& weights) {
  return std::make_unique<Lstm<SmoothGates>>(weights, make_bwn_linear(weights));
}

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights) {
  return std::make_unique<Gru<HardGates>>(weights, make_xnor_linear(weights));
}

std::unique_ptr<RecurrenceKernel> make_bwn_gru(const LinearWeights& weights) {
  return std::make_unique<Gru<SmoothGates>>(weights, make_bwn_linear(weights));
}

}  // namespace edgenet::scalar
