// XNOR convolution by bit slices whose lanes are output channels: a vector holds one bit of 512 or 256 of them, and
// counts are added up bit by bit. For layers of many output channels, whatever the image; needs AVX-512.
//
// Three signs of a position choose one of 8 tables of how three weights of every output channel differ from them: the
// majority, which counts twice. What is left to count is the parity, and the parity of three weights differs from that
// of three signs as a weight from a sign. So three parities are looked up as three weights are, and three of those:
// 27 weights of all lanes take 14 loads and 28 logical operations. A padded tap is left out.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_conv_slice.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int kTrees = 13;              ///< majorities of a bundle: of 9 triples, 3 and 1
constexpr int64_t kBundleChoices = 16;  ///< bytes; the last 2 are not used
constexpr int64_t kBundleVectors = 8 * kTrees + 2;
constexpr int64_t kChunkBundles = 4;  ///< whose tables are found together: 108 weights
constexpr int64_t kTilePositions = 128;

/// 8 times which table each majority of a bundle takes, and the parity of all.
EDGENET_INLINE void choose_tables(uint64_t signs, uint8_t* to) {
  const uint64_t nines = _pext_u64(signs ^ signs >> 1 ^ signs >> 2, 0x1249249);
  const uint64_t threes = _pext_u64(nines ^ nines >> 1 ^ nines >> 2, 0x49);
  const uint64_t one = (threes ^ threes >> 1 ^ threes >> 2) & 1;
  const uint64_t low = _pdep_u64(signs, 0x3838383838383838);
  const uint64_t high = _pdep_u64(signs >> 24 | nines << 3 | threes << 12 | one << 15, 0x083838383838);
  std::memcpy(to, &low, 8);
  std::memcpy(to + 8, &high, 8);
}

struct Place {
  int32_t position, pixel;
};

/// The counts of a vector of output channels at a tile of positions.
template <class S>
class ChannelSlice {
  using Vector = typename S::Vector;

 public:
  ChannelSlice(int planes, int64_t positions)
      : planes_(planes), memory_((kTableBytes + positions * planes * S::kBytes) / 4) {
    std::memset(counts(0), 0, static_cast<size_t>(positions * planes * S::kBytes));
  }

  /// Counts `bundles` bundles of a tap, whose weights and choices begin here, at some places.
  void add(const uint8_t* weights, int64_t bundles, const uint8_t* choices, int64_t choices_step, const Place* places,
           int64_t count) {
    for (int64_t i = 0; i < bundles; ++i) {
      find_tables(weights + i * kBundleWeights * S::kBytes, tables() + i * kBundleVectors * S::kBytes);
    }
    for (int64_t i = 0; i < count; ++i) {
      add_bundles(choices + places[i].pixel * choices_step, bundles, counts(places[i].position));
    }
  }

