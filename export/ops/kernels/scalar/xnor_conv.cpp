#include <vector>

#include "kernels/parallel.h"
#include "kernels/scalar/bits.h"
#include "kernels/scalar/scalar.h"

namespace edgenet::scalar {
namespace {

/// Pixels hold the signs of a group's channels as words; weights lie likewise, tap by tap.
class XnorConv2d final : public ConvKernel {
 public:
  explicit XnorConv2d(const ConvWeights& weights)
      : w_(weights),
        taps_(w_.kernel_height * w_.kernel_width),
        pixel_words_(words(w_.group_channels)),
        rows_(w_.out_channels * taps_ * pixel_words_) {
    const int64_t row_bytes = (w_.group_channels * taps_ + 7) / 8;
    for (int64_t o = 0; o < w_.out_channels; ++o) {
      for (int64_t c = 0; c < w_.group_channels; ++c) {
        for (int64_t tap = 0; tap < taps_; ++tap) {
          const uint64_t bit = packed_bit(w_.packed + o * row_bytes, c * taps_ + tap);
          rows_[(o * taps_ + tap) * pixel_words_ + c / 64] |= bit << (c % 64);
        }
      }
    }
  }

  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(image.batch * w_.group * image.height * image.width * pixel_words_) * sizeof(uint64_t);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    auto* pixels = static_cast<uint64_t*>(operands.scratch);
    parallel_for(executor, image.batch * w_.group,
                 [&](int64_t plane) { binarize_group(image, operands, plane, pixels); });
    parallel_for(executor, image.batch * w_.out_channels,
                 [&](int64_t plane) { convolve_plane(image, operands, plane, pixels); });
  }

 private:
  void binarize_group(const Image& image, const ConvOperands& operands, int64_t plane, uint64_t* pixels) const {
    const int64_t area = image.height * image.width;
    const int64_t first_channel = plane % w_.group * w_.group_channels;
    const float* x = operands.x + plane * w_.group_channels * area;
    uint64_t* group = pixels + plane * area * pixel_words_;
    for (int64_t i = 0; i < area * pixel_words_; ++i) group[i] = 0;
    for (int64_t c = 0; c < w_.group_channels; ++c) {
      const float threshold = operands.threshold[first_channel + c];
      for (int64_t i = 0; i < area; ++i) {
        group[i * pixel_words_ + c / 64] |= uint64_t{x[c * area + i] >= threshold} << (c % 64);
      }
    }
  }

  void convolve_plane(const Image& image, const ConvOperands& operands, int64_t plane, const uint64_t* pixels) const {
    const int64_t o = plane % w_.out_channels;
    const int64_t group = plane / w_.out_channels * w_.group + o / (w_.out_channels / w_.group);
    const uint64_t* signs = pixels + group * image.height * image.width * pixel_words_;
    float* y = operands.y + plane * image.out_height * image.out_width;
    for (int64_t row = 0; row < image.out_height; ++row) {
      for (int64_t column = 0; column < image.out_width; ++column) {
        *y++ = scaled(operands.scale[o], dot_at(image, signs, o, row, column), operands.bias[o]);
      }
    }
  }

  int64_t dot_at(const Image& image, const uint64_t* signs, int64_t o, int64_t row, int64_t column) const {
    int64_t dot = 0;
    for (int64_t tap = 0; tap < taps_; ++tap) {
      const int64_t y = row * w_.stride_height - w_.pad_top + tap / w_.kernel_width * w_.dilation_height;
      const int64_t x = column * w_.stride_width - w_.pad_left + tap % w_.kernel_width * w_.dilation_width;
      if (y < 0 || y >= image.height || x < 0 || x >= image.width) continue;  // a padded position counts as 0
      dot += w_.group_channels - 2 * count_differing(signs + (y * image.width + x) * pixel_words_,
                                                     &rows_[(o * taps_ + tap) * pixel_words_], pixel_words_);
    }
    return dot;
  }

  ConvWeights w_;
  int64_t taps_, pixel_words_;
  std::vector<uint64_t> rows_;  ///< [out_channels, taps, pixel_words]
};

}  // namespace

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  return std::make_unique<XnorConv2d>(weights);
}

size_t xnor_conv2d_scratch_bytes(const ConvWeights& weights, const Image& image) {
  return XnorConv2d(weights).scratch_bytes(image);
}

void run_xnor_conv2d(const ConvWeights& weights, const Image& image, const ConvOperands& operands,
                     const Executor& executor) {
  XnorConv2d(weights).run(image, operands, executor);
}

}  // namespace edgenet::scalar
