// Counting of 32 products at a time in bit slices: a vector holds one bit of 512 or 256 lanes, and counts are added up
// bit by bit. Needs AVX-512.
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
#include <cstring>

#include "kernels/x86/xnor_conv_count.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int kLowPlanes = 7;            ///< bits of a count that are added up in registers; a chunk adds 128 at most
constexpr int64_t kBundleVectors = 128;  ///< 15 majorities x 8, then a pair's majority and parity x 4

/// The numbers of 64 lanes whose bits are 8 bytes in each of `planes` planes, a byte of them a lane.
EDGENET_INLINE void gather_lanes(const uint8_t* plane, int64_t plane_bytes, int planes, __m512i& low, __m512i& high) {
  low = high = _mm512_setzero_si512();
  const auto add_bit = [&](__m512i& sum, int bit) EDGENET_LAMBDA {
    uint64_t lanes;
    std::memcpy(&lanes, plane, 8);
    sum = _mm512_mask_add_epi8(sum, lanes, sum, _mm512_set1_epi8(static_cast<char>(1 << bit)));
    plane += plane_bytes;
  };
  unroll<kLowPlanes>([&](auto bit) EDGENET_LAMBDA { add_bit(low, bit); });
  if (planes > 7) add_bit(low, 7);
  for (int bit = 8; bit < planes; ++bit) add_bit(high, bit - 8);
}

/// The numbers whose bits are `planes` vectors of `bytes` bytes, lane by lane.
template <int64_t bytes>
void store_lanes(const uint8_t* from, int planes, uint16_t* to) {
  const auto widen = [](__m256i low, __m256i high) EDGENET_LAMBDA {
    return _mm512_or_si512(_mm512_cvtepu8_epi16(low), _mm512_slli_epi16(_mm512_cvtepu8_epi16(high), 8));
  };
  for (int64_t word = 0; word < bytes; word += 8, to += 64) {
    __m512i low, high;
    gather_lanes(from + word, bytes, planes, low, high);
    _mm512_store_si512(to, widen(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high)));
    _mm512_store_si512(to + 32, widen(_mm512_extracti64x4_epi64(low, 1), _mm512_extracti64x4_epi64(high, 1)));
  }
}

/// What slices of every width do alike.
template <class S>
struct SliceOf {
  static void store_counts(const uint8_t* from, int planes, uint16_t* to) { store_lanes<S::kBytes>(from, planes, to); }
  template <class Vector>
  static Vector parity(Vector a, Vector b, Vector c) {
    return S::template logic<0x96>(a, b, c);
  }
  /// a < b of numbers whose lower bits compare as `below`.
  template <class Vector>
  static Vector below(Vector a, Vector b, Vector below) {
    return S::template logic<0x8e>(a, b, below);
  }
  /// The bits from `bit` on.
  static auto load_bits(const uint64_t* words, int64_t bit) {
    const int shift = static_cast<int>(bit % 64);
    return S::shift_right(S::load_words(words + bit / 64), _mm_cvtsi32_si128(shift)) |
           S::shift_left(S::load_words(words + bit / 64 + 1), _mm_cvtsi32_si128(64 - shift));
  }
};

struct Slice512 : SliceOf<Slice512> {
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
  static Vector all(bool bit) { return _mm512_set1_epi64(-static_cast<int64_t>(bit)); }
  static Vector load_words(const uint64_t* words) { return _mm512_loadu_si512(words); }
  static Vector shift_right(Vector words, __m128i by) { return _mm512_srl_epi64(words, by); }
  static Vector shift_left(Vector words, __m128i by) { return _mm512_sll_epi64(words, by); }
};

struct Slice256 : SliceOf<Slice256> {
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
  static Vector all(bool bit) { return _mm256_set1_epi64x(-static_cast<int64_t>(bit)); }
  static Vector load_words(const uint64_t* words) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
  }
  static Vector shift_right(Vector words, __m128i by) { return _mm256_srl_epi64(words, by); }
  static Vector shift_left(Vector words, __m128i by) { return _mm256_sll_epi64(words, by); }
};

struct Slice128 : SliceOf<Slice128> {
  using Vector = __m128i;
  static constexpr int64_t kBytes = 16;
  static Vector zero() { return _mm_setzero_si128(); }
  static Vector load(const void* from) { return _mm_load_si128(static_cast<const __m128i*>(from)); }
  static void store(void* to, Vector v) { _mm_store_si128(static_cast<__m128i*>(to), v); }
  /// c is the lowest bit of the index into the truth table.
  template <int table>
  static Vector logic(Vector a, Vector b, Vector c) {
    return _mm_ternarylogic_epi64(a, b, c, table);
  }
  static Vector all(bool bit) { return _mm_set1_epi64x(-static_cast<int64_t>(bit)); }
  static Vector load_words(const uint64_t* words) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(words)); }
  static Vector shift_right(Vector words, __m128i by) { return _mm_srl_epi64(words, by); }
  static Vector shift_left(Vector words, __m128i by) { return _mm_sll_epi64(words, by); }
};

/// The code of 32 bits.
EDGENET_INLINE BundleCode bundle_code(uint32_t bits) {
  const uint32_t ones = static_cast<uint32_t>(_pext_u32(bits ^ bits >> 1 ^ bits >> 2, 0x9249249)) | bits >> 30 << 10;
  const uint32_t twos = static_cast<uint32_t>(_pext_u32(ones ^ ones >> 1 ^ ones >> 2, 0x249));
  const uint32_t last = ((twos ^ twos >> 1 ^ twos >> 2) & 1) | twos >> 3 << 1;
  const uint64_t rest = ones | static_cast<uint64_t>(twos & 7) << 12 | last << 15;
  const uint64_t tables[2] = {_pdep_u64(bits, 0x3838383838383838),
                              _pdep_u64((bits >> 24 & 0x3f) | rest << 6, 0x3038383838383838)};
  BundleCode code;
  std::memcpy(code.table, tables, sizeof(code.table));
  return code;
}

