// The inner loop of the XNOR convolution: in how many signs and weights differ, for many positions and channels at
// once.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/xnor_conv_layout.h"

#define EDGENET_INLINE __attribute__((always_inline)) inline
// Registers are handed out a function at a time: the inner loops are functions of their own.
#define EDGENET_NOINLINE __attribute__((noinline))
#define EDGENET_LAMBDA __attribute__((always_inline))

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// body(0), ..., body(count - 1) with constants: arrays that it indexes stay in registers.
template <class Body, int... indices>
EDGENET_INLINE void unroll_indices(std::integer_sequence<int, indices...>, const Body& body) {
  (body(std::integral_constant<int, indices>{}), ...);
}
template <int count, class Body>
EDGENET_INLINE void unroll(const Body& body) {
  unroll_indices(std::make_integer_sequence<int, count>{}, body);
}

constexpr int kTapsPerNibble = 3;    ///< 3 counts of at most 4 fit a nibble
constexpr int kNibblesPerByte = 21;  ///< 21 sums of at most 12 fit a byte

/// Looks `vectors` vectors of nibbles up in `tables` tables, whose entries are two counts each, and sums over taps.
///
/// A Source has index(tap, vector), the nibbles, and table(tap, table).
template <class V, int tables, int vectors>
class Counter {
  using Vector = typename V::Vector;

 public:
  /// 16-bit sums of a table's first (low nibble) and second count, each of even and odd lanes.
  Vector counts[tables][vectors][2][2];

  template <class Source>
  EDGENET_INLINE void count(const Source& source, int64_t taps) {
    constexpr int64_t kTaps = kTapsPerNibble * kNibblesPerByte;
    bool first = true;
    int64_t tap = 0;
    do {
      const int64_t end = taps - tap < kTaps ? taps : tap + kTaps;
      count_bytes(source, tap, end, first);
      tap = end;
      first = false;
    } while (tap < taps);
  }

 private:
  struct Sums {
    Vector low[tables][vectors], high[tables][vectors];
  };

  template <class Source>
  EDGENET_INLINE void count_bytes(const Source& source, int64_t tap, int64_t end, bool first) {
    Sums sums;
    unroll<tables>([&](auto i) EDGENET_LAMBDA {
      unroll<vectors>([&](auto v) EDGENET_LAMBDA { sums.low[i][v] = sums.high[i][v] = V::zero(); });
    });
    for (; end - tap >= kTapsPerNibble; tap += kTapsPerNibble) add_taps<kTapsPerNibble>(source, tap, sums);
    for (; tap < end; ++tap) add_taps<1>(source, tap, sums);
    unroll<tables>([&](auto i) EDGENET_LAMBDA {
      unroll<vectors>([&](auto v) EDGENET_LAMBDA {
        // `low` has gathered 16 times `high` beside its own.
        const Vector high = sums.high[i][v];
        add_counts(V::subtract_bytes(sums.low[i][v], V::to_high_nibbles(high)), first, counts[i][v][0]);
        add_counts(high, first, counts[i][v][1]);
      });
    });
  }

  template <int taps, class Source>
  static EDGENET_INLINE void add_taps(const Source& source, int64_t tap, Sums& sums) {
    Vector nibbles[tables][vectors];
    unroll<taps>([&](auto t) EDGENET_LAMBDA {
      Vector index[vectors];
      unroll<vectors>([&](auto v) EDGENET_LAMBDA { index[v] = source.index(tap + t, v); });
      unroll<tables>([&](auto i) EDGENET_LAMBDA {
        const Vector table = source.table(tap + t, i);
        unroll<vectors>([&](auto v) EDGENET_LAMBDA {
          const Vector found = V::look_up(table, index[v]);
          nibbles[i][v] = t == 0 ? found : V::add_bytes(nibbles[i][v], found);
          V::settle(nibbles[i][v]);
        });
      });
    });
    unroll<tables>([&](auto i) EDGENET_LAMBDA {
      unroll<vectors>([&](auto v) EDGENET_LAMBDA {
        sums.low[i][v] = V::add_bytes(sums.low[i][v], nibbles[i][v]);
        sums.high[i][v] = V::add_bytes(sums.high[i][v], V::high_nibbles(nibbles[i][v]));
      });
    });
  }

  static EDGENET_INLINE void add_counts(Vector bytes, bool first, Vector (&to)[2]) {
    const Vector even = V::even_bytes(bytes);
    const Vector odd = V::odd_bytes(bytes);
    to[0] = first ? even : V::add_shorts(to[0], even);
    to[1] = first ? odd : V::add_shorts(to[1], odd);
  }
};

}  // namespace
}  // namespace edgenet::x86
