#include "kernels/x86/xnor_conv.h"

#include "kernels/avx2/avx2.h"
#include "kernels/avx2/sum_conv.h"
#include "kernels/x86/xnor_conv_256.h"

namespace edgenet::avx2 {

namespace {

struct Isa {
  static constexpr int64_t kBytes = x86::Bytes256::kBytes;

  using Floats = x86::Floats256;
  static constexpr bool kSlices = false;

  /// Counts as many lanes as suit, at most `lanes`, and returns how many.
  static int64_t count_lanes(const x86::BlockTask& task, int64_t lane, int64_t lanes, x86::BlockCounts& to) {
    if (lanes <= kBytes) {
      x86::PositionBlock<x86::Bytes256, 4, 1>::count(task, 0, lane, to);
      return lanes;
    }
    // 2 pairs x 2 vectors: of 16 registers 12 hold sums.
    using Block = x86::PositionBlock<x86::Bytes256, 2, 2>;
    for (int pair = 0; pair < kBlockPairs && pair * 2 < task.channels; pair += 2) Block::count(task, pair, lane, to);
    return x86::smaller(lanes, Block::kLanes);
  }

  static void count_strip(const x86::SuperblockTask& task, int64_t strip, x86::StripCounts& to) {
    x86::count_strip<x86::Bytes256, 4>(task, strip, to);
  }

  /// to[i] = the signs of position offset + i of the 4 channels, for i < count and up to 31 beyond.
  static void binarize(const float* const (&x)[kQuad], const float (&threshold)[kQuad], int64_t offset, int64_t count,
                       uint8_t* to) {
    int64_t i = 0;
    for (; i + 32 <= count; i += 32) {
      __m256i signs[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) signs[j] = signs_of_8(x, threshold, offset + i + 8 * j);
      const __m256i shorts =
          _mm256_packus_epi16(_mm256_packus_epi32(signs[0], signs[1]), _mm256_packus_epi32(signs[2], signs[3]));
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_permutevar8x32_epi32(shorts, order));
    }
    for (; i < count; ++i) {
      int signs = 0;
      for (int channel = 0; channel < kQuad; ++channel) {
        signs |= static_cast<int>(x[channel][offset + i] >= threshold[channel]) << channel;
      }
      to[i] = static_cast<uint8_t>(signs);
    }
  }

  /// to[i] = from[2 * i] for i < 32.
  static void copy_even_bytes(const uint8_t* from, uint8_t* to) {
    const __m256i a = x86::Bytes256::even_bytes(x86::Bytes256::load(from));
    const __m256i b = x86::Bytes256::even_bytes(x86::Bytes256::load(from + 32));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8));
  }

 private:
  static __m256i signs_of_8(const float* const (&x)[kQuad], const float (&threshold)[kQuad], int64_t at) {
    __m256i signs = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int channel = 0; channel < kQuad; ++channel) {
      const __m256 met =
          _mm256_cmp_ps(_mm256_loadu_ps(x[channel] + at), _mm256_set1_ps(threshold[channel]), _CMP_GE_OQ);
      signs = _mm256_or_si256(signs, _mm256_and_si256(_mm256_castps_si256(met), _mm256_set1_epi32(1 << channel)));
    }
    return signs;
  }
};

}  // namespace

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights) {
  if (has_tables(weights)) {
    if (XnorSumConv2d<1>::suits(weights)) return std::make_unique<XnorSumConv2d<1>>(weights);
    if (XnorSumConv2d<2>::suits(weights)) return std::make_unique<XnorSumConv2d<2>>(weights);
    if (XnorSumConv2d<3>::suits(weights)) return std::make_unique<XnorSumConv2d<3>>(weights);
  }
  return x86::make_xnor_conv2d<Isa>(weights);
}

}  // namespace edgenet::avx2
