// The operations of the 8-bit kernels with AVX-512 VNNI.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

struct Int8Vnni512 {
  using Int = __m512i;
  static constexpr int64_t kLanes = 16;
  static constexpr int64_t kTileOutputs = 8;
  static constexpr int kVectors = 3;  ///< 8 x 3 sums, 3 activations and a weight fill 28 of 32 registers
  static constexpr int64_t kFlush = 0;
  static constexpr uint32_t kZeroPoint = 0x80808080;

  static Int zero() { return _mm512_setzero_si512(); }
  static Int load(const void* from) { return _mm512_loadu_si512(from); }
  static Int broadcast(const int8_t* from) {
    int32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return _mm512_set1_epi32(word);
  }
  static Int add_products(Int sum, Int x, Int weight) { return _mm512_dpbusd_epi32(sum, x, weight); }
  static Int widen_and_add(Int total, Int) { return total; }

  /// 32 weights of one bit as bytes of +1 and -1.
  static void expand(uint32_t bits, int8_t* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm256_mask_blend_epi8(bits, _mm256_set1_epi8(-1), _mm256_set1_epi8(1)));
  }

  /// y = factor * (sum - offset) + bias for the first `lanes` positions.
  static void store(Int sum, int32_t offset, float factor, float bias, bool relu, float* y, int64_t lanes) {
    const __m512 exact = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(offset)));
    __m512 v = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(factor), exact), _mm512_set1_ps(bias));
    if (relu) v = _mm512_max_ps(_mm512_setzero_ps(), v);
    _mm512_mask_storeu_ps(y, first(lanes), v);
  }

  static float largest(const float* x, int64_t count) {
    __m512 most[4] = {};
    int64_t i = 0;
    for (; i + 64 <= count; i += 64) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) most[v] = _mm512_max_ps(most[v], _mm512_abs_ps(_mm512_loadu_ps(x + i + 16 * v)));
    }
    for (; i < count; i += 16) {
      most[0] = _mm512_max_ps(most[0], _mm512_abs_ps(_mm512_maskz_loadu_ps(first(count - i), x + i)));
    }
    return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(most[0], most[1]), _mm512_max_ps(most[2], most[3])));
  }

  /// to[i] = the 4 channels' values i * stride, quantised; the last one of the channels that exist stands for the rest,
  /// which are 0.
  static void quantize(const float* const (&x)[4], int64_t exist, int64_t stride, float factor, int64_t count,
                       uint32_t* to) {
    const Int every = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                         _mm512_set1_epi32(static_cast<int>(stride)));
    for (int64_t i = 0; i < count; i += 16) {
      const __mmask16 lanes = first(count - i);
      Int words = zero();
      for (int64_t c = 0; c < exist; ++c) {
        const float* from = x[c] + i * stride;
        const __m512 values = stride == 1   ? _mm512_maskz_loadu_ps(lanes, from)
                              : stride == 2 ? load_even(from, count - i)
                                            : _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, every, from, 4);
        const Int q = _mm512_and_si512(round(values, factor), _mm512_set1_epi32(255));
        words = _mm512_or_si512(words, _mm512_sllv_epi32(q, _mm512_set1_epi32(static_cast<int>(8 * c))));
      }
      _mm512_mask_storeu_epi32(to + i, lanes, _mm512_xor_si512(words, _mm512_set1_epi32(static_cast<int>(kZeroPoint))));
    }
  }

  static void quantize_row(const float* x, int64_t count, float factor, uint8_t* to) {
    for (int64_t i = 0; i < count; i += 16) {
      const __mmask16 lanes = first(count - i);
      const __m128i q = _mm512_cvtepi32_epi8(round(_mm512_maskz_loadu_ps(lanes, x + i), factor));
      _mm_mask_storeu_epi8(to + i, lanes, _mm_xor_si128(q, _mm_set1_epi8(-128)));
    }
  }

  static void multiply_rows(const int8_t* const (&weights)[4], const uint8_t* q, int64_t count, int32_t (&sums)[4]) {
    Int s[4] = {zero(), zero(), zero(), zero()};
    int64_t k = 0;
    for (; k + 64 <= count; k += 64) {
      const Int x = load(q + k);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        __builtin_prefetch(weights[0] + 4 * (count + k) + 64 * i);  // the next 4 rows, which lie behind these
        s[i] = _mm512_dpbusd_epi32(s[i], x, load(weights[i] + k));
      }
    }
    if (k < count) {
      const __mmask64 rest = (uint64_t{1} << (count - k)) - 1;
      const Int x = _mm512_maskz_loadu_epi8(rest, q + k);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) s[i] = _mm512_dpbusd_epi32(s[i], x, _mm512_maskz_loadu_epi8(rest, weights[i] + k));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] = _mm512_reduce_add_epi32(s[i]);
  }

 private:
  static __mmask16 first(int64_t count) {
    return count >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1);
  }
  static Int round(__m512 x, float factor) { return _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(factor))); }
  /// The first `count` of from[0], from[2], from[4] ...; nothing beyond the last of them is read.
  static __m512 load_even(const float* from, int64_t count) {
    const int64_t floats = count >= 16 ? 31 : 2 * count - 1;
    const __m512 a = _mm512_maskz_loadu_ps(first(floats), from);
    const __m512 b = _mm512_maskz_loadu_ps(floats > 16 ? first(floats - 16) : static_cast<__mmask16>(0), from + 16);
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b);
  }
};

}  // namespace
}  // namespace edgenet::x86
