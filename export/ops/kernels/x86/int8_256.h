// The operations of the 8-bit kernels, 256 bits wide: what AVX2 alone does, and AVX-VNNI.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Products>
struct Int8Simd256 : Products {
  using Int = __m256i;
  using Products::kZeroPoint;
  static constexpr int64_t kLanes = 8;

  static Int zero() { return _mm256_setzero_si256(); }
  static Int load(const void* from) { return _mm256_loadu_si256(static_cast<const Int*>(from)); }
  static Int broadcast(const int8_t* from) {
    int32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return _mm256_set1_epi32(word);
  }

  /// 32 weights of one bit as bytes of +1 and -1.
  static void expand(uint32_t bits, int8_t* to) {
    const Int spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3,
                                        3, 3, 3, 3, 3);
    const Int bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
    const Int bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), spread);
    const Int clear = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), zero());
    _mm256_storeu_si256(reinterpret_cast<Int*>(to), _mm256_or_si256(clear, _mm256_set1_epi8(1)));
  }

  /// y = factor * (sum - offset) + bias for the first `lanes` positions.
  static void store(Int sum, int32_t offset, float factor, float bias, bool relu, float* y, int64_t lanes) {
    const __m256 exact = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, _mm256_set1_epi32(offset)));
    __m256 v = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(factor), exact), _mm256_set1_ps(bias));
    if (relu) v = _mm256_max_ps(_mm256_setzero_ps(), v);
    if (lanes >= kLanes) {
      _mm256_storeu_ps(y, v);
    } else {
      _mm256_maskstore_ps(y, first(lanes), v);
    }
  }

  static float largest(const float* x, int64_t count) {
    __m256 most[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    int64_t i = 0;
    for (; i + 32 <= count; i += 32) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) most[v] = _mm256_max_ps(most[v], magnitude(_mm256_loadu_ps(x + i + 8 * v)));
    }
    for (; i < count; i += 8) most[0] = _mm256_max_ps(most[0], magnitude(load_first(x + i, count - i)));
    const __m256 all = _mm256_max_ps(_mm256_max_ps(most[0], most[1]), _mm256_max_ps(most[2], most[3]));
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
  }

  /// to[i] = the 4 channels' values i * stride, quantised; of `exist` channels, the others are 0.
  static void quantize(const float* const (&x)[4], int64_t exist, int64_t stride, float factor, int64_t count,
                       uint32_t* to) {
    const Int every =
        _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(static_cast<int>(stride)));
    for (int64_t i = 0; i < count; i += 8) {
      Int words = zero();
      for (int64_t c = 0; c < exist; ++c) {
        const float* from = x[c] + i * stride;
        const __m256 values = stride == 1 ? load_first(from, count - i)
                                          : _mm256_mask_i32gather_ps(_mm256_setzero_ps(), from, every,
                                                                     _mm256_castsi256_ps(first(count - i)), 4);
        const Int q = _mm256_and_si256(round(values, factor), _mm256_set1_epi32(255));
        words = _mm256_or_si256(words, _mm256_sllv_epi32(q, _mm256_set1_epi32(static_cast<int>(8 * c))));
      }
      words = _mm256_xor_si256(words, _mm256_set1_epi32(static_cast<int>(kZeroPoint)));
      _mm256_maskstore_epi32(reinterpret_cast<int*>(to + i), first(count - i), words);
    }
  }

  static void quantize_row(const float* x, int64_t count, float factor, uint8_t* to) {
    for (int64_t i = 0; i < count; i += 8) {
      alignas(32) int32_t q[8];
      _mm256_store_si256(reinterpret_cast<Int*>(q), round(load_first(x + i, count - i), factor));
      for (int64_t lane = 0; lane < 8 && i + lane < count; ++lane) {
        to[i + lane] = static_cast<uint8_t>(q[lane] ^ static_cast<int32_t>(kZeroPoint & 255));
      }
    }
  }

  static void multiply_rows(const int8_t* const (&weights)[4], const uint8_t* q, int64_t count, int32_t (&sums)[4]) {
    Int s[4] = {zero(), zero(), zero(), zero()};
    int64_t k = 0;
    for (; k + 32 <= count; k += 32) {
      const Int x = load(q + k);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) __builtin_prefetch(weights[0] + 4 * (count + k) + 64 * i);  // the next 4 rows
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) s[i] = Products::add_products(s[i], x, load(weights[i] + k));
    }
    for (int i = 0; i < 4; ++i) {
      const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(s[i]), _mm256_extracti128_si256(s[i], 1));
      const __m128i pair = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
      sums[i] = _mm_cvtsi128_si32(pair) + _mm_extract_epi32(pair, 1);
      for (int64_t rest = k; rest < count; ++rest) sums[i] += weights[i][rest] * value(q[rest]);
    }
  }

 private:
  /// The activation as the products take it: unsigned with a zero point, else signed.
  static int32_t value(uint8_t q) { return kZeroPoint != 0 ? q : static_cast<int8_t>(q); }
  static Int first(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count > 8 ? 8 : static_cast<int>(count)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static __m256 load_first(const float* from, int64_t count) {
    return count >= 8 ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first(count));
  }
  static __m256 magnitude(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
  static Int round(__m256 x, float factor) { return _mm256_cvtps_epi32(_mm256_mul_ps(x, _mm256_set1_ps(factor))); }
};

/// Signed bytes: |x| times w with the sign of x. A pair of products is at most 2 * 127 * 127, which 16 bits hold.
struct SignedProducts {
  static constexpr int64_t kTileOutputs = 8;
  static constexpr int kVectors = 1;  ///< 8 sums, an activation, a weight and what is between fill 16 registers
  static constexpr int64_t kFlush = 0;
  static constexpr uint32_t kZeroPoint = 0;
  static __m256i add_products(__m256i sum, __m256i x, __m256i weight) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(weight, x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static __m256i widen_and_add(__m256i total, __m256i) { return total; }
};

/// Weights of +1 and -1: a pair of products is at most 510, of which 16 bits hold 64.
struct BinaryProducts {
  static constexpr int64_t kTileOutputs = 4;
  static constexpr int kVectors = 2;
  static constexpr int64_t kFlush = 64;
  static constexpr uint32_t kZeroPoint = 0x80808080;
  static __m256i add_products(__m256i sum, __m256i x, __m256i weight) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, weight));
  }
  static __m256i widen_and_add(__m256i total, __m256i sum) {
    return _mm256_add_epi32(total, _mm256_madd_epi16(sum, _mm256_set1_epi16(1)));
  }
};

#if defined(__AVXVNNI__)
struct VnniProducts {
  static constexpr int64_t kTileOutputs = 4;
  static constexpr int kVectors = 3;  ///< 4 x 3 sums, 3 activations and a weight fill 16 registers
  static constexpr int64_t kFlush = 0;
  static constexpr uint32_t kZeroPoint = 0x80808080;
  static __m256i add_products(__m256i sum, __m256i x, __m256i weight) {
    return _mm256_dpbusd_avx_epi32(sum, x, weight);
  }
  static __m256i widen_and_add(__m256i total, __m256i) { return total; }
};
#endif

}  // namespace
}  // namespace edgenet::x86
