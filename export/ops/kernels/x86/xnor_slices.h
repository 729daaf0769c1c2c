// Signed dot products in bit slices: a bit of a vector is an output, a vector holds the weights of one input. What is
// counted is the weights of the inputs whose sign is the rarer one, at most half of them: with c of |S| such weights
// +1, T the sum of all weights of an output, and s that sign, the dot product is s * (4 c - 2 |S| - T).
//
// Of 16 vectors, 15 carry-save additions leave one carry. On AVX2 that is 5.5 logical operations for 256 weights, so
// for 512 products and more, where xor and population count of 256 products by table take 8; by ternary logic it is 2
// for 512 weights, so for 1024 products, where VPOPCNTDQ takes 6. Of a large layer half the weights need not be read.
// Counts lie in planes of bits, which 8 x 8 squares of bits turn into bytes.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>

#include "kernels/x86/recurrent_step.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// The places of the bits of a byte that are 1, lowest first.
struct BitsOf {
  uint8_t places[256][8];
  constexpr BitsOf() : places() {
    for (int byte = 0; byte < 256; ++byte) {
      int count = 0;
      for (int bit = 0; bit < 8; ++bit) {
        if (byte >> bit & 1) places[byte][count++] = static_cast<uint8_t>(bit);
      }
    }
  }
};
constexpr BitsOf kBitsOf{};

/// The linear half of a step with binary activations: a step of kernels/x86/recurrent_step.h.
template <class Simd>
class XnorSlices {
  using Int = typename Simd::Int;

 public:
  static constexpr int64_t kGroup = 1;
  static constexpr int64_t kTaskProducts = kXnorTaskProducts;
  static constexpr int64_t kPiece = 512;  ///< outputs of a block: an input's weights are a cache line

  /// Whether they are faster than words, can count so far, and may hold a copy of the weights.
  static bool serve(const LinearWeights& weights) {
    return weights.outputs > Simd::kFewSliceOutputs && weights.inputs <= kMostInputs &&
           weights.outputs * weights.inputs <= kMostWeights;
  }

  explicit XnorSlices(const LinearWeights& weights)
      : w_(weights), slices_(blocks() * block_bytes() / 4), totals_(round_up(w_.outputs, Simd::kLanes)) {
    std::memset(slices_.data(), 0, static_cast<size_t>(blocks() * block_bytes()));
    for (int64_t input = 0; input < w_.inputs; input += 8) slice(input);
    for (int64_t o = 0; o < w_.outputs; ++o) totals_.data()[o] = static_cast<uint32_t>(total(o));
  }

  int64_t pieces() const { return (w_.outputs + kPiece - 1) / kPiece; }
  int64_t sequence_bytes() const { return 0; }
  const uint8_t* begin_sequence(int64_t, uint8_t*) const { return nullptr; }
  int64_t row_bytes() const { return kListOffset + round_up(w_.inputs / 2 + kPadding, 16) * 4 + sign_bytes(); }

