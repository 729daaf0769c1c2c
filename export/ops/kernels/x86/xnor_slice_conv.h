// XNOR convolution by bit slices whose lanes are output positions, with a stride of 1 and rows that stay as long as
// they are: the signs of a channel are a row of bits, and a tap's begin at some bit of it. Needs AVX-512.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_bounds.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_conv_slice.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// Sets the bits [begin, end).
void set_bits(uint64_t* words, int64_t begin, int64_t end) {
  const auto from = [](int64_t bit) { return ~uint64_t{0} << (bit % 64); };
  if (begin >= end) return;
  if (begin / 64 == end / 64) {
    words[begin / 64] |= from(begin) & ~from(end);
    return;
  }
  words[begin / 64] |= from(begin);
  for (int64_t word = begin / 64 + 1; word < end / 64; ++word) words[word] = ~uint64_t{0};
  if (end % 64 != 0) words[end / 64] |= ~from(end);
}

/// Wide, Half and Quarter: slices of up to 512, 256 and 128 positions.
template <class Wide, class Half, class Quarter>
class XnorSliceConv2d final : public ConvKernel {
 public:
  explicit XnorSliceConv2d(const ConvWeights& weights)
      : w_(weights), kernel_(w_.kernel_height * w_.kernel_width), codes_(weights, true) {
    while (inputs() >> planes_ != 0) ++planes_;
  }

  /// Whether bundles and slices are filled well enough, and tables serve enough output channels.
  static bool suits(const ConvWeights& w) {
    constexpr int64_t least_outputs = 24;
    const int64_t positions = w.likely_rows * w.likely_columns;
    const bool aligned = w.group == 1 ? w.group_channels % 2 == 0 : w.group_channels % 8 == 0;
    // Rows stay as long as they are where a stride of 1 meets this.
    const bool flat = w.stride_height == 1 && w.stride_width == 1 &&
                      w.pad_left + w.pad_right == w.dilation_width * (w.kernel_width - 1);
    return flat && aligned && positions > 0 && w.out_channels / w.group >= least_outputs &&
           8 * w.group_channels >= 5 * round_up(w.group_channels, kBundleWeights) &&
           w.kernel_height * w.kernel_width <= kMostSliceTaps && fill(positions) >= 0.6;
  }

  size_t scratch_bytes(const Image& image) const override {
    const Layout layout(*this, image);
    return static_cast<size_t>(layout.bytes(round_units(layout, image)));
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const Layout layout(*this, image);
    const int64_t units = image.batch * w_.group;
    const int64_t most = round_units(layout, image);
    Call call{layout, image, operands, 0, 0};
    prepare(call);
    for (; call.first < units; call.first += most) {
      call.units = smaller(most, units - call.first);
      const int64_t octets = (w_.group_channels + 7) / 8;
      parallel_for(executor, call.units * octets,
                   [&](int64_t index) { pack(call, index / octets, index % octets * 8); });
      convolve(call, executor);
    }
  }

 private:
  static constexpr int64_t kRoundBytes = 1 << 19;  ///< of rows that are packed and then convolved together

  static constexpr int64_t kPrefetchedFloats = 256;

  /// Slices of an image. The last may be narrower.
  struct Plan {
    explicit Plan(int64_t outputs) : slices((outputs + kWideLanes - 1) / kWideLanes), last(outputs % kWideLanes) {
      if (last == 0) last = kWideLanes;
    }
    int64_t slices, last;  ///< last: positions of the last slice
  };

  /// The share of the time of slices that positions do not leave empty, in times of a wide slice.
  static double fill(int64_t positions) {
    const Plan plan(positions);
    const double last = plan.last > 256 ? 1 : plan.last > 128 ? 0.75 : 0.55;
    return static_cast<double>(positions) / kWideLanes / (static_cast<double>(plan.slices - 1) + last);
  }

  /// Where everything of an image lies. Bits beyond those of an image may be read and are never used.
  struct Layout {
    Layout(const XnorSliceConv2d& kernel, const Image& image) : xnor(kernel.w_, image), plan(xnor.outputs) {
      const ConvWeights& w = kernel.w_;
      const int64_t width = image.width;
      before = round_up(w.pad_top * width + w.pad_left, 64);
      const int64_t last = (w.kernel_height - 1) * w.dilation_height * width + (w.kernel_width - 1) * w.dilation_width;
      const int64_t lanes = plan.slices * kWideLanes;
      row_words = round_up(larger(before + last + lanes, before + image.height * width) + 64, 512) / 64;
      inside_words = round_up(lanes + 64, 512) / 64;
      const auto values = static_cast<int64_t>(sizeof(float)) * lanes;
      bounds = 2 * values;
      inside = bounds + round_up(w.out_channels * 4, 64);
      rows = inside + kernel.kernel_ * inside_words * 8;
    }

