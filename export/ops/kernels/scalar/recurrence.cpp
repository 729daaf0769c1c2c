#include <cmath>

#include "kernels/scalar/scalar.h"

namespace edgenet::scalar {
namespace {

/// One step is a linear layer over the last pre-activation whose bias is the step's input half, a row at a time.
class Recurrence final : public RecurrenceKernel {
 public:
  Recurrence(int64_t size, std::unique_ptr<LinearKernel> linear) : size_(size), linear_(std::move(linear)) {}

  size_t scratch_bytes(int64_t) const override {
    return linear_->scratch_bytes(1) + static_cast<size_t>(size_) * sizeof(float);
  }

  void run(int64_t steps, int64_t batch, const RecurrenceOperands& operands, const Executor& executor) const override {
    for (int64_t step = 0; step < steps; ++step) {
      const float* previous = step == 0 ? operands.initial : operands.y + (step - 1) * batch * size_;
      for (int64_t row = 0; row < batch; ++row) run_row(step * batch + row, previous + row * size_, operands, executor);
    }
  }

 private:
  void run_row(int64_t row, const float* previous, const RecurrenceOperands& operands, const Executor& executor) const {
    LinearOperands step{};
    step.x = previous;
    step.threshold = operands.threshold;
    step.scale = operands.scale;
    step.bias = operands.u + row * size_;
    step.y = operands.y + row * size_;
    step.scratch = operands.scratch;
    if (operands.threshold == nullptr) {
      auto* activation = static_cast<float*>(operands.scratch) + linear_->scratch_bytes(1) / sizeof(float);
      for (int64_t i = 0; i < size_; ++i) activation[i] = std::tanh(previous[i]);
      step.x = activation;
    }
    linear_->run(1, step, executor);
  }

  int64_t size_;
  std::unique_ptr<LinearKernel> linear_;
};

}  // namespace

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return std::make_unique<Recurrence>(weights.outputs, make_xnor_linear(weights));
}

std::unique_ptr<RecurrenceKernel> make_bwn_recurrence(const LinearWeights& weights) {
  return std::make_unique<Recurrence>(weights.outputs, make_bwn_linear(weights));
}

}  // namespace edgenet::scalar
