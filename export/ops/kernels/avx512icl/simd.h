// The vector operations of kernels/avx512/ with the population count that VPOPCNTDQ has.
#pragma once
#include "kernels/avx512/simd.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

struct Simd : avx512::Simd {
  static constexpr int64_t kCountChunks = INT64_MAX;  ///< 64-bit counts: no sum on the way

  /// For every 64-bit lane the number of bits in which a and b differ.
  static Int count_differing(Int a, Int b) { return _mm512_popcnt_epi64(_mm512_xor_si512(a, b)); }
  /// The same among the bits of `mask`.
  static Int count_differing(Int a, Int b, Int mask) {
    return _mm512_popcnt_epi64(_mm512_and_si512(_mm512_xor_si512(a, b), mask));
  }
  static Int add_counts(Int a, Int b) { return _mm512_add_epi64(a, b); }
  static Int sum_counts(Int counts) { return counts; }
};

}  // namespace
}  // namespace edgenet::avx512icl
