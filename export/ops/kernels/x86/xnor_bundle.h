// Counting of 32 products at a time in bit slices: a vector holds one bit of 512 or 256 lanes, and counts are added up bit
// by bit. Needs AVX-512.
//
// A lane has 32 bits of its own (a leaf each: vectors), and all lanes meet the same 32 bits of the other side. Three of
// those choose one of 8 tables of the majority of the three differences, which counts twice. What is left to count is
// the parity, and the parity of three differences is that of three leaves, flipped by that of the other side: a leaf
// again. So of 32 leaves 10 threes are looked up, 4 threes of what they leave, then one, and a pair: 16 majorities and
// a parity, which take 17 loads and 33 logical operations for 32 products of all lanes. A byte of a code for each
// says which table.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/x86/xnor_conv_count.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int kLowPlanes = 7;            ///< bits of a count that are added up in registers; a chunk adds 128 at most
constexpr int64_t kBundleVectors = 128;  ///< 15 majorities x 8, then a pair's majority and parity x 4

struct Slice512 {
  using Vector = __m512i;
  static constexpr int64_t kBytes = 64;
  static Vector zero() { return _mm512_setzero_si512(); }
  static Vector load(const void* from) { return _mm512_load_si512(from); }
  static void store(void* to, Vector v) { _mm512_store_si512(to, v); }
  static Vector load_halves(const void* low, const void* high) {
    const __m512i half = _mm512_castsi256_si512(_mm256_load_si256(static_cast<const __m256i*>(low)));
    return _mm512_inserti64x4(half, _mm256_load_si256(static_cast<const __m256i*>(high)), 1);
  }
  static void store_halves(void* low, void* high, Vector v) {
    _mm256_store_si256(static_cast<__m256i*>(low), _mm512_castsi512_si256(v));
    _mm256_store_si256(static_cast<__m256i*>(high), _mm512_extracti64x4_epi64(v, 1));
  }
  /// c is the lowest bit of the index into the truth table.
  template <int table>
  static Vector logic(Vector a, Vector b, Vector c) {
    return _mm512_ternarylogic_epi64(a, b, c, table);
  }
  static Vector parity(Vector a, Vector b, Vector c) { return logic<0x96>(a, b, c); }
  /// a < b of numbers whose lower bits compare as `below`.
  static Vector below(Vector a, Vector b, Vector below) { return logic<0x8e>(a, b, below); }
  static Vector all(bool bit) { return _mm512_set1_epi64(-static_cast<int64_t>(bit)); }
  static Vector without(Vector a, Vector b) { return _mm512_andnot_si512(b, a); }
  /// The bits from `bit` on.
  static Vector load_bits(const uint64_t* words, int64_t bit) {
    const __m512i low = _mm512_loadu_si512(words + bit / 64);
    const __m512i high = _mm512_loadu_si512(words + bit / 64 + 1);
    const int shift = static_cast<int>(bit % 64);
    return _mm512_or_si512(_mm512_srl_epi64(low, _mm_cvtsi32_si128(shift)),
                           _mm512_sll_epi64(high, _mm_cvtsi32_si128(64 - shift)));
  }
};

struct Slice256 {
  using Vector = __m256i;
  static constexpr int64_t kBytes = 32;
  static Vector zero() { return _mm256_setzero_si256(); }
  static Vector load(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
  static void store(void* to, Vector v) { _mm256_store_si256(static_cast<__m256i*>(to), v); }
  /// c is the lowest bit of the index into the truth table.
  template <int table>
  static Vector logic(Vector a, Vector b, Vector c) {
    return _mm256_ternarylogic_epi64(a, b, c, table);
  }
  static Vector parity(Vector a, Vector b, Vector c) { return logic<0x96>(a, b, c); }
  static Vector below(Vector a, Vector b, Vector below) { return logic<0x8e>(a, b, below); }
  static Vector all(bool bit) { return _mm256_set1_epi64x(-static_cast<int64_t>(bit)); }
  static Vector without(Vector a, Vector b) { return _mm256_andnot_si256(b, a); }
  static Vector load_bits(const uint64_t* words, int64_t bit) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + bit / 64));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + bit / 64 + 1));
    const int shift = static_cast<int>(bit % 64);
    return _mm256_or_si256(_mm256_srl_epi64(low, _mm_cvtsi32_si128(shift)),
                           _mm256_sll_epi64(high, _mm_cvtsi32_si128(64 - shift)));
  }
};

/// The code of 32 bits, as XnorBundleCodes has it.
EDGENET_INLINE uint64_t bundle_code(uint32_t bits) {
  const uint32_t ones = static_cast<uint32_t>(_pext_u32(bits ^ bits >> 1 ^ bits >> 2, 0x9249249)) | bits >> 30 << 10;
  const uint32_t twos = static_cast<uint32_t>(_pext_u32(ones ^ ones >> 1 ^ ones >> 2, 0x249));
  const uint32_t last = ((twos ^ twos >> 1 ^ twos >> 2) & 1) | twos >> 3 << 1;
  const uint64_t rest = ones | static_cast<uint64_t>(twos & 7) << 12 | last << 15;
  return (bits & 0x3fffffff) | rest << 30;
}

template <class S>
class Bundles {
  using Vector = typename S::Vector;

 public:
  static constexpr int64_t kBytes = kBundleVectors * S::kBytes;  ///< of a bundle's tables

