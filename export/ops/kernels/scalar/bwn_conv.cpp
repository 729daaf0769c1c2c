#include <algorithm>

#include "kernels/parallel.h"
#include "kernels/scalar/bits.h"
#include "kernels/scalar/scalar.h"

namespace edgenet::scalar {
namespace {

class BwnConv2d final : public ConvKernel {
 public:
  explicit BwnConv2d(const ConvWeights& weights) : w_(weights) {}

  /// A row of exact sums for every output plane, which are computed in parallel.
  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(image.batch * w_.out_channels * image.out_width) * sizeof(double);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    auto* sums = static_cast<double*>(operands.scratch);
    parallel_for(executor, image.batch * w_.out_channels, [&](int64_t plane) {
      const int64_t o = plane % w_.out_channels;
      double* row_sums = sums + plane * image.out_width;
      float* y = operands.y + plane * image.out_height * image.out_width;
      for (int64_t row = 0; row < image.out_height; ++row) {
        sum_row(image, operands.x, plane, row, row_sums);
        for (int64_t column = 0; column < image.out_width; ++column) {
          const float product = operands.scale[o] * static_cast<float>(row_sums[column]);
          *y++ = product + operands.bias[o];
        }
      }
    });
  }

 private:
  void sum_row(const Image& image, const float* x, int64_t plane, int64_t row, double* sums) const {
    const int64_t o = plane % w_.out_channels;
    const int64_t group = o / (w_.out_channels / w_.group);
    const float* image_x =
        x + (plane / w_.out_channels * image.channels + group * w_.group_channels) * image.height * image.width;
    const int64_t taps = w_.kernel_height * w_.kernel_width;
    const uint8_t* packed = w_.packed + o * ((w_.group_channels * taps + 7) / 8);
    std::fill(sums, sums + image.out_width, 0.0);
    for (int64_t k = 0; k < w_.group_channels * taps; ++k) {
      const int64_t tap = k % taps;
      const int64_t y = row * w_.stride_height - w_.pad_top + tap / w_.kernel_width * w_.dilation_height;
      if (y < 0 || y >= image.height) continue;
      const float* line = image_x + (k / taps * image.height + y) * image.width;
      const double weight = packed_bit(packed, k) ? 1.0 : -1.0;
      const int64_t offset = tap % w_.kernel_width * w_.dilation_width - w_.pad_left;
      for (int64_t column = 0; column < image.out_width; ++column) {
        const int64_t position = column * w_.stride_width + offset;
        if (position >= 0 && position < image.width) sums[column] += weight * double{line[position]};
      }
    }
  }

  ConvWeights w_;
};

}  // namespace

std::unique_ptr<ConvKernel> make_bwn_conv2d(const ConvWeights& weights) { return std::make_unique<BwnConv2d>(weights); }

}  // namespace edgenet::scalar
