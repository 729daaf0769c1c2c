// Signs of an XNOR convolution's outputs as bounds of its counts. Needs AVX-512.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/kernels.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// Counts of an output channel that are below `bounds` give the sign +1, or all others do.
constexpr int32_t kFlipped = 1 << 24;
constexpr int32_t kNoBound = -1;

/// Finds, for channels whose sign is monotone in the count, the bound of the counts by bisection. dot = inputs - 2 *
/// count.
void find_bounds(const ConvForm& form, const ConvOperands& operands, int64_t channel, int64_t channels, int64_t inputs,
                 int32_t* bounds) {
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 lanes = static_cast<__mmask16>(channels - c >= 16 ? 0xffff : (1 << (channels - c)) - 1);
    const int64_t at = channel + c;
    const __m512 scale = _mm512_maskz_loadu_ps(lanes, operands.scale + at);
    const __m512 bias = _mm512_maskz_loadu_ps(lanes, operands.bias + at);
    const __m512 threshold = _mm512_maskz_loadu_ps(lanes, operands.next_threshold + at);
    const __m512 slope = form.prelu ? _mm512_maskz_loadu_ps(lanes, operands.slope + at) : _mm512_set1_ps(1);
    const __m512 zero = _mm512_setzero_ps();
    constexpr int kNotFinite = 0x01 | 0x08 | 0x10 | 0x80;  // NaN of both kinds, infinity of both signs
    const __mmask16 unordered = _mm512_fpclass_ps_mask(scale, kNotFinite) | _mm512_fpclass_ps_mask(bias, kNotFinite) |
                                _mm512_fpclass_ps_mask(slope, kNotFinite) | _mm512_cmp_ps_mask(slope, zero, _CMP_LT_OQ);
    const __mmask16 rising = _mm512_cmp_ps_mask(scale, zero, _CMP_LT_OQ);  // with the count
    __m512i low = _mm512_setzero_si512();
    __m512i high = _mm512_set1_epi32(static_cast<int>(inputs + 1));
    for (__mmask16 open; (open = _mm512_cmplt_epi32_mask(low, high)) != 0;) {
      const __m512i count = _mm512_srli_epi32(_mm512_add_epi32(low, high), 1);
      const __m512i twice = _mm512_add_epi32(count, count);
      const __m512 dot = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_set1_epi32(static_cast<int>(inputs)), twice));
      __m512 v = _mm512_add_ps(_mm512_mul_ps(scale, dot), bias);
      v = _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, zero, _CMP_NGE_UQ), slope, v);
      const __mmask16 beyond = open & static_cast<__mmask16>(~(_mm512_cmp_ps_mask(v, threshold, _CMP_GE_OQ) ^ rising));
      high = _mm512_mask_mov_epi32(high, beyond, count);
      low = _mm512_mask_add_epi32(low, static_cast<__mmask16>(open & ~beyond), count, _mm512_set1_epi32(1));
    }
    low = _mm512_mask_or_epi32(low, rising, low, _mm512_set1_epi32(kFlipped));
    low = _mm512_mask_mov_epi32(low, unordered, _mm512_set1_epi32(kNoBound));
    _mm512_mask_storeu_epi32(bounds + c, lanes, low);
  }
}

}  // namespace
}  // namespace edgenet::x86