  /// Finds the tables of a bundle; leaf(i) gives its vectors. Where `mask` clears a lane nothing is counted.
  template <class Leaf, class Mask>
  static EDGENET_INLINE void find_tables(const Leaf& leaf, const Mask& mask, uint8_t* to) {
    const auto three = [&](int tree, Vector a, Vector b, Vector c) EDGENET_LAMBDA {
      unroll<8>([&](auto signs) EDGENET_LAMBDA {
        S::store(to + (tree * 8 + signs) * S::kBytes,
                 mask(S::template logic<flipped_majority(decltype(signs)::value)>(a, b, c)));
      });
      return S::parity(a, b, c);
    };
    const auto leaves = [&](int tree) EDGENET_LAMBDA {
      return three(tree, leaf(3 * tree), leaf(3 * tree + 1), leaf(3 * tree + 2));
    };
    const auto nine = [&](int i) EDGENET_LAMBDA {
      const Vector a = leaves(3 * i);
      const Vector b = leaves(3 * i + 1);
      return three(10 + i, a, b, leaves(3 * i + 2));
    };
    const Vector a = nine(0);
    const Vector b = nine(1);
    const Vector first = three(14, a, b, nine(2));
    const Vector second = three(13, leaves(9), leaf(30), leaf(31));
    unroll<4>([&](auto signs) EDGENET_LAMBDA {
      uint8_t* pair = to + (15 * 8 + 2 * signs) * S::kBytes;
      S::store(pair, mask(S::template logic<flipped_pair(decltype(signs)::value)>(first, second, second)));
      S::store(pair + S::kBytes, mask(S::template logic<flipped_parity(decltype(signs)::value)>(first, second, second)));
    });
  }

  /// Adds up to kChunkBundles bundles to the low bits of a count; the carry has weight 128.
  static EDGENET_INLINE Vector add(const uint8_t* tables, const uint64_t* codes, int64_t bundles,
                                   Vector (&bits)[kLowPlanes]) {
    Vector carry = S::zero();
    for (; bundles >= 2; bundles -= 2, tables += 2 * kBytes, codes += 2) {
      const Sum a = add_bundle(tables, codes[0], bits);
      const Sum b = add_bundle(tables + kBytes, codes[1], bits);
      const Vector c = add(bits[4], add(bits[3], add(bits[2], add(bits[1], add(bits[0], a.one, b.one)))));
      const Vector d = add(bits[5], a.carry, b.carry);
      carry = carry | add(bits[6], d, add(bits[5], c));
    }
    if (bundles > 0) {
      const Sum a = add_bundle(tables, codes[0], bits);
      const Vector c = add(bits[4], add(bits[3], add(bits[2], add(bits[1], add(bits[0], a.one)))));
      carry = carry | add(bits[6], add(bits[5], a.carry, c));
    }
    return carry;
  }

  /// Adds a and b to sum, bit by bit, and returns the carries.
  static EDGENET_INLINE Vector add(Vector& sum, Vector a, Vector b) {
    // From the new sum, so that no register needs to be copied.
    sum = S::parity(sum, a, b);
    return S::template logic<carry_table()>(a, sum, b);
  }
  static EDGENET_INLINE Vector add(Vector& sum, Vector a) {
    const Vector carry = sum & a;
    sum = sum ^ a;
    return carry;
  }

 private:
  /// What is left to add of a bundle, of weight 1 and 32.
  struct Sum {
    Vector one, carry;
  };

  static EDGENET_INLINE Sum add_bundle(const uint8_t* tables, uint64_t code, Vector (&bits)[kLowPlanes]) {
    // A byte of these is 8 times which of the 8 tables.
    const uint64_t low = _pdep_u64(code, 0x3838383838383838);
    const uint64_t high = _pdep_u64(code >> 24, 0x3038383838383838);
    const auto two = [&](int tree) EDGENET_LAMBDA {
      const uint64_t choice = (tree < 8 ? low : high) >> (8 * (tree % 8)) & 255;
      return S::load(tables + tree * 8 * S::kBytes + choice * (S::kBytes / 8));
    };
    const auto four = [&](int i) EDGENET_LAMBDA {
      const Vector a = two(2 * i);
      return add(bits[1], a, two(2 * i + 1));
    };
    const auto eight = [&](int i) EDGENET_LAMBDA {
      const Vector a = four(2 * i);
      return add(bits[2], a, four(2 * i + 1));
    };
    const auto sixteen = [&](int i) EDGENET_LAMBDA {
      const Vector a = eight(2 * i);
      return add(bits[3], a, eight(2 * i + 1));
    };
    const Vector a = sixteen(0);
    const Vector carry = add(bits[4], a, sixteen(1));
    return {S::load(tables + (15 * 8 + 1) * S::kBytes + (high >> 56) * (S::kBytes / 8)), carry};
  }

  /// Truth tables, by a, b and c from the highest bit of the index to the lowest.
  static constexpr int flipped_majority(int signs) {
    int table = 0;
    for (int i = 0; i < 8; ++i) {
      const int a = (i >> 2 ^ signs) & 1, b = (i >> 1 ^ signs >> 1) & 1, c = (i ^ signs >> 2) & 1;
      table |= (a + b + c >= 2) << i;
    }
    return table;
  }
  static constexpr int flipped_pair(int signs) {
    int table = 0;
    for (int i = 0; i < 8; ++i) table |= ((i >> 2 ^ signs) & (i >> 1 ^ signs >> 1) & 1) << i;
    return table;
  }
  static constexpr int flipped_parity(int signs) {
    int table = 0;
    for (int i = 0; i < 8; ++i) table |= ((i >> 2 ^ signs ^ i >> 1 ^ signs >> 1) & 1) << i;
    return table;
  }
  /// The majority of a, c and what b was before it became the parity of all three.
  static constexpr int carry_table() {
    int table = 0;
    for (int i = 0; i < 8; ++i) {
      const int a = i >> 2 & 1, b = i >> 1 & 1, c = i & 1;
      table |= (a + (a ^ b ^ c) + c >= 2) << i;
    }
    return table;
  }
};

}  // namespace
}  // namespace edgenet::x86