  /// to[position * 64 + i] = the count of lane 64 * word + i.
  void store_counts(int64_t word, int64_t positions, uint16_t* to) const {
    for (int64_t position = 0; position < positions; ++position, to += 64) {
      const uint8_t* plane = counts(position) + word * 8;
      __m512i low = _mm512_setzero_si512();
      __m512i high = _mm512_setzero_si512();
      const auto add_bit = [&](__m512i& sum, int bit) EDGENET_LAMBDA {
        uint64_t lanes;
        std::memcpy(&lanes, plane, 8);
        sum = _mm512_mask_add_epi8(sum, lanes, sum, _mm512_set1_epi8(static_cast<char>(1 << bit)));
        plane += S::kBytes;
      };
      unroll<8>([&](auto bit) EDGENET_LAMBDA { add_bit(low, bit); });
      for (int bit = 8; bit < planes_; ++bit) add_bit(high, bit - 8);
      store_shorts(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high), to);
      store_shorts(_mm512_extracti64x4_epi64(low, 1), _mm512_extracti64x4_epi64(high, 1), to + 32);
    }
  }

 private:
  static constexpr int64_t kTableBytes = kChunkBundles * kBundleVectors * S::kBytes;
  static constexpr int kLow = 7;  ///< bits of a count that a chunk adds to in registers

  static void store_shorts(__m256i low, __m256i high, uint16_t* to) {
    const __m512i shorts = _mm512_slli_epi16(_mm512_cvtepu8_epi16(high), 8);
    _mm512_store_si512(to, _mm512_or_si512(shorts, _mm512_cvtepu8_epi16(low)));
  }

  uint8_t* tables() { return reinterpret_cast<uint8_t*>(memory_.data()); }
  const uint8_t* counts(int64_t position) const {
    return reinterpret_cast<const uint8_t*>(memory_.data()) + kTableBytes + position * planes_ * S::kBytes;
  }
  uint8_t* counts(int64_t position) {
    return const_cast<uint8_t*>(static_cast<const ChannelSlice*>(this)->counts(position));
  }

  /// The truth table of the majority of a, b and c with some of them flipped.
  static constexpr int flipped_majority(int signs) {
    int table = 0;
    for (int i = 0; i < 8; ++i) {
      const int a = (i >> 2 ^ signs) & 1, b = (i >> 1 ^ signs >> 1) & 1, c = (i ^ signs >> 2) & 1;
      table |= (a + b + c >= 2) << i;
    }
    return table;
  }

  /// Stores the 8 tables of the majority and returns the parity.
  static EDGENET_INLINE Vector find_majorities(Vector a, Vector b, Vector c, uint8_t* to) {
    unroll<8>([&](auto signs) EDGENET_LAMBDA {
      S::store(to + signs * S::kBytes, S::template logic<flipped_majority(decltype(signs)::value)>(a, b, c));
    });
    return S::parity(a, b, c);
  }

  static EDGENET_NOINLINE void find_tables(const uint8_t* weights, uint8_t* to) {
    const auto weight = [&](int i) EDGENET_LAMBDA { return S::load(weights + i * S::kBytes); };
    Vector nines[9], threes[3];
    unroll<9>([&](auto i) EDGENET_LAMBDA {
      nines[i] = find_majorities(weight(3 * i), weight(3 * i + 1), weight(3 * i + 2), to + i * 8 * S::kBytes);
    });
    unroll<3>([&](auto i) EDGENET_LAMBDA {
      threes[i] = find_majorities(nines[3 * i], nines[3 * i + 1], nines[3 * i + 2], to + (9 + i) * 8 * S::kBytes);
    });
    const Vector one = find_majorities(threes[0], threes[1], threes[2], to + 12 * 8 * S::kBytes);
    S::store(to + kTrees * 8 * S::kBytes, one);
    S::store(to + (kTrees * 8 + 1) * S::kBytes, ~one);
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

  static EDGENET_INLINE Vector look_up(const uint8_t* tables, const uint8_t* choices, int bundle, int tree) {
    return S::load(tables + (bundle * kBundleVectors + tree * 8) * S::kBytes +
                   choices[bundle * kBundleChoices + tree] * (S::kBytes / 8));
  }

  /// The sum of 9 majorities: one of weight 2, two of weight 4, one of weight 8.
  struct Nine {
    Vector two, fours[2], eight;
  };
  template <class Two>
  static EDGENET_INLINE Nine add_9(const Two& two) {
    Nine sum;
    Vector carries[3];
    const auto three = [&](auto i) EDGENET_LAMBDA {
      Vector first = two(3 * i);
      carries[i] = add(first, two(3 * i + 1), two(3 * i + 2));
      return first;
    };
    sum.two = three(std::integral_constant<int, 0>{});
    const Vector b = three(std::integral_constant<int, 1>{});
    const Vector c = three(std::integral_constant<int, 2>{});
    sum.fours[0] = add(sum.two, b, c);
    sum.fours[1] = carries[0];
    sum.eight = add(sum.fours[1], carries[1], carries[2]);
    return sum;
  }

  /// Adds two bundles; the carries have weight 128. What is looked up is added up before what was counted, so that one
  /// position need not wait for itself.
  static EDGENET_INLINE Vector add_2_bundles(const uint8_t* tables, const uint8_t* choices, Vector (&bits)[kLow]) {
    const Vector ones = add(bits[0], look_up(tables, choices, 0, kTrees), look_up(tables, choices, 1, kTrees));
    const auto nine = [&](int first) EDGENET_LAMBDA {
      return add_9([&](int i) EDGENET_LAMBDA {
        const int tree = first + i;
        return tree == 2 * kTrees ? ones : look_up(tables, choices, tree / kTrees, tree % kTrees);
      });
    };
    Nine a = nine(0);
    Nine b = nine(9);
    const Vector c8 = add(a.fours[0], a.fours[1], b.fours[0]);
    Nine c = nine(18);
    const Vector d8 = add(b.fours[1], c.fours[0], c.fours[1]);
    const Vector a16 = add(a.eight, b.eight, c.eight);
    const Vector x4 = add(a.two, b.two, c.two);
    const Vector y4 = add(bits[1], a.two);
    const Vector e8 = add(a.fours[0], b.fours[1], x4);
    const Vector f8 = add(bits[2], a.fours[0], y4);
    Vector g8 = c8;
    const Vector b16 = add(g8, d8, e8);
    const Vector c16 = add(g8, a.eight, f8);
    const Vector d16 = add(bits[3], g8);
    Vector e16 = a16;
    const Vector a32 = add(e16, b16, c16);
    const Vector b32 = add(bits[4], e16, d16);
    return add(bits[6], add(bits[5], a32, b32));
  }

  static EDGENET_INLINE Vector add_bundle(const uint8_t* tables, const uint8_t* choices, Vector (&bits)[kLow]) {
    const auto two = [&](int i) EDGENET_LAMBDA { return look_up(tables, choices, 0, i); };
    const auto four = [&](int i) EDGENET_LAMBDA { return add(bits[1], two(2 * i), two(2 * i + 1)); };
    const auto eight = [&](int i) EDGENET_LAMBDA {
      const Vector a = four(2 * i);
      return add(bits[2], a, four(2 * i + 1));
    };
    const Vector a = eight(0);
    const Vector b = add(bits[3], a, eight(1));
    const Vector c = eight(2);
    const Vector ones = add(bits[0], look_up(tables, choices, 0, kTrees));
    const Vector d = add(bits[3], c, add(bits[2], add(bits[1], two(12), ones)));
    return add(bits[6], add(bits[5], add(bits[4], b, d)));
  }

  EDGENET_INLINE void add_bundles(const uint8_t* choices, int64_t bundles, uint8_t* to) {
    const uint8_t* table = tables();
    Vector bits[kLow];
    unroll<kLow>([&](auto i) EDGENET_LAMBDA { bits[i] = S::load(to + i * S::kBytes); });
    Vector carry = S::zero();
    for (; bundles >= 2; bundles -= 2) {
      carry = carry | add_2_bundles(table, choices, bits);
      table += 2 * kBundleVectors * S::kBytes;
      choices += 2 * kBundleChoices;
    }
    if (bundles > 0) carry = carry | add_bundle(table, choices, bits);
    unroll<kLow>([&](auto i) EDGENET_LAMBDA { S::store(to + i * S::kBytes, bits[i]); });
    for (int plane = kLow; plane < planes_; ++plane) {
      Vector sum = S::load(to + plane * S::kBytes);
      carry = add(sum, carry);
      S::store(to + plane * S::kBytes, sum);
    }
  }

  int planes_;
  AlignedWords memory_;
};

