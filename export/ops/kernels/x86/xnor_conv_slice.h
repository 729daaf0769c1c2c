// XNOR convolution by bit slices: a vector holds one bit of 512 or 256 output positions, and counts are added up bit by
// bit. For images of many positions and output channels; needs AVX-512.
//
// Three weights of an output channel choose one of 8 tables, which hold for every position whether the sum and the
// carry of the three differing signs are set. So three weights of 512 positions take two loads and 3.75 logical
// operations where the byte tables take 12 look-ups and 24 additions. A padded position differs from nothing.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_bounds.h"
#include "kernels/x86/xnor_conv_count.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_conv_slice_plan.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int kGroupTables = 1 << kGroup;  ///< each of a sum and a carry
constexpr int64_t kChunkGroups = 96;       ///< whose tables are found together

struct Slice512 {
  using Vector = __m512i;
  static constexpr int64_t kBytes = 64;
  static Vector zero() { return _mm512_setzero_si512(); }
  static Vector load(const void* from) { return _mm512_load_si512(from); }
  static void store(void* to, Vector v) { _mm512_store_si512(to, v); }
  /// c is the lowest bit of the index into the truth table.
  template <int table>
  static Vector logic(Vector a, Vector b, Vector c) {
    return _mm512_ternarylogic_epi64(a, b, c, table);
  }
  static Vector majority(Vector a, Vector b, Vector c) { return logic<0xe8>(a, b, c); }
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
  static Vector majority(Vector a, Vector b, Vector c) { return logic<0xe8>(a, b, c); }
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

/// Bytes of 4 signs as a row of bits a channel, `row_words` words apart.
void slice_quad(const uint8_t* signs, int64_t count, uint64_t* rows, int64_t row_words) {
  for (int64_t i = 0; i < count / 64; ++i) {
    const __m512i bytes = _mm512_loadu_si512(signs + 64 * i);
    for (int channel = 0; channel < kQuad; ++channel) {
      rows[channel * row_words + i] = _mm512_test_epi8_mask(bytes, _mm512_set1_epi8(static_cast<char>(1 << channel)));
    }
  }
}

/// Which of these bytes are no padding.
void slice_inside(const uint8_t* signs, int64_t count, uint64_t* row) {
  for (int64_t i = 0; i < count / 64; ++i) row[i] = ~_mm512_movepi8_mask(_mm512_loadu_si512(signs + 64 * i));
}

/// The outputs of a slice of positions, for some output channels of a unit.
template <class S>
class Slice {
  using Vector = typename S::Vector;

 public:
  static constexpr int64_t kLanes = S::kBytes * 8;

  Slice(const SliceUnit& unit, int64_t position, int64_t channels)
      : unit_(unit),
        position_(position),
        channels_(channels),
        memory_((kTableBytes + kMostSliceTaps * S::kBytes + (channels + 1) * unit.planes * S::kBytes) / 4) {}

  /// Convolves for channels from `channel` on.
  void convolve(const UnitOutputs& outputs, int64_t channel) {
    start();
    for (int64_t tap = 0; tap < unit_.taps; ++tap) {
      const int64_t bits = unit_.tap_bits[tap];
      S::store(inside(tap), bits < 0 ? S::zero() : S::load_bits(unit_.inside, bits + position_));
    }
    const int64_t groups = unit_.groups();
    for (int64_t group = 0; group < groups; group += kChunkGroups) {
      const int64_t chunk = smaller(kChunkGroups, groups - group);
      find_tables(group, chunk);
      for (int64_t c = 0; c < channels_; ++c) {
        alignas(64) uint8_t choices[kChunkGroups];
        choose(channel + c, group, chunk, choices);
        add_groups(choices, chunk, group == 0 ? planes(-1) : planes(c), planes(c));
        // At once, so that stores to memory go on beside the next channel's counting.
        if (group + chunk == groups && !outputs.form.to_signs) finish_floats(outputs, channel + c, c);
      }
    }
    if (outputs.form.to_signs) finish_signs(outputs, channel);
  }

 private:
  static constexpr int64_t kGroupBytes = 2 * kGroupTables * S::kBytes;
  static constexpr int64_t kTableBytes = kChunkGroups * kGroupBytes;

