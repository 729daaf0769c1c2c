#include <algorithm>
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
    parallel_for(executor, image.batch * w_.group, [&](int64_t unit) { pack_group(image, operands, unit, pixels); });
    const int64_t octets = (w_.out_channels + 7) / 8;
    parallel_for(executor, image.batch * octets,
                 [&](int64_t index) { convolve_octet(image, operands, index / octets, index % octets, pixels); });
  }

 private:
  void pack_group(const Image& image, const ConvOperands& operands, int64_t unit, uint64_t* pixels) const {
    const int64_t area = image.height * image.width;
    const int64_t first = unit % w_.group * w_.group_channels;
    uint64_t* group = pixels + unit * area * pixel_words_;
    for (int64_t i = 0; i < area * pixel_words_; ++i) group[i] = 0;
    for (int64_t c = 0; c < w_.group_channels; ++c) {
      for (int64_t i = 0; i < area; ++i) {
        const bool sign = sign_at(image, operands, unit / w_.group, first + c, i);
        group[i * pixel_words_ + c / 64] |= uint64_t{sign} << (c % 64);
      }
    }
  }

  bool sign_at(const Image& image, const ConvOperands& operands, int64_t sample, int64_t channel, int64_t i) const {
    const int64_t area = image.height * image.width;
    if (w_.form.from_signs) {
      const int64_t planes = (image.channels + 7) / 8;
      return operands.signs[(sample * planes + channel / 8) * area + i] >> (channel % 8) & 1;
    }
    return operands.x[(sample * image.channels + channel) * area + i] >= operands.threshold[channel];
  }

  /// 8 output channels of one sample: a byte of packed signs, if that is what goes out.
  void convolve_octet(const Image& image, const ConvOperands& operands, int64_t sample, int64_t octet,
                      const uint64_t* pixels) const {
    const int64_t outputs = image.out_height * image.out_width;
    uint8_t* signs = operands.y_signs + (sample * ((w_.out_channels + 7) / 8) + octet) * outputs;
    if (w_.form.to_signs) std::fill(signs, signs + outputs, uint8_t{0});
    for (int64_t o = octet * 8; o < std::min(octet * 8 + 8, w_.out_channels); ++o) {
      const int64_t group = sample * w_.group + o / (w_.out_channels / w_.group);
      const uint64_t* group_pixels = pixels + group * image.height * image.width * pixel_words_;
      const int64_t plane = (sample * w_.out_channels + o) * outputs;
      for (int64_t i = 0; i < outputs; ++i) {
        const int64_t dot = dot_at(image, group_pixels, o, i / image.out_width, i % image.out_width);
        const float v = finished(operands, o, plane + i, scaled(operands.scale[o], dot, operands.bias[o]));
        if (w_.form.to_signs) {
          signs[i] = static_cast<uint8_t>(signs[i] | (v >= operands.next_threshold[o]) << (o % 8));
        } else {
          operands.y[plane + i] = v;
        }
      }
    }
  }

  /// What the form adds to the convolution's value; `at` is its place among all outputs.
  float finished(const ConvOperands& operands, int64_t o, int64_t at, float v) const {
    if (w_.form.add) v += operands.residual[at];
    if (w_.form.prelu && !(v >= 0)) v *= operands.slope[o];
    return v;
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
