// Counting in how many of 5 channels signs and weights differ, by tables in memory.
//
// For 5 channels under a tap there are 32 choices of weights. An entry is what each counts at 64 or 128 positions, two
// a byte: positions of the first half of a tile in the low nibbles, of the second in the high ones. An output channel
// adds the entries of its weights, three of which fit a nibble. Sums of those are kept of whole bytes, modulo 256, and
// of bytes shifted by 4 bits across byte borders: that parts into 4 sums of 16 bits, exactly, as long as none passes
// 255. Three entries are 960 products of a vector in 3 loads and 5 other operations, where pshufb takes 3 look-ups, 3
// loads and 5 others for 768.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/avx2/sum_layout.h"
#include "kernels/x86/xnor_conv_count.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

constexpr int64_t kTableEntries = 32;
constexpr int64_t kGroupEntries = 3;  ///< 3 counts of at most 5 fit a nibble
constexpr int64_t kMostGroups = 17;   ///< 17 sums of at most 15 fit a byte

template <int vectors>
struct SumTables {
  static constexpr int64_t kEntryBytes = vectors * 32;
  static constexpr int64_t kBytes = kTableEntries * kEntryBytes;

  /// Finds a table of the bytes of positions from low and, for the other half, from high on.
  EDGENET_NOINLINE static void find(const uint8_t* low, const uint8_t* high, uint8_t* to) {
    for (int v = 0; v < vectors; ++v) find_vector(load(low + 32 * v), load(high + 32 * v), to + 32 * v);
  }

  static __m256i load(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

 private:
  static EDGENET_INLINE void find_vector(__m256i low, __m256i high, uint8_t* to) {
    const __m256i one = _mm256_set1_epi8(1), sixteen = _mm256_set1_epi8(16);
    const auto both = [&](__m256i a, __m256i b) EDGENET_LAMBDA {
      return _mm256_or_si256(_mm256_and_si256(a, one), _mm256_and_si256(b, sixteen));
    };
    const __m256i pixels = both(_mm256_srli_epi16(low, 7), _mm256_srli_epi16(high, 3));
    __m256i differ = _mm256_setzero_si256();  // from weights that are all -1
    __m256i step[kFive];                      // what a weight of +1 counts more
    x86::unroll<kFive>([&](auto k) EDGENET_LAMBDA {
      constexpr int up = k < 4 ? 4 - k : 0;
      const __m256i signs = both(_mm256_srli_epi16(low, k), _mm256_slli_epi16(high, up));
      differ = _mm256_add_epi8(differ, signs);
      step[k] = _mm256_sub_epi8(pixels, _mm256_add_epi8(signs, signs));
    });
    store<kFive - 1, 0>(differ, step, to);
  }

  template <int channel, int code>
  static EDGENET_INLINE void store(__m256i value, const __m256i (&step)[kFive], uint8_t* to) {
    if constexpr (channel < 0) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + code * kEntryBytes), value);
    } else {
      store<channel - 1, code>(value, step, to);
      store<channel - 1, code + (1 << channel)>(_mm256_add_epi8(value, step[channel]), step, to);
    }
  }
};

/// The entries of a group come from one table (three taps of a row, with a stride of 1), from two (with a stride of 2
/// the outer taps share one), or from three.
template <int tables>
struct SumGroup {
  static_assert(tables >= 1 && tables <= kGroupEntries);
  static constexpr int64_t kReaches = 3 - tables;  ///< how far taps are apart that share a table
  static constexpr int64_t table(int64_t entry) { return tables == 1 ? 0 : tables == 2 ? entry / 2 : entry; }
  static constexpr int64_t reaches(int64_t entry) { return tables == 1 ? entry : tables == 2 ? entry % 2 : 0; }
  /// Of the tap in a column of the kernel.
  static constexpr int64_t entry(int64_t column) { return tables == 2 ? (3 - column) % 3 : column; }
};

/// What an output channel has counted of a tile.
template <int vectors>
struct alignas(64) TileSums {
  __m256i all[vectors], high[vectors];  ///< of whole bytes, and of bytes shifted by 4 bits
  __m256i words[vectors][4];            ///< of the low nibbles of even and odd bytes, then of the high ones
};