/// The bits of a code.
EDGENET_INLINE uint32_t bundle_bits(const BundleCode& code) {
  uint64_t tables[2];
  std::memcpy(tables, code.table, sizeof(tables));
  const uint64_t low = _pext_u64(tables[0], 0x3838383838383838), high = _pext_u64(tables[1], 0x3838);
  return static_cast<uint32_t>(low | high << 24 | uint64_t{code.table[13]} >> 4 << 30);
}

template <class S>
class Bundles {
  using Vector = typename S::Vector;

 public:
  static constexpr int64_t kBytes = kBundleVectors * S::kBytes;  ///< of a bundle's tables

  /// Finds the tables of a bundle; leaf(i) gives its vectors, clear outside `inside`, where nothing is counted.
  template <class Leaf>
  static EDGENET_INLINE void find_tables(const Leaf& leaf, Vector inside, uint8_t* to) {
    const auto three = [&](int tree, Vector a, Vector b, Vector c) EDGENET_LAMBDA {
      unroll<4>([&](auto i) EDGENET_LAMBDA {
        // Flipped signs flip the majority; where at most one is flipped, clear bits have a clear one.
        constexpr int signs = decltype(i)::value < 3 ? decltype(i)::value : 4;
        const Vector majority = S::template logic<flipped_majority(signs)>(a, b, c);
        S::store(to + (tree * 8 + signs) * S::kBytes, majority);
        S::store(to + (tree * 8 + 7 - signs) * S::kBytes, majority ^ inside);
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
      S::store(pair, S::template logic<flipped_pair(decltype(signs)::value)>(first, second, inside));
      S::store(pair + S::kBytes, S::template logic<flipped_parity(decltype(signs)::value)>(first, second, inside));
    });
  }

  /// Adds up to kChunkBundles bundles to counts of `planes` bits, at least kLowPlanes: to.store(plane, vector) the sums
  /// of what is counted and from.load(plane).
  template <class From, class To>
  static EDGENET_INLINE void add(const uint8_t* tables, const BundleCode* codes, int64_t bundles, int planes,
                                 const From& from, const To& to) {
    if (bundles == kChunkBundles) return add_all<kChunkBundles>(tables, codes, planes, from, to);
    if (bundles == 3) return add_all<3>(tables, codes, planes, from, to);
    if (bundles == 2) return add_all<2>(tables, codes, planes, from, to);
    add_all<1>(tables, codes, planes, from, to);
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
  /// Bits that are yet to be added up, at most two of a weight.
  class Sum {
   public:
    template <int weight>
    EDGENET_INLINE void add(Vector bit) {
      if constexpr (weight == kLowPlanes) {
        carry_ = carry_ | bit;  // one at most is set, as a count of 127 grows by 128 at most
      } else {
        if (counts_[weight] < 2) {
          bits_[weight][counts_[weight]++] = bit;
          return;
        }
        counts_[weight] = 1;
        add<weight + 1>(Bundles::add(bits_[weight][0], bits_[weight][1], bit));
      }
    }
    /// With one bit more, all of a weight.
    template <int weight>
    EDGENET_INLINE Vector finish(Vector bit) {
      if (counts_[weight] == 0) return bit;
      Vector& sum = bits_[weight][0];
      add<weight + 1>(counts_[weight] == 1 ? Bundles::add(sum, bit) : Bundles::add(sum, bits_[weight][1], bit));
      return sum;
    }
    /// Of weight 128.
    EDGENET_INLINE Vector carry() const { return carry_; }

   private:
    Vector bits_[kLowPlanes][2];
    Vector carry_ = S::zero();
    int counts_[kLowPlanes] = {};
  };

  template <int bundles, class From, class To>
  static EDGENET_INLINE void add_all(const uint8_t* tables, const BundleCode* codes, int planes, const From& from,
                                     const To& to) {
    Sum sum;
    unroll<bundles>([&](auto i) EDGENET_LAMBDA { look_up(tables + i * kBytes, codes[i], sum); });
    // What was counted comes last, so that one visit need not wait for the one before.
    unroll<kLowPlanes>([&](auto i)
                           EDGENET_LAMBDA { to.store(i, sum.template finish<decltype(i)::value>(from.load(i))); });
    Vector carry = sum.carry();
    for (int plane = kLowPlanes; plane < planes; ++plane) {
      Vector bits = from.load(plane);
      carry = add(bits, carry);
      to.store(plane, bits);
    }
  }

  static EDGENET_INLINE void look_up(const uint8_t* tables, const BundleCode& code, Sum& sum) {
    unroll<16>([&](auto tree) EDGENET_LAMBDA {
      sum.template add<1>(S::load(tables + tree * 8 * S::kBytes + code.table[tree] * (S::kBytes / 8)));
    });
    sum.template add<0>(S::load(tables + (15 * 8 + 1) * S::kBytes + code.table[15] * (S::kBytes / 8)));
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
    for (int i = 0; i < 8; ++i) table |= ((i >> 2 ^ signs) & (i >> 1 ^ signs >> 1) & i & 1) << i;
    return table;
  }
  static constexpr int flipped_parity(int signs) {
    int table = 0;
    for (int i = 0; i < 8; ++i) table |= ((i >> 2 ^ signs ^ i >> 1 ^ signs >> 1) & i & 1) << i;
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