  /// Lists the inputs whose sign is the rarer one.
  void prepare(const float* x, const float* threshold, uint8_t* memory) const {
    auto* list = reinterpret_cast<uint32_t*>(memory + kListOffset);
    uint8_t* signs = memory + row_bytes() - sign_bytes();
    const int64_t plus = pack(x, threshold, signs);
    const bool minus = 2 * plus > w_.inputs;
    const int64_t count = minus ? w_.inputs - plus : plus;
    const auto flip = static_cast<uint8_t>(minus ? 255 : 0);
    uint32_t* to = list;
    const int64_t bytes = (w_.inputs + 7) / 8;
    __m256i place = _mm256_setzero_si256();
    for (int64_t byte = 0; byte < bytes; ++byte) {
      unsigned bits = static_cast<uint8_t>(signs[byte] ^ flip);
      if (byte + 1 == bytes) bits &= last_bits();
      const __m128i found = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kBitsOf.places[bits]));
      const __m256i offsets = _mm256_slli_epi32(_mm256_cvtepu8_epi32(found), 5);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_add_epi32(place, offsets));
      to += __builtin_popcount(bits);
      place = _mm256_add_epi32(place, _mm256_set1_epi32(8 * 32));
    }
    // The input after the last has no weight that is +1.
    for (int64_t i = 0; i < kPadding; ++i) to[i] = static_cast<uint32_t>(w_.inputs * 32);
    *reinterpret_cast<Header*>(memory) = {count, minus};
  }

  /// y[r, o] = scale[o] * dot + addend[r, o] for blocks [begin, end), strides as in XnorRows.
  void run(const uint8_t* /*sequence*/, int64_t rows, const uint8_t* memory, int64_t begin, int64_t end,
           const float* scale, const float* addend, int64_t addend_stride, float* y) const {
    const bool from_afar = blocks() * block_bytes() > Simd::kNearBytes;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t o = block * kPiece;
      for (int64_t row = 0; row < rows; ++row) {
        const uint8_t* prepared = memory + row * row_bytes();
        const Target target{*reinterpret_cast<const Header*>(prepared), scale, addend + row * addend_stride,
                            y + row * w_.outputs};
        alignas(64) Int planes[kVectors][kMostPlanes];
        const int64_t used = from_afar ? count<true>(block, prepared, target.header.count, planes)
                                       : count<false>(block, prepared, target.header.count, planes);
        for (int64_t i = 0; i < kVectors && o + i * kVector < w_.outputs; ++i) {
          finish(planes[i], used, o + i * kVector, target);
        }
      }
    }
  }

 private:
  static constexpr int64_t kVector = 8 * Simd::kBytes;  ///< outputs of a vector
  static constexpr int64_t kVectors = kPiece / kVector;
  static constexpr int64_t kChunk = 16;                 ///< inputs that are added up in registers
  static constexpr int64_t kAhead = 2 * kChunk;         ///< inputs whose weights are fetched before their turn
  static constexpr int64_t kPadding = kAhead + kChunk;  ///< of a list
  static constexpr int kLow = 4;                        ///< planes that a chunk is added to
  static constexpr int64_t kMostPlanes = 16;
  static constexpr int64_t kMostInputs = 65535;  ///< of which half are counted in kMostPlanes bits
  static constexpr int64_t kMostWeights = int64_t{1} << 24;
  static constexpr int64_t kListOffset = 64;

  struct Header {
    int64_t count;
    bool minus;
  };

  struct Target {
    Header header;
    const float *scale, *addend;
    float* y;
  };

  int64_t blocks() const { return pieces(); }
  int64_t block_bytes() const { return (w_.inputs + 1) * kPiece / 8; }
  int64_t sign_bytes() const { return round_up(w_.inputs, 512) / 8; }
  unsigned last_bits() const { return w_.inputs % 8 == 0 ? 255 : (1u << w_.inputs % 8) - 1; }

  /// Returns how many signs are +1.
  int64_t pack(const float* x, const float* threshold, uint8_t* signs) const {
    constexpr int64_t kLanes = Simd::kLanes;
    int64_t i = 0;
    for (; i + kLanes <= w_.inputs; i += kLanes) {
      Simd::store_signs(signs + i / 8, Simd::load(x + i), Simd::load(threshold + i));
    }
    if (i < w_.inputs) {
      const int64_t rest = w_.inputs - i;
      Simd::store_signs(signs + i / 8, Simd::load_first(x + i, rest), Simd::load_first(threshold + i, rest));
    }
    if (w_.inputs % 8 != 0) signs[w_.inputs / 8] &= static_cast<uint8_t>(last_bits());
    const int64_t bytes = (w_.inputs + 7) / 8;
    std::memset(signs + bytes, 0, static_cast<size_t>(sign_bytes() - bytes));
    int64_t plus = 0;
    for (int64_t byte = 0; byte < sign_bytes(); byte += 8) {
      uint64_t word;
      std::memcpy(&word, signs + byte, sizeof word);
      plus += __builtin_popcountll(word);
    }
    return plus;
  }

  const uint8_t* block(int64_t index) const {
    return reinterpret_cast<const uint8_t*>(slices_.data()) + index * block_bytes();
  }

  /// The counts of a block in planes of bits, as many as are returned. `fetch`: weights are fetched before their turn.
  template <bool fetch>
  int64_t count(int64_t index, const uint8_t* prepared, int64_t selected, Int (&planes)[kVectors][kMostPlanes]) const {
    const uint8_t* slices = block(index);
    const auto* list = reinterpret_cast<const uint32_t*>(prepared + kListOffset);
    for (auto& counts : planes) {
      for (int i = 0; i < kLow; ++i) counts[i] = Simd::zero();
    }
    int64_t used = kLow;
    for (int64_t first = 0; first < selected; first += kChunk, list += kChunk) {
      // A plane more may be needed after 16, 32, 64, ... inputs.
      if (first + kChunk >= int64_t{1} << used) {
        for (auto& counts : planes) counts[used] = Simd::zero();
        ++used;
      }
      if constexpr (fetch) {
#pragma GCC unroll 16
        for (int64_t i = 0; i < kChunk; ++i) __builtin_prefetch(slices + 2 * uint64_t{list[kAhead + i]});
      }
      for (int64_t i = 0; i < kVectors; ++i) add_chunk(slices + i * Simd::kBytes, list, used, planes[i]);
    }
    return used;
  }

  static void add_chunk(const uint8_t* slices, const uint32_t* list, int64_t used, Int (&planes)[kMostPlanes]) {
    const auto load = [&](int i) { return Simd::load_bytes(slices + 2 * uint64_t{list[i]}); };
    Int ones = planes[0], twos = planes[1], fours = planes[2], eights = planes[3];
    const auto add_four = [&](int i) {
      const Int first = Simd::add_bits(ones, load(i), load(i + 1));
      const Int second = Simd::add_bits(ones, load(i + 2), load(i + 3));
      return Simd::add_bits(twos, first, second);
    };
    const auto add_eight = [&](int i) {
      const Int first = add_four(i);
      const Int second = add_four(i + 4);
      return Simd::add_bits(fours, first, second);
    };
    const Int first = add_eight(0);
    const Int second = add_eight(8);
    Int carry = Simd::add_bits(eights, first, second);
    planes[0] = ones;
    planes[1] = twos;
    planes[2] = fours;
    planes[3] = eights;
    for (int64_t i = kLow; i < used; ++i) {
      const Int next = planes[i] & carry;
      planes[i] = planes[i] ^ carry;
      carry = next;
    }
  }

  void finish(const Int* planes, int64_t used, int64_t o, const Target& target) const {
    alignas(64) uint8_t low[kVector], high[kVector];
    turn(planes, used, low);
    if (used > 8) turn(planes + 8, used - 8, high);
    const Int selected = Simd::set_lanes(static_cast<int>(2 * target.header.count));
    const Int minus = Simd::set_lanes(target.header.minus ? -1 : 0);
    const auto* totals = reinterpret_cast<const uint8_t*>(totals_.data());
    const int64_t outputs = smaller(kVector, w_.outputs - o);
    for (int64_t i = 0; i < outputs; i += Simd::kLanes) {
      const int64_t lanes = smaller(Simd::kLanes, outputs - i);
      Int counts = Simd::widen_bytes(low + i);
      if (used > 8) counts = counts | Simd::template lanes_up<8>(Simd::widen_bytes(high + i));
      const Int less = Simd::add_lanes(selected, Simd::load_bytes(totals + 4 * (o + i)));
      const Int dot = Simd::subtract_lanes(Simd::template lanes_up<2>(counts), less);
      const auto signed_dot = Simd::to_float(Simd::subtract_lanes(dot ^ minus, minus));
      // Two roundings, as the specification has it.
      const auto product = Simd::multiply(Simd::load_first(target.scale + o + i, lanes), signed_dot);
      Simd::store_first(target.y + o + i, Simd::add(product, Simd::load_first(target.addend + o + i, lanes)), lanes);
    }
  }

  /// Up to 8 planes as a byte an output: bit i of byte j is output kBytes * i + j.
  static void turn(const Int* planes, int64_t used, uint8_t* bytes) {
    Int rows[8];
    for (int64_t i = 0; i < 8; ++i) rows[i] = i < used ? planes[i] : Simd::zero();
    swap_bits<4>(rows, 0x0f);
    swap_bits<2>(rows, 0x33);
    swap_bits<1>(rows, 0x55);
    for (int64_t i = 0; i < 8; ++i) Simd::store_bytes(bytes + i * Simd::kBytes, rows[i]);
  }

  /// Swaps the upper bits of row i, outside `lower`, with the lower ones of row i + kApart.
  template <int kApart>
  static void swap_bits(Int (&rows)[8], char lower) {
    const Int mask = Simd::set_bytes(lower);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      if ((i & kApart) != 0) continue;
      const Int differ = (Simd::template words_down<kApart>(rows[i]) ^ rows[i + kApart]) & mask;
      rows[i + kApart] = rows[i + kApart] ^ differ;
      rows[i] = rows[i] ^ Simd::template words_up<kApart>(differ);
    }
  }

  /// Places the weights of 8 inputs.
  void slice(int64_t input) {
    auto* slices = reinterpret_cast<uint8_t*>(slices_.data());
    const int64_t row_bytes = (w_.inputs + 7) / 8;
    const int64_t inputs = smaller(8, w_.inputs - input);
    for (int64_t vector = 0; vector < w_.outputs; vector += kVector) {
      uint8_t* to = slices + vector / kPiece * block_bytes() + vector % kPiece / 8 + input * (kPiece / 8);
      for (int64_t j = 0; j < Simd::kBytes; ++j) {
        uint64_t square = 0;
        for (int64_t i = 0; i < 8; ++i) {
          const int64_t o = vector + Simd::kBytes * i + j;
          if (o < w_.outputs) square |= uint64_t{w_.packed[o * row_bytes + input / 8]} << (8 * i);
        }
        square = turned(square);
        for (int64_t k = 0; k < inputs; ++k) to[k * (kPiece / 8) + j] = static_cast<uint8_t>(square >> (8 * k));
      }
    }
  }

  /// Bit i of byte j of a square becomes bit j of byte i.
  static uint64_t turned(uint64_t square) {
    const auto swap = [&](int apart, uint64_t mask) {
      const uint64_t differ = (square ^ square >> apart) & mask;
      square ^= differ ^ differ << apart;
    };
    swap(7, 0x00aa00aa00aa00aa);
    swap(14, 0x0000cccc0000cccc);
    swap(28, 0x00000000f0f0f0f0);
    return square;
  }

  /// The sum of an output's weights.
  int64_t total(int64_t o) const {
    int64_t ones = 0;
    for (int64_t k = 0; k < w_.inputs; ++k) ones += w_.packed[o * ((w_.inputs + 7) / 8) + k / 8] >> (k % 8) & 1;
    return 2 * ones - w_.inputs;
  }

  LinearWeights w_;
  AlignedWords slices_, totals_;
};

/// The one kernel where slices serve, else the other.
template <class Slices, class Kernel, class BySlices, class ByWords>
std::unique_ptr<Kernel> make_by_slices(const LinearWeights& weights) {
  if (Slices::serve(weights)) return std::make_unique<BySlices>(weights);
  return std::make_unique<ByWords>(weights);
}

}  // namespace
}  // namespace edgenet::x86
