#include "kernels/x86/xnor_conv.h"

#include "kernels/avx512/avx512.h"
#include "kernels/x86/xnor_conv_256.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_channel_slice.h"
#include "kernels/x86/xnor_conv_slice.h"
#include "kernels/x86/xnor_slice_conv.h"

namespace edgenet::avx512 {

namespace {

struct Isa {
  static constexpr int64_t kBytes = x86::Bytes512::kBytes;

  using Floats = x86::Floats512;
  static constexpr bool kSlices = true;

  /// Counts as many lanes as suit, at most `lanes`, and returns how many. Half a vector costs half on CPUs that compute
  /// 512 bits in two halves, and as much as a whole one elsewhere.
  static int64_t count_lanes(const x86::BlockTask& task, int64_t lane, int64_t lanes, x86::BlockCounts& to) {
    if (lanes > 96) return count<x86::PositionBlock<x86::Bytes512, 4, 2>>(task, lane, lanes, to);
    if (lanes > 32) return count<x86::PositionBlock<x86::Bytes512, 4, 1>>(task, lane, lanes, to);
    return count<x86::PositionBlock<x86::Bytes256, 4, 1>>(task, lane, lanes, to);
  }

  static void count_strip(const x86::SuperblockTask& task, int64_t strip, x86::StripCounts& to) {
    x86::count_strip<x86::Bytes512, 8>(task, strip, to);
  }

  /// Bytes of 4 signs as a row of bits a channel, `row_words` words apart.
  static void slice_quad(const uint8_t* signs, int64_t count, uint64_t* rows, int64_t row_words) {
    for (int64_t i = 0; i < count / 64; ++i) {
      const __m512i bytes = _mm512_loadu_si512(signs + 64 * i);
      for (int channel = 0; channel < kQuad; ++channel) {
        rows[channel * row_words + i] = _mm512_test_epi8_mask(bytes, _mm512_set1_epi8(static_cast<char>(1 << channel)));
      }
    }
  }

  /// Which of these bytes are no padding.
  static void slice_inside(const uint8_t* signs, int64_t count, uint64_t* row) {
    for (int64_t i = 0; i < count / 64; ++i) row[i] = ~_mm512_movepi8_mask(_mm512_loadu_si512(signs + 64 * i));
  }

  static void find_bounds(const ConvForm& form, const ConvOperands& operands, int64_t channel, int64_t channels,
                          int64_t inputs, int32_t* bounds) {
    x86::find_bounds(form, operands, channel, channels, inputs, bounds);
  }

  static void convolve_slice(const x86::SliceUnit& unit, const x86::UnitOutputs& outputs, const x86::SlicePlan& plan,
                             int64_t slice, int64_t channel, int64_t channels) {
    if (slice < plan.wide) return convolve<x86::Slice512>(unit, outputs, plan.first(slice), channel, channels);
    convolve<x86::Slice256>(unit, outputs, plan.first(slice), channel, channels);
  }

  /// to[i] = the signs of position offset + i of the 4 channels, for i < count and up to 15 beyond.
  static void binarize(const float* const (&x)[kQuad], const float (&threshold)[kQuad], int64_t offset, int64_t count,
                       uint8_t* to) {
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) store_signs(x, threshold, offset + i, 0xffff, to + i);
    if (i < count) store_signs(x, threshold, offset + i, static_cast<__mmask16>((1u << (count - i)) - 1), to + i);
  }

  /// to[i] = from[2 * i] for i < 32.
  static void copy_even_bytes(const uint8_t* from, uint8_t* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi16_epi8(_mm512_loadu_si512(from)));
  }

 private:
  template <class S>
  static void convolve(const x86::SliceUnit& unit, const x86::UnitOutputs& outputs, int64_t position, int64_t channel,
                       int64_t channels) {
    x86::Slice<S>(unit, position, channels).convolve(outputs, channel);
  }

  template <class Block>
  static int64_t count(const x86::BlockTask& task, int64_t lane, int64_t lanes, x86::BlockCounts& to) {
    Block::count(task, 0, lane, to);
    return x86::smaller(lanes, Block::kLanes);
  }

  static void store_signs(const float* const (&x)[kQuad], const float (&threshold)[kQuad], int64_t at, __mmask16 lanes,
                          uint8_t* to) {
    __m512i signs = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int channel = 0; channel < kQuad; ++channel) {
      const __m512 values = _mm512_maskz_loadu_ps(lanes, x[channel] + at);
      const __mmask16 met = _mm512_cmp_ps_mask(values, _mm512_set1_ps(threshold[channel]), _CMP_GE_OQ);
      signs = _mm512_mask_or_epi32(signs, met, signs, _mm512_set1_epi32(1 << channel));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(signs));
  }
};

}  // namespace

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  using Wide = x86::XnorChannelConv2d<x86::Slice512, 1>;
  using Shared = x86::XnorChannelConv2d<x86::Slice512, 2>;
  using Narrow = x86::XnorChannelConv2d<x86::Slice256, 1>;
  if (has_tables(weights) && Wide::suits(weights)) return std::make_unique<Wide>(weights);
  if (has_tables(weights) && Shared::suits(weights)) return std::make_unique<Shared>(weights);
  if (has_tables(weights) && Narrow::suits(weights)) return std::make_unique<Narrow>(weights);
  using Slices = x86::XnorSliceConv2d<x86::Slice<x86::Slice512>, x86::Slice<x86::Slice256>, x86::Slice<x86::Slice128>>;
  if (has_tables(weights) && Slices::suits(weights)) return std::make_unique<Slices>(weights);
  return x86::make_xnor_conv2d<Isa>(weights);
}

}  // namespace edgenet::avx512
