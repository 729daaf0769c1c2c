// Tables of the 16 signed sums of 4 activations, a "field", as fixed-point numbers that are cut into planes of bytes,
// which vpshufb picks from for 32 outputs at once. 7 bits a plane leave room for the sum of two fields in a byte, 6
// bits for that of four.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/avx2/simd.h"
#include "kernels/x86/aligned.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

constexpr int64_t kFieldChannels = 4;
constexpr int64_t kPlaneFloats = 4;  ///< what 16 bytes take

/// How the integers of a field are cut: `kPlanes` of `kBits`, the lowest of which starts at bit kShift. kOffset is
/// added to every integer: it makes all of them positive, and rounds.
template <int planes, int bits, int shift, int32_t offset>
struct Planes {
  static constexpr int kPlanes = planes, kBits = bits, kShift = shift;
  static constexpr int32_t kOffset = offset;
  static constexpr int32_t kZero = offset >> (shift + bits * (planes - 1));  ///< the highest plane of 0
  static constexpr int kGroup = 1 << (8 - bits);                             ///< fields whose bytes can be added up
};

/// Integers of a field within 63.5 * 2^24.
using ThreePlanes = Planes<3, 7, 10, (64 << 24) + (1 << 9)>;
using FourPlanes = Planes<4, 7, 3, (64 << 24) + (1 << 2)>;
/// Sums of four 8-bit activations, which are within 508.
using Int8Planes = Planes<2, 6, 0, 512>;

/// The activations of a field at 8 columns as integers; those of channels and columns that do not exist are 0.
struct ByteFieldInput {
  __m256i x[kFieldChannels];

  /// Channels are `area` floats apart, columns `step`.
  ByteFieldInput(const float* from, int64_t area, int64_t channels, int64_t step, int64_t columns, float factor) {
#pragma GCC unroll 4
    for (int64_t c = 0; c < kFieldChannels; ++c) {
      const __m256 value = c < channels ? columns_of(from + c * area, step, columns) : Simd::set(0);
      x[c] = _mm256_cvtps_epi32(Simd::multiply(value, Simd::set(factor)));
    }
  }

 private:
  static __m256 columns_of(const float* from, int64_t step, int64_t columns) {
    if (step == 1) return columns >= Simd::kLanes ? Simd::load(from) : Simd::load_first(from, columns);
    float values[Simd::kLanes] = {};
    for (int64_t i = 0; i < x86::smaller(columns, Simd::kLanes); ++i) values[i] = from[i * step];
    return Simd::load(values);
  }
};

template <class Cut>
class ByteFields {
  using Int = __m256i;

 public:
  static constexpr int64_t kBytes = 16;  ///< of a plane of a table

  /// Writes the tables of the first `count` of 8 columns: column c's of plane p at tables + p * plane + c * column
  /// bytes.
  static void make(const ByteFieldInput& input, int64_t count, int64_t plane, int64_t column, uint8_t* tables) {
    Int low[4], quads[Cut::kPlanes][4];
    combine(input.x[0], input.x[1], 0, low);
    Int high[4];
    combine(input.x[2], input.x[3], Cut::kOffset, high);
#pragma GCC unroll 4
    for (int quad = 0; quad < 4; ++quad) cut(low, high[quad], quad, quads);
#pragma GCC unroll 4
    for (int p = 0; p < Cut::kPlanes; ++p) store(quads[p], count, column, tables + p * plane);
  }

 private:
  /// offset - a - b, offset + a - b, offset - a + b, offset + a + b.
  static void combine(Int a, Int b, int32_t offset, Int (&to)[4]) {
    const Int plus = _mm256_add_epi32(_mm256_set1_epi32(offset), b),
              minus = _mm256_sub_epi32(_mm256_set1_epi32(offset), b);
    to[0] = _mm256_sub_epi32(minus, a);
    to[1] = _mm256_add_epi32(minus, a);
    to[2] = _mm256_sub_epi32(plus, a);
    to[3] = _mm256_add_epi32(plus, a);
  }

  /// quads[plane][quad] = the bytes of entries 4 * quad to 4 * quad + 3, column by column.
  static void cut(const Int (&low)[4], Int high, int quad, Int (&quads)[Cut::kPlanes][4]) {
    Int entries[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) entries[i] = _mm256_add_epi32(low[i], high);
#pragma GCC unroll 4
    for (int p = 0; p < Cut::kPlanes; ++p) {
      const int shift = Cut::kShift + Cut::kBits * (Cut::kPlanes - 1 - p);
      Int bytes[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        bytes[i] = _mm256_srli_epi32(entries[i], shift);
        if (p != 0) bytes[i] = _mm256_and_si256(bytes[i], _mm256_set1_epi32((1 << Cut::kBits) - 1));
      }
      const Int words =
          _mm256_packus_epi16(_mm256_packus_epi32(bytes[0], bytes[1]), _mm256_packus_epi32(bytes[2], bytes[3]));
      const Int order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9, 13,
                                         2, 6, 10, 14, 3, 7, 11, 15);
      quads[p][quad] = _mm256_shuffle_epi8(words, order);
    }
  }

  static void store(const Int (&quads)[4], int64_t count, int64_t column, uint8_t* to) {
    const Int low0 = _mm256_unpacklo_epi32(quads[0], quads[1]), low1 = _mm256_unpacklo_epi32(quads[2], quads[3]);
    const Int high0 = _mm256_unpackhi_epi32(quads[0], quads[1]), high1 = _mm256_unpackhi_epi32(quads[2], quads[3]);
    const Int pairs[4] = {_mm256_unpacklo_epi64(low0, low1), _mm256_unpackhi_epi64(low0, low1),
                          _mm256_unpacklo_epi64(high0, high1), _mm256_unpackhi_epi64(high0, high1)};
    if (count >= 8) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) store_pair(pairs[i], to + i * column, to + (i + 4) * column);
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      const Int pair = pairs[i & 3];
      _mm_store_si128(reinterpret_cast<__m128i*>(to + i * column),
                      i < 4 ? _mm256_castsi256_si128(pair) : _mm256_extracti128_si256(pair, 1));
    }
  }
  static void store_pair(Int pair, uint8_t* first, uint8_t* second) {
    _mm_store_si128(reinterpret_cast<__m128i*>(first), _mm256_castsi256_si128(pair));
    _mm_store_si128(reinterpret_cast<__m128i*>(second), _mm256_extracti128_si256(pair, 1));
  }
};

}  // namespace
}  // namespace edgenet::avx2