    int64_t bytes(int64_t units) const { return rows + units * unit_words() * 8; }
    int64_t unit_words() const { return xnor.quads * kQuad * row_words; }

    XnorLayout xnor;
    Plan plan;
    int64_t before;  ///< of the image's bits in a row
    int64_t row_words, inside_words, bounds, inside, rows;
  };

  struct Call {
    const Layout& layout;
    const Image& image;
    const ConvOperands& operands;
    int64_t first, units;  ///< of this round; what lies in scratch is numbered from 0

    uint8_t* at(int64_t offset) const { return static_cast<uint8_t*>(operands.scratch) + offset; }
    /// Of the inputs, those that meet the image.
    float* valid() const { return reinterpret_cast<float*>(at(0)); }
    /// All inputs, for every position.
    float* inputs() const { return reinterpret_cast<float*>(at(layout.bounds / 2)); }
    int32_t* bounds() const { return reinterpret_cast<int32_t*>(at(layout.bounds)); }
    uint64_t* inside() const { return reinterpret_cast<uint64_t*>(at(layout.inside)); }
    uint64_t* rows(int64_t slot) const {
      return reinterpret_cast<uint64_t*>(at(layout.rows)) + slot * layout.unit_words();
    }
  };

  /// Whether the sign that goes out depends on the count alone.
  bool has_bounds() const { return w_.form.to_signs && !w_.form.add; }
  int64_t inputs() const { return w_.group_channels * kernel_; }
  int64_t group_outputs() const { return w_.out_channels / w_.group; }
  int64_t round_units(const Layout& layout, const Image& image) const {
    return larger(1, smaller(image.batch * w_.group, kRoundBytes / (layout.unit_words() * 8)));
  }

  void prepare(const Call& call) const {
    const XnorLayout& xnor = call.layout.xnor;
    const int64_t lanes = call.layout.plan.slices * kWideLanes;
    xnor.fill_valid(w_.group_channels, lanes - xnor.outputs, call.valid());
    for (int64_t i = 0; i < lanes; ++i) call.inputs()[i] = static_cast<float>(inputs());
    if (has_bounds()) find_bounds(w_.form, call.operands, 0, w_.out_channels, inputs(), call.bounds());
    std::memset(call.inside(), 0, static_cast<size_t>(kernel_ * call.layout.inside_words * 8));
    const int64_t width = xnor.horizontal.outputs;
    for (int64_t tap = 0; tap < kernel_; ++tap) {
      uint64_t* words = call.inside() + tap * call.layout.inside_words;
      const int64_t row = tap / w_.kernel_width, column = tap % w_.kernel_width;
      const int64_t first = xnor.horizontal.first(column), end = xnor.horizontal.end(column);
      const int64_t first_row = xnor.vertical.first(row), end_row = xnor.vertical.end(row);
      if (first == 0 && end == width) {
        set_bits(words, first_row * width, end_row * width);
        continue;
      }
      for (int64_t y = first_row; y < end_row; ++y) set_bits(words, y * width + first, y * width + end);
    }
  }

  /// Packs up to 8 channels of a unit from `channel` on.
  void pack(const Call& call, int64_t slot, int64_t channel) const {
    const Image& image = call.image;
    const int64_t pixels = image.height * image.width;
    const int64_t count = smaller(8, w_.group_channels - channel);
    const int64_t sample = (call.first + slot) / w_.group;
    const int64_t first = (call.first + slot) % w_.group * w_.group_channels + channel;
    uint64_t* rows = call.rows(slot) + channel * call.layout.row_words + call.layout.before / 64;
    if (w_.form.from_signs) {
      const uint8_t* signs = call.operands.signs + (sample * ((image.channels + 7) / 8) + first / 8) * pixels;
      pack_signs(signs, pixels, count, rows, call.layout.row_words);
      return;
    }
    pack_floats(call.operands.x + (sample * image.channels + first) * pixels, call.operands.threshold + first, pixels,
                count, rows, call.layout.row_words);
  }