/// Turns counts[position][64] into counts[channel][kTilePositions] for 8 channels.
void turn_counts(const uint16_t* counts, int64_t positions, uint16_t* to) {
  for (int64_t i = 0; i < positions; i += 8) {
    __m128i a[8], b[8];
    unroll<8>([&](auto j)
                  EDGENET_LAMBDA { a[j] = _mm_load_si128(reinterpret_cast<const __m128i*>(counts + (i + j) * 64)); });
    unroll<4>([&](auto j) EDGENET_LAMBDA {
      b[j] = _mm_unpacklo_epi16(a[2 * j], a[2 * j + 1]);
      b[4 + j] = _mm_unpackhi_epi16(a[2 * j], a[2 * j + 1]);
    });
    unroll<4>([&](auto j) EDGENET_LAMBDA {
      a[2 * j] = _mm_unpacklo_epi32(b[2 * j], b[2 * j + 1]);
      a[2 * j + 1] = _mm_unpackhi_epi32(b[2 * j], b[2 * j + 1]);
    });
    // a: channels 0-1 of positions 0-3, channels 2-3 of 0-3, 0-1 of 4-7, 2-3 of 4-7, and so on for channels 4-7.
    unroll<2>([&](auto half) EDGENET_LAMBDA {
      unroll<2>([&](auto pair) EDGENET_LAMBDA {
        const __m128i low = a[4 * half + pair], high = a[4 * half + 2 + pair];
        uint16_t* row = to + (4 * half + 2 * pair) * kTilePositions + i;
        _mm_store_si128(reinterpret_cast<__m128i*>(row), _mm_unpacklo_epi64(low, high));
        _mm_store_si128(reinterpret_cast<__m128i*>(row + kTilePositions), _mm_unpackhi_epi64(low, high));
      });
    });
  }
}

template <class Isa, class S>
class XnorChannelConv2d final : public ConvKernel {
 public:
  explicit XnorChannelConv2d(const ConvWeights& weights)
      : w_(weights), group_outputs_(w_.out_channels / w_.group), weights_(weights, kLanes) {
    while (inputs() >> planes_ != 0) ++planes_;
  }

