#include <vector>

#include "kernels/parallel.h"
#include "kernels/scalar/bits.h"
#include "kernels/scalar/scalar.h"

namespace edgenet::scalar {
namespace {

constexpr int64_t kOutputsPerTask = 16;

class XnorLinear final : public LinearKernel {
 public:
  explicit XnorLinear(const LinearWeights& weights)
      : outputs_(weights.outputs), inputs_(weights.inputs), row_words_(words(inputs_)), rows_(outputs_ * row_words_) {
    for (int64_t o = 0; o < outputs_; ++o) {
      widen_row(weights.packed + o * ((inputs_ + 7) / 8), inputs_, &rows_[o * row_words_]);
    }
  }

  size_t scratch_bytes(int64_t rows) const override {
    return static_cast<size_t>(rows * row_words_) * sizeof(uint64_t);
  }

  void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const override {
    auto* signs = static_cast<uint64_t*>(operands.scratch);
    parallel_for(executor, rows, [&](int64_t row) {
      binarize_row(operands.x + row * inputs_, operands.threshold, inputs_, signs + row * row_words_);
    });
    parallel_chunks(executor, outputs_, kOutputsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t o = begin; o < end; ++o) {
          const int64_t differing = count_differing(signs + row * row_words_, &rows_[o * row_words_], row_words_);
          operands.y[row * outputs_ + o] = scaled(operands.scale[o], inputs_ - 2 * differing, operands.bias[o]);
        }
      }
    });
  }

 private:
  int64_t outputs_, inputs_, row_words_;
  std::vector<uint64_t> rows_;  ///< [outputs, row_words]
};

class BwnLinear final : public LinearKernel {
 public:
  explicit BwnLinear(const LinearWeights& weights) : w_(weights) {}

  size_t scratch_bytes(int64_t) const override { return 0; }

  void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const override {
    parallel_chunks(executor, w_.outputs, kOutputsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t row = 0; row < rows; ++row) {
        const float* x = operands.x + row * w_.inputs;
        for (int64_t o = begin; o < end; ++o) {
          const uint8_t* packed = w_.packed + o * ((w_.inputs + 7) / 8);
          double sum = 0;
          for (int64_t k = 0; k < w_.inputs; ++k) sum += packed_bit(packed, k) ? double{x[k]} : -double{x[k]};
          const float product = operands.scale[o] * static_cast<float>(sum);
          operands.y[row * w_.outputs + o] = product + operands.bias[o];
        }
      }
    });
  }

 private:
  LinearWeights w_;
};

}  // namespace

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  return std::make_unique<XnorLinear>(weights);
}

std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights) {
  return std::make_unique<BwnLinear>(weights);
}

}  // namespace edgenet::scalar
