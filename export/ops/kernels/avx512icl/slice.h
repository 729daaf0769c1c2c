// Bit slices of kernels/x86/xnor_bundle.h with the bit operations of VBMI, VBMI2 and GFNI.
#pragma once
#include <immintrin.h>

#include "kernels/x86/xnor_bundle.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VBMI, VBMI2 and GFNI

struct Slice512 : x86::Slice512 {
  /// The bits from `bit` on.
  static Vector load_bits(const uint64_t* words, int64_t bit) {
    return _mm512_shrdv_epi64(_mm512_loadu_si512(words + bit / 64), _mm512_loadu_si512(words + bit / 64 + 1),
                              _mm512_set1_epi64(bit % 64));
  }

  /// The numbers whose bits are `planes` vectors, lane by lane: squares of 8 bits of 8 lanes are turned.
  static void store_counts(const uint8_t* from, int planes, uint16_t* to) {
    __m512i low[8], high[8];
    turn(from, planes, low);
    turn(from + 8 * kBytes, planes - 8, high);
    x86::unroll<8>([&](auto i) EDGENET_LAMBDA {
      _mm512_store_si512(to + 64 * i, _mm512_unpacklo_epi8(low[i], high[i]));
      _mm512_store_si512(to + 64 * i + 32, _mm512_unpackhi_epi8(low[i], high[i]));
    });
  }

 private:
  /// Up to 8 planes as a byte a lane. Of 16 lanes in turn 8 bytes lie in the lower halves of 128 bits.
  static EDGENET_INLINE void turn(const uint8_t* from, int planes, __m512i (&to)[8]) {
    // Byte 16 * i + j is byte 4 * j + i of a plane, so that bytes are in order after three unpacks and one of the
    // result.
    const __m512i order = _mm512_set_epi8(63, 59, 55, 51, 47, 43, 39, 35, 31, 27, 23, 19, 15, 11, 7, 3,  //
                                          62, 58, 54, 50, 46, 42, 38, 34, 30, 26, 22, 18, 14, 10, 6, 2,  //
                                          61, 57, 53, 49, 45, 41, 37, 33, 29, 25, 21, 17, 13, 9, 5, 1,   //
                                          60, 56, 52, 48, 44, 40, 36, 32, 28, 24, 20, 16, 12, 8, 4, 0);
    __m512i plane[8], pairs[8], quads[8];
    x86::unroll<8>([&](auto i) EDGENET_LAMBDA {
      plane[7 - i] = i < planes ? _mm512_permutexvar_epi8(order, _mm512_load_si512(from + i * kBytes)) : zero();
    });
    x86::unroll<4>([&](auto i) EDGENET_LAMBDA {
      pairs[2 * i] = _mm512_unpacklo_epi8(plane[2 * i], plane[2 * i + 1]);
      pairs[2 * i + 1] = _mm512_unpackhi_epi8(plane[2 * i], plane[2 * i + 1]);
    });
    x86::unroll<2>([&](auto i) EDGENET_LAMBDA {
      x86::unroll<2>([&](auto half) EDGENET_LAMBDA {
        quads[4 * i + 2 * half] = _mm512_unpacklo_epi16(pairs[4 * i + half], pairs[4 * i + 2 + half]);
        quads[4 * i + 2 * half + 1] = _mm512_unpackhi_epi16(pairs[4 * i + half], pairs[4 * i + 2 + half]);
      });
    });
    x86::unroll<4>([&](auto i) EDGENET_LAMBDA {
      to[2 * i] = turned(_mm512_unpacklo_epi32(quads[i], quads[4 + i]));
      to[2 * i + 1] = turned(_mm512_unpackhi_epi32(quads[i], quads[4 + i]));
    });
  }

  /// Byte j of every 64 bits is bit j of each of the 8 bytes, the last first.
  static EDGENET_INLINE __m512i turned(__m512i squares) {
    return _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64(static_cast<int64_t>(0x8040201008040201)), squares, 0);
  }
};

}  // namespace
}  // namespace edgenet::avx512icl