  /// Whether lanes and bundles are filled well enough, and positions so few that lanes of them are not filled better.
  static bool suits(const ConvWeights& w) {
    constexpr int64_t most_positions = 800;
    const int64_t outputs = w.out_channels / w.group;
    const int64_t positions = w.likely_rows * w.likely_columns;
    return positions > 0 && positions <= most_positions && outputs % kLanes == 0 && w.group_channels >= 64;
  }

  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(plan_scratch(XnorLayout(w_, image), image).bytes);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const XnorLayout layout(w_, image);
    const Call call{layout, image, operands, plan_scratch(layout, image)};
    layout.fill_valid(w_.group_channels, call.valid());
    const int64_t tiles = (layout.outputs + kTilePositions - 1) / kTilePositions;
    const int64_t positions = round_up((layout.outputs + tiles - 1) / tiles, 8);
    const int64_t panels = group_outputs_ / kLanes;
    for (int64_t unit = 0; unit < image.batch * w_.group; ++unit) {
      parallel_chunks(executor, image.height * image.width, kPackedPixels,
                      [&](int64_t begin, int64_t end) { pack(call, unit, begin, end); });
      parallel_for(executor, tiles * panels, [&](int64_t index) {
        const int64_t begin = index % tiles * positions;
        if (begin >= layout.outputs) return;
        convolve(call, unit, index / tiles, begin, smaller(positions, layout.outputs - begin));
      });
    }
  }

 private:
  static constexpr int64_t kLanes = S::kBytes * 8;
  static constexpr int64_t kPackedPixels = 256;

  struct ScratchPlan {
    int64_t choices, bytes;
  };
  ScratchPlan plan_scratch(const XnorLayout& layout, const Image& image) const {
    // A vector of positions beyond the last may be read.
    const int64_t valid = round_up((layout.outputs + 16) * static_cast<int64_t>(sizeof(float)), 64);
    return {valid, valid + image.height * image.width * choices_step()};
  }

  struct Call {
    const XnorLayout& layout;
    const Image& image;
    const ConvOperands& operands;
    ScratchPlan plan;

    float* valid() const { return static_cast<float*>(operands.scratch); }
    uint8_t* choices() const { return static_cast<uint8_t*>(operands.scratch) + plan.choices; }
  };

  int64_t inputs() const { return w_.group_channels * w_.kernel_height * w_.kernel_width; }
  int64_t choices_step() const { return weights_.bundles() * kBundleChoices; }

  /// Finds the choices of some pixels.
  void pack(const Call& call, int64_t unit, int64_t begin, int64_t end) const {
    const int64_t bundles = weights_.bundles();
    alignas(64) uint8_t signs[kPackedPixels][8];
    for (int64_t first = 0; first < bundles; first += 2) {
      // Two bundles are 54 bits.
      binarize(call, unit, first * kBundleWeights, begin, end, signs);
      uint8_t* to = call.choices() + begin * choices_step() + first * kBundleChoices;
      for (int64_t i = 0; i < end - begin; ++i, to += choices_step()) {
        uint64_t bits;
        std::memcpy(&bits, signs[i], 8);
        choose_tables(bits & ((1 << kBundleWeights) - 1), to);
        if (first + 1 < bundles) choose_tables(bits >> kBundleWeights, to + kBundleChoices);
      }
    }
  }

  /// The signs of 54 channels of a unit from `channel` on, a bit each; 0 where there is none.
  void binarize(const Call& call, int64_t unit, int64_t channel, int64_t begin, int64_t end,
                uint8_t (&signs)[kPackedPixels][8]) const {
    const int64_t sample = unit / w_.group;
    const int64_t count = smaller(2 * kBundleWeights, w_.group_channels - channel);
    const int64_t first = unit % w_.group * w_.group_channels + channel;
    if (w_.form.from_signs) {
      unpack_signs(call, sample, first, count, begin, end, signs);
    } else {
      binarize_floats(call, sample, first, count, begin, end, signs);
    }
  }

  void unpack_signs(const Call& call, int64_t sample, int64_t first, int64_t count, int64_t begin, int64_t end,
                    uint8_t (&signs)[kPackedPixels][8]) const {
    const int64_t area = call.image.height * call.image.width;
    const uint8_t* from = call.operands.signs + (sample * ((call.image.channels + 7) / 8) + first / 8) * area;
    const int shift = static_cast<int>(first % 8);
    const int64_t bytes = (shift + count + 7) / 8;  // at most 8, as 54 + 7 bits
    const uint64_t mask = (uint64_t{1} << count) - 1;
    for (int64_t i = begin; i < end; ++i) {
      uint64_t bits = 0;
      for (int64_t j = 0; j < bytes; ++j) bits |= static_cast<uint64_t>(from[j * area + i]) << (8 * j);
      bits = bits >> shift & mask;
      std::memcpy(signs[i - begin], &bits, 8);
    }
  }

  void binarize_floats(const Call& call, int64_t sample, int64_t first, int64_t count, int64_t begin, int64_t end,
                       uint8_t (&signs)[kPackedPixels][8]) const {
    const int64_t area = call.image.height * call.image.width;
    const float* x = call.operands.x + (sample * call.image.channels + first) * area;
    const float* threshold = call.operands.threshold + first;
    for (int64_t i = begin; i < end; i += 16) {
      const auto lanes = static_cast<__mmask16>(end - i >= 16 ? 0xffff : (1 << (end - i)) - 1);
      __m512i low = _mm512_setzero_si512();
      __m512i high = _mm512_setzero_si512();
      const auto add = [&](int64_t c, __m512i sum) EDGENET_LAMBDA {
        const __m512 values = _mm512_maskz_loadu_ps(lanes, x + c * area + i);
        const __mmask16 met = _mm512_mask_cmp_ps_mask(lanes, values, _mm512_set1_ps(threshold[c]), _CMP_GE_OQ);
        return _mm512_mask_or_epi32(sum, met, sum, _mm512_set1_epi32(1 << (c % 32)));
      };
      for (int64_t c = 0; c < smaller(count, 32); ++c) low = add(c, low);
      for (int64_t c = 32; c < count; ++c) high = add(c, high);
      const __m512i even = _mm512_unpacklo_epi32(low, high);
      const __m512i odd = _mm512_unpackhi_epi32(low, high);
      const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
      const __m512i back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
      _mm512_store_si512(signs[i - begin], _mm512_permutex2var_epi64(even, front, odd));
      _mm512_store_si512(signs[i - begin + 8], _mm512_permutex2var_epi64(even, back, odd));
    }
  }

  /// The positions of a tile that meet the image under a tap, and the pixels that they meet.
  static int64_t find_places(const Call& call, int64_t row_tap, int64_t column_tap, int64_t begin, int64_t positions,
                             Place* to) {
    const XnorAxis& vertical = call.layout.vertical;
    const XnorAxis& horizontal = call.layout.horizontal;
    int64_t row = begin / horizontal.outputs;
    int64_t column = begin % horizontal.outputs;
    int64_t count = 0;
    for (int64_t i = 0; i < positions; ++i) {
      const int64_t y = row * vertical.stride + vertical.offset(row_tap);
      const int64_t x = column * horizontal.stride + horizontal.offset(column_tap);
      if (y >= 0 && y < vertical.size && x >= 0 && x < horizontal.size) {
        to[count++] = {static_cast<int32_t>(i), static_cast<int32_t>(y * horizontal.size + x)};
      }
      if (++column == horizontal.outputs) {
        column = 0;
        ++row;
      }
    }
    return count;
  }

  void convolve(const Call& call, int64_t unit, int64_t panel, int64_t begin, int64_t positions) const {
    ChannelSlice<S> slice(planes_, positions);
    const int64_t bundles = weights_.bundles();
    for (int64_t tap = 0; tap < w_.kernel_height * w_.kernel_width; ++tap) {
      Place places[kTilePositions];
      const int64_t count = find_places(call, tap / w_.kernel_width, tap % w_.kernel_width, begin, positions, places);
      if (count == 0) continue;
      for (int64_t bundle = 0; bundle < bundles; bundle += kChunkBundles) {
        slice.add(weights_.at(unit % w_.group, panel, tap, bundle), smaller(kChunkBundles, bundles - bundle),
                  call.choices() + bundle * kBundleChoices, choices_step(), places, count);
      }
    }
    finish_slice(call, unit, panel, begin, positions, slice);
  }

  void finish_slice(const Call& call, int64_t unit, int64_t panel, int64_t begin, int64_t positions,
                    const ChannelSlice<S>& slice) const {
    const UnitOutputs outputs = unit_outputs(w_, call.layout.outputs, call.valid(), call.operands, unit);
    alignas(64) uint16_t counts[kTilePositions][64];
    alignas(64) uint16_t turned[8][kTilePositions];
    for (int64_t word = 0; word < kLanes / 64; ++word) {
      slice.store_counts(word, positions, counts[0]);
      for (int64_t c = 0; c < 64; c += 8) {
        turn_counts(counts[0] + c, positions, turned[0]);
        finish<typename Isa::Floats>(outputs,
                                     {panel * kLanes + 64 * word + c, 8, begin, positions, turned[0], kTilePositions});
      }
    }
  }

  ConvWeights w_;
  int64_t group_outputs_;
  int planes_ = 8;  ///< bits of a count
  XnorChannelPlanes weights_;
};

}  // namespace
}  // namespace edgenet::x86