  void finish_signs(const UnitOutputs& outputs, int64_t channel) const {
    const int64_t lanes = smaller(kLanes, outputs.outputs - position_);
    for (int64_t first = 0; first < channels_; first += 8) {
      const int64_t count = smaller(8, channels_ - first);
      if (has_bounds(channel + first, count)) {
        finish_by_bounds(outputs, channel, first, count, lanes);
      } else {
        alignas(64) uint16_t counts[8][kLanes];
        for (int64_t c = 0; c < count; ++c) store_counts(first + c, counts[c]);
        x86::finish_signs<Floats512>(outputs, {channel + first, count, position_, lanes, counts[0], kLanes});
      }
    }
  }

  EDGENET_NOINLINE void finish_floats(const UnitOutputs& outputs, int64_t channel, int64_t c) const {
    const int64_t lanes = smaller(kLanes, outputs.outputs - position_);
    float* y = outputs.y + channel * outputs.outputs + position_;
    for (int64_t i = 0; i < lanes; i += 64) {
      const CountBytes bytes = count_bytes(c, i);
      const auto put = [&](auto quarter, int64_t left) EDGENET_LAMBDA {
        __m512i count = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes.low, quarter));
        if (unit_.planes > 8) {
          const __m512i high = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes.high, quarter));
          count = _mm512_or_si512(count, _mm512_slli_epi32(high, 8));
        }
        const int64_t at = i + 16 * quarter;
        Floats512::store(y + at, finished<Floats512>(outputs, channel, position_ + at, left, _mm512_cvtepi32_ps(count)),
                         left);
      };
      if (lanes - i >= 64) {
        unroll<4>([&](auto quarter) EDGENET_LAMBDA { put(quarter, Floats512::kCount); });
      } else {
        unroll<4>([&](auto quarter) EDGENET_LAMBDA {
          const int64_t left = lanes - i - 16 * quarter;
          if (left > 0) put(quarter, left);
        });
      }
    }
  }

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(memory_.data()); }
  uint8_t* tables() { return bytes(); }
  uint8_t* inside(int64_t tap) { return bytes() + kTableBytes + tap * S::kBytes; }
  /// The bits of a channel's counts, a vector a bit; of channel -1 what all begin with.
  const uint8_t* planes(int64_t channel) const {
    return reinterpret_cast<const uint8_t*>(memory_.data()) + kTableBytes + kMostSliceTaps * S::kBytes +
           (channel + 1) * unit_.planes * S::kBytes;
  }
  uint8_t* planes(int64_t channel) { return const_cast<uint8_t*>(static_cast<const Slice*>(this)->planes(channel)); }

  /// Counts begin with half of the weights that meet padding, so that dot = inputs - 2 * count, less 1 if those are
  /// odd.
  void start() {
    auto* halves = reinterpret_cast<uint16_t*>(planes(-1));
    for (int64_t i = 0; i < kLanes; i += 16) {
      const __m512i valid = _mm512_cvtps_epi32(_mm512_loadu_ps(unit_.valid + position_ + i));
      const __m512i half =
          _mm512_srli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(static_cast<int>(unit_.inputs)), valid), 1);
      for (int plane = 0; plane < unit_.planes; ++plane) {
        halves[plane * kLanes / 16 + i / 16] = _mm512_test_epi32_mask(half, _mm512_set1_epi32(1 << plane));
      }
    }
  }

  EDGENET_NOINLINE void find_tables(int64_t group, int64_t groups) {
    const uint64_t* row = unit_.rows + group * kGroup / unit_.taps * unit_.row_words;
    int64_t tap = group * kGroup % unit_.taps;
    int64_t left = unit_.inputs - group * kGroup;
    for (uint8_t* to = tables(); groups > 0; --groups, to += kGroupBytes) {
      Vector differs[kGroup][2];  // from a weight of -1 and of +1
      unroll<kGroup>([&](auto i) EDGENET_LAMBDA {
        const Vector in = left > 0 ? S::load(inside(tap)) : S::zero();
        __builtin_prefetch(row + (larger(unit_.tap_bits[tap], 0) + position_) / 64 + 17, 0, 2);  // of the next slice
        const Vector signs = left > 0 ? S::load_bits(row, larger(unit_.tap_bits[tap], 0) + position_) : S::zero();
        differs[i][0] = in & signs;
        differs[i][1] = S::without(in, signs);
        --left;
        if (++tap == unit_.taps) {
          tap = 0;
          row += unit_.row_words;
        }
      });
      unroll<kGroupTables>([&](auto weights) EDGENET_LAMBDA {
        const Vector a = differs[0][weights & 1];
        const Vector b = differs[1][weights >> 1 & 1];
        const Vector c = differs[2][weights >> 2];
        S::store(to + 2 * weights * S::kBytes, S::parity(a, b, c));
        S::store(to + (2 * weights + 1) * S::kBytes, S::majority(a, b, c));
      });
    }
  }

  /// choices[g] = 16 times the three weights of a group.
  void choose(int64_t channel, int64_t group, int64_t groups, uint8_t* choices) const {
    const uint8_t* from = unit_.weights + channel * unit_.row_bytes + group * kGroup / 8;
    for (int64_t g = 0; g < groups; g += 8, from += kGroup) {
      uint32_t bits = 0;
      const int64_t left = unit_.weights_end - from;
      if (left >= 4) {
        std::memcpy(&bits, from, 4);
      } else {
        for (int64_t i = 0; i < left; ++i) bits |= static_cast<uint32_t>(from[i]) << (8 * i);
      }
      const uint64_t bytes = _pdep_u64(bits, 0x7070707070707070);
      std::memcpy(choices + g, &bytes, 8);
    }
  }

  /// Adds a and b to sum, bit by bit, and returns the carries.
  static EDGENET_INLINE Vector add(Vector& sum, Vector a, Vector b) {
    const Vector carry = S::majority(sum, a, b);
    sum = S::parity(sum, a, b);
    return carry;
  }
  static EDGENET_INLINE Vector add(Vector& sum, Vector a) {
    const Vector carry = sum & a;
    sum = sum ^ a;
    return carry;
  }

  /// Adds 8 groups to the bits of weight 1, 2 and 4; the carries have weight 8.
  static EDGENET_INLINE void add_8_groups(const uint8_t* tables, const uint8_t* choices, Vector (&bits)[kLowPlanes],
                                          Vector (&eights)[3]) {
    const auto sum = [&](int g) EDGENET_LAMBDA {
      return S::load(tables + g * kGroupBytes + choices[g] * (kGroupBytes / 128));
    };
    const auto carry = [&](int g) EDGENET_LAMBDA {
      return S::load(tables + g * kGroupBytes + choices[g] * (kGroupBytes / 128) + S::kBytes);
    };
    const Vector a = add(bits[0], sum(0), sum(1));
    const Vector b = add(bits[1], carry(0), carry(1));
    const Vector c = add(bits[0], sum(2), sum(3));
    const Vector d = add(bits[1], carry(2), carry(3));
    const Vector e = add(bits[1], a, c);
    eights[0] = add(bits[2], b, d);
    const Vector f = add(bits[0], sum(4), sum(5));
    const Vector g = add(bits[1], carry(4), carry(5));
    const Vector h = add(bits[0], sum(6), sum(7));
    eights[1] = add(bits[2], e, g);
    const Vector i = add(bits[1], carry(6), carry(7));
    const Vector j = add(bits[1], f, h);
    eights[2] = add(bits[2], i, j);
  }

  /// The same for 16 groups; the carries have weight 16.
  static EDGENET_INLINE void add_16_groups(const uint8_t* tables, const uint8_t* choices, Vector (&bits)[kLowPlanes],
                                           Vector (&sixteens)[3]) {
    Vector a[3], b[3];
    add_8_groups(tables, choices, bits, a);
    add_8_groups(tables + 8 * kGroupBytes, choices + 8, bits, b);
    sixteens[0] = add(bits[3], a[0], a[1]);
    sixteens[1] = add(bits[3], a[2], b[0]);
    sixteens[2] = add(bits[3], b[1], b[2]);
  }

  /// to = from + how many signs differ from the chosen weights.
  EDGENET_NOINLINE void add_groups(const uint8_t* choices, int64_t groups, const uint8_t* from, uint8_t* to) {
    const uint8_t* table = tables();
    Vector bits[kLowPlanes];
    unroll<kLowPlanes>([&](auto i) EDGENET_LAMBDA { bits[i] = S::load(from + i * S::kBytes); });
    Vector high = S::zero(), higher = S::zero();  // of weight 128 and 256
    for (; groups >= 32; groups -= 32, table += 32 * kGroupBytes, choices += 32) {
      Vector a[3], b[3];
      add_16_groups(table, choices, bits, a);
      add_16_groups(table + 16 * kGroupBytes, choices + 16, bits, b);
      const Vector c = add(bits[4], a[0], a[1]);
      const Vector d = add(bits[4], a[2], b[0]);
      const Vector e = add(bits[4], b[1], b[2]);
      const Vector f = add(bits[5], c, d);
      const Vector g = add(bits[5], e);
      higher = higher ^ add(high, add(bits[6], f, g));
    }
    for (; groups > 0; groups -= 8, table += 8 * kGroupBytes, choices += 8) {
      Vector a[3];
      add_8_groups(table, choices, bits, a);
      const Vector b = add(bits[3], a[0], a[1]);
      const Vector c = add(bits[3], a[2]);
      higher = higher ^ add(high, add(bits[6], add(bits[5], add(bits[4], b, c))));
    }
    unroll<kLowPlanes>([&](auto i) EDGENET_LAMBDA { S::store(to + i * S::kBytes, bits[i]); });
    Vector carry = S::zero();
    for (int plane = kLowPlanes; plane < unit_.planes; ++plane) {
      Vector sum = S::load(from + plane * S::kBytes);
      carry = add(sum, carry, high);
      high = higher;
      higher = S::zero();
      S::store(to + plane * S::kBytes, sum);
    }
  }

  bool has_bounds(int64_t channel, int64_t count) const {
    if (unit_.bounds == nullptr) return false;
    for (int64_t c = 0; c < count; ++c) {
      if (unit_.bounds[channel + c] == kNoBound) return false;
    }
    return true;
  }

  /// The lanes whose count is below the bound of a channel, or not.
  Vector met(int64_t c, int32_t bound) const {
    const int32_t limit = bound & (kFlipped - 1);
    Vector below = S::zero();
    for (int plane = 0; plane < unit_.planes; ++plane) {
      below = S::below(S::load(planes(c) + plane * S::kBytes), S::all(limit >> plane & 1), below);
    }
    if (limit >> unit_.planes != 0) below = S::all(true);
    return (bound & kFlipped) != 0 ? ~below : below;
  }

  void finish_by_bounds(const UnitOutputs& outputs, int64_t channel, int64_t first, int64_t count,
                        int64_t lanes) const {
    alignas(64) uint64_t signs[8][kLanes / 64];
    for (int64_t c = 0; c < count; ++c) S::store(signs[c], met(first + c, unit_.bounds[channel + first + c]));
    uint8_t* to = outputs.signs + (channel + first) / 8 * outputs.outputs + position_;
    for (int64_t i = 0; i < lanes; i += 64) {
      __m512i bytes = _mm512_setzero_si512();
      for (int64_t c = 0; c < count; ++c) {
        bytes = _mm512_mask_add_epi8(bytes, signs[c][i / 64], bytes, _mm512_set1_epi8(static_cast<char>(1 << c)));
      }
      const uint64_t left = lanes - i >= 64 ? ~uint64_t{0} : (uint64_t{1} << (lanes - i)) - 1;
      _mm512_mask_storeu_epi8(to + i, left, bytes);
    }
  }

  /// The counts of 64 positions, in two bytes each.
  struct CountBytes {
    __m512i low, high;
  };

  EDGENET_INLINE CountBytes count_bytes(int64_t c, int64_t lane) const {
    CountBytes bytes{_mm512_setzero_si512(), _mm512_setzero_si512()};
    const uint8_t* plane = planes(c) + lane / 8;
    const auto add_bit = [&](__m512i& to, int bit) EDGENET_LAMBDA {
      uint64_t lanes;
      std::memcpy(&lanes, plane, 8);
      to = _mm512_mask_add_epi8(to, lanes, to, _mm512_set1_epi8(static_cast<char>(1 << bit)));
      plane += S::kBytes;
    };
    unroll<kLowPlanes>([&](auto bit) EDGENET_LAMBDA { add_bit(bytes.low, bit); });
    if (unit_.planes > 7) add_bit(bytes.low, 7);
    for (int bit = 8; bit < unit_.planes; ++bit) add_bit(bytes.high, bit - 8);
    return bytes;
  }

  void store_counts(int64_t c, uint16_t* to) const {
    for (int64_t i = 0; i < kLanes; i += 64) {
      const CountBytes bytes = count_bytes(c, i);
      store_shorts(_mm512_castsi512_si256(bytes.low), _mm512_castsi512_si256(bytes.high), to + i);
      store_shorts(_mm512_extracti64x4_epi64(bytes.low, 1), _mm512_extracti64x4_epi64(bytes.high, 1), to + i + 32);
    }
  }

  static void store_shorts(__m256i low, __m256i high, uint16_t* to) {
    _mm512_store_si512(to,
                       _mm512_or_si512(_mm512_cvtepu8_epi16(low), _mm512_slli_epi16(_mm512_cvtepu8_epi16(high), 8)));
  }

  const SliceUnit& unit_;
  int64_t position_, channels_;
  AlignedWords memory_;
};

}  // namespace
}  // namespace edgenet::x86