  /// Channels side by side: memory gives several streams sooner than one after the other.
  static EDGENET_NOINLINE void pack_floats(const float* x, const float* threshold, int64_t pixels, int64_t channels,
                                           uint64_t* rows, int64_t row_words) {
    int64_t i = 0;
    for (; i + 64 <= pixels; i += 64) {
      for (int64_t c = 0; c < channels; ++c) {
        const float* from = x + c * pixels + i;
        auto* to = reinterpret_cast<uint8_t*>(rows + c * row_words + i / 64);
        unroll<4>([&](auto j) EDGENET_LAMBDA {
          __builtin_prefetch(from + 16 * j + kPrefetchedFloats, 0, 3);
          store_signs(_mm512_loadu_ps(from + 16 * j), threshold[c], to + 2 * j);
        });
      }
    }
    for (; i < pixels; i += 16) {
      const auto lanes = static_cast<__mmask16>(pixels - i >= 16 ? 0xffff : (1 << (pixels - i)) - 1);
      for (int64_t c = 0; c < channels; ++c) {
        auto* to = reinterpret_cast<uint8_t*>(rows + c * row_words) + i / 8;
        store_signs(_mm512_maskz_loadu_ps(lanes, x + c * pixels + i), threshold[c], to);
      }
    }
  }

  static EDGENET_INLINE void store_signs(__m512 values, float threshold, uint8_t* to) {
    _store_mask16(reinterpret_cast<__mmask16*>(to), _mm512_cmp_ps_mask(values, _mm512_set1_ps(threshold), _CMP_GE_OQ));
  }

  static EDGENET_NOINLINE void pack_signs(const uint8_t* signs, int64_t pixels, int64_t channels, uint64_t* rows,
                                          int64_t row_words) {
    for (int64_t i = 0; i < pixels; i += 64) {
      const int64_t left = pixels - i;
      const uint64_t lanes = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
      const __m512i bytes = _mm512_maskz_loadu_epi8(lanes, signs + i);
      for (int64_t c = 0; c < channels; ++c) {
        rows[c * row_words + i / 64] = _mm512_test_epi8_mask(bytes, _mm512_set1_epi8(static_cast<char>(1 << c)));
      }
    }
  }

  void convolve(const Call& call, const Executor& executor) const {
    const Plan& plan = call.layout.plan;
    int64_t tap_bits[kMostSliceTaps], inside_bits[kMostSliceTaps];
    for (int64_t tap = 0; tap < kernel_; ++tap) {
      const XnorLayout& xnor = call.layout.xnor;
      const int64_t row = tap / w_.kernel_width, column = tap % w_.kernel_width;
      tap_bits[tap] =
          call.layout.before + xnor.vertical.offset(row) * call.image.width + xnor.horizontal.offset(column);
      inside_bits[tap] = tap * call.layout.inside_words * 64;
    }
    // A task finds tables of its own.
    const int64_t few = call.units * plan.slices * ((group_outputs() + 255) / 256) < 4;
    const int64_t most = few ? 128 : 256;
    const int64_t tiles = (group_outputs() + most - 1) / most;
    parallel_for(executor, call.units * plan.slices * tiles, [&](int64_t index) {
      const int64_t slot = index / tiles / plan.slices;
      const int64_t slice = index / tiles % plan.slices;
      const int64_t channel = index % tiles * most;
      const int64_t channels = smaller(most, group_outputs() - channel);
      const int64_t group = (call.first + slot) % w_.group;
      const SliceUnit unit{call.rows(slot),
                           call.inside(),
                           call.layout.row_words,
                           tap_bits,
                           inside_bits,
                           kernel_,
                           inputs(),
                           w_.group_channels,
                           codes_.tap_bundles(),
                           codes_.at(group),
                           group_outputs(),
                           planes_,
                           call.valid(),
                           has_bounds() ? call.bounds() + group * group_outputs() : nullptr};
      const UnitOutputs outputs =
          unit_outputs(w_, call.layout.xnor.outputs, call.inputs(), call.operands, call.first + slot);
      const int64_t lanes = slice + 1 < plan.slices ? kWideLanes : plan.last;
      if (lanes <= 128) return convolve<Quarter>(unit, outputs, slice, channel, channels);
      if (lanes <= 256) return convolve<Half>(unit, outputs, slice, channel, channels);
      convolve<Wide>(unit, outputs, slice, channel, channels);
    });
  }

  template <class Slice>
  static void convolve(const SliceUnit& unit, const UnitOutputs& outputs, int64_t slice, int64_t channel,
                       int64_t channels) {
    Slice(unit, slice * kWideLanes, channels).convolve(outputs, channel);
  }

  ConvWeights w_;
  int64_t kernel_;
  XnorBundleCodes codes_;
  int planes_ = kLeastPlanes;  ///< bits of a count
};

}  // namespace
}  // namespace edgenet::x86