/// What comes before and after counting some groups.
struct SumVisit {
  bool resume;     ///< go on from sums of bytes
  bool part;       ///< add them to words
  bool add_words;  ///< which there are
};

/// Parts sums of bytes.
template <int vectors>
EDGENET_INLINE void part_sums(const __m256i (&all)[vectors], const __m256i (&high)[vectors], bool add,
                              TileSums<vectors>& sums) {
  x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
    const __m256i byte = _mm256_set1_epi16(255);
    const auto less = [&](__m256i sum, __m256i nibbles) EDGENET_LAMBDA {
      return _mm256_and_si256(_mm256_sub_epi16(sum, _mm256_slli_epi16(nibbles, 4)), byte);
    };
    // An odd byte's high nibbles were shifted across no border; all others hold 16 times what comes next as well.
    const __m256i odd_high = _mm256_srli_epi16(high[v], 8);
    const __m256i odd_low = less(_mm256_srli_epi16(all[v], 8), odd_high);
    const __m256i even_high = less(high[v], odd_low);
    const __m256i even_low = less(all[v], even_high);
    __m256i* words = sums.words[v];
    if (add) {
      words[0] = _mm256_add_epi16(words[0], even_low);
      words[1] = _mm256_add_epi16(words[1], odd_low);
      words[2] = _mm256_add_epi16(words[2], even_high);
      words[3] = _mm256_add_epi16(words[3], odd_high);
    } else {
      words[0] = even_low;
      words[1] = odd_low;
      words[2] = even_high;
      words[3] = odd_high;
    }
  });
}

/// Adds the entries of `groups` words of codes for two output channels: 3 bytes for each, 8 times the number of an
/// entry. Taps that share a table meet positions `reach` apart; `known` is that, or 0 for any.
template <int vectors, int tables, int known>
EDGENET_NOINLINE void count_groups(const uint8_t* table, const uint64_t* codes, int64_t groups, int64_t reach,
                                   const SumVisit& visit, TileSums<vectors>* sums) {
  using Tables = SumTables<vectors>;
  using Group = SumGroup<tables>;
  constexpr int64_t kScale = Tables::kEntryBytes / 8;
  if (known > 0) reach = known;
  // Only bytes of one cache line are read.
  const int64_t next = 32 - Group::kReaches * reach;
  __m256i all[2][vectors], high[2][vectors];
  x86::unroll<2>([&](auto i) EDGENET_LAMBDA {
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
      all[i][v] = visit.resume ? sums[i].all[v] : _mm256_setzero_si256();
      high[i][v] = visit.resume ? sums[i].high[v] : _mm256_setzero_si256();
    });
  });
#pragma GCC unroll 2
  for (int64_t group = 0; group < groups; ++group) {
    size_t code = codes[group];
    size_t entry[2 * kGroupEntries];
    x86::unroll<kGroupEntries>([&](auto i) EDGENET_LAMBDA {
      entry[2 * i] = code & 255;
      entry[2 * i + 1] = code >> 8 & 255;
      code >>= 16;
      __asm__("" : "+Q"(code));  // bytes of this register cost one instruction each
    });
    x86::unroll<2>([&](auto i) EDGENET_LAMBDA {
      x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
        const auto load = [&](auto e) EDGENET_LAMBDA {
          const int64_t at = Group::table(e) * Tables::kBytes + Group::reaches(e) * reach + v * next;
          return Tables::load(table + entry[3 * i + e] * kScale + at);
        };
        __m256i three = _mm256_add_epi8(load(std::integral_constant<int, 1>{}), load(std::integral_constant<int, 0>{}));
        three = _mm256_add_epi8(three, load(std::integral_constant<int, 2>{}));
        all[i][v] = _mm256_add_epi8(all[i][v], three);
        high[i][v] = _mm256_add_epi8(high[i][v], _mm256_srli_epi16(three, 4));
      });
    });
    table += tables * Tables::kBytes;
  }
  x86::unroll<2>([&](auto i) EDGENET_LAMBDA {
    if (visit.part) return part_sums<vectors>(all[i], high[i], visit.add_words, sums[i]);
    x86::unroll<vectors>([&](auto v) EDGENET_LAMBDA {
      sums[i].all[v] = all[i][v];
      sums[i].high[v] = high[i][v];
    });
  });
}

}  // namespace
}  // namespace edgenet::avx2
