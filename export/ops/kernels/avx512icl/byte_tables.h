// Binary weights times float activations, by tables of bytes. The signed sums of 5 activations, w0 * (x0 +- x1 +- x2 +-
// x3 +- x4), have 16 magnitudes but for w0; as integers of 24 bits they are three bytes, so a vector holds one byte of
// the tables of 4 such fields. vpermb then picks for 16 outputs and 4 fields at once, and vpdpbusd multiplies by w0 and
// adds the 4 up, exactly: 320 products for a pair of instructions and each of the three bytes, where fused
// multiply-adds have 16 an instruction and look-ups of floats 64.
//
// Rounding: a piece of kPieceFields * 20 activations has a step of its own, no more than 2^-22 of the largest sum of
// magnitudes in a field of it, and every entry is off by half a step: for 64 fields 7.6e-6 of the sum of magnitudes at
// the very worst. Rows that are not finite, or too small for the step, are summed one by one.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/avx512icl/simd.h"
#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/lookup.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VBMI and VNNI

using x86::round_up;
using x86::smaller;

class ByteTableRows {
  using Int = Simd::Int;
  using Float = Simd::Float;

 public:
  static constexpr int64_t kBlock = Simd::kLanes;  ///< outputs of a block
  static constexpr int64_t kRows = 8;              ///< whose tables stand side by side

  explicit ByteTableRows(const LinearWeights& weights)
      : w_(weights),
        vectors_(round_up((w_.inputs + kVectorInputs - 1) / kVectorInputs, 2)),
        words_(blocks() * block_words()),
        corrections_(blocks() * pieces() * kBlock / 4) {
    for (int64_t block = 0; block < blocks(); ++block) fill_block(block);
  }

  int64_t blocks() const { return (w_.outputs + kBlock - 1) / kBlock; }

  /// Bytes of the tables of one row, a multiple of 64.
  int64_t table_bytes() const { return tables_offset() + vectors_ * kVectorBytes; }

  void make_tables(const float* x, uint8_t* memory) const {
    auto* header = reinterpret_cast<Header*>(memory);
    header->x = x;
    auto* padded = reinterpret_cast<float*>(memory + padded_offset());
    std::memcpy(padded, x, static_cast<size_t>(w_.inputs) * sizeof(float));
    std::memset(padded + w_.inputs, 0, static_cast<size_t>(padded_floats() - w_.inputs) * sizeof(float));
    float largest = 0, total = 0;
    for (int64_t piece = 0; piece < pieces(); ++piece) {
      const float bound = field_bound(padded, piece, &total);
      largest = bound > largest ? bound : largest;
      make_piece(padded, piece, bound, memory);
    }
    header->one_by_one = !(total <= 1e38f) || (largest > 0 && largest < kSmallest);
  }

  /// y[r, o] = scale[o] * sum + addend[r, o] for r in [0, rows) and blocks [begin, end); tables of row r start at
  /// tables + r * table_bytes(). Strides as in LookupRows.
  void run(int64_t rows, const uint8_t* tables, int64_t begin, int64_t end, const float* scale, const float* addend,
           int64_t addend_stride, float* y) const {
    int64_t row = 0;
    for (; row + 2 <= rows; row += 2) {
      run_rows<2>(tables + row * table_bytes(), begin, end,
                  {scale, addend + row * addend_stride, addend_stride, y + row * w_.outputs});
    }
    if (row < rows) {
      run_rows<1>(tables + row * table_bytes(), begin, end,
                  {scale, addend + row * addend_stride, addend_stride, y + row * w_.outputs});
    }
  }

 private:
  static constexpr int64_t kField = 5;                  ///< activations of a field
  static constexpr int64_t kVectorInputs = 4 * kField;  ///< of the 4 fields that a vector picks from at once
  static constexpr int64_t kVectorBytes = 3 * 64;       ///< three bytes of 4 tables of 16 entries
  static constexpr int64_t kPieceVectors = 16;          ///< summed as integers
  static constexpr int64_t kGroupVectors = 8;           ///< whose w0 are the bits of a byte
  static constexpr int64_t kGroupWords = 5 * 16;        ///< four vectors of 2 nibbles a byte, one of w0
  static constexpr float kLargestEntry = 8388600.0f;    ///< below 2^23 however sums round
  static constexpr float kSmallest = 1e-30f;
  static constexpr int64_t kAhead = 16 * 32;  ///< words fetched before their turn
  static constexpr int kSelect = 0xea;        // (a & b) | c

  struct Header {
    const float* x;
    bool one_by_one;
  };

  struct Target {
    const float *scale, *addend;
    int64_t addend_stride;
    float* y;
  };

  int64_t pieces() const { return (vectors_ + kPieceVectors - 1) / kPieceVectors; }
  int64_t block_words() const { return round_up(vectors_, kGroupVectors) / kGroupVectors * kGroupWords; }
  int64_t padded_floats() const { return round_up(vectors_ * kVectorInputs + 32, 16); }
  int64_t steps_offset() const { return 64; }
  int64_t padded_offset() const { return steps_offset() + round_up(pieces(), 16) * 4; }
  int64_t tables_offset() const { return padded_offset() + padded_floats() * 4; }
  int8_t* corrections(int64_t block) {
    return reinterpret_cast<int8_t*>(corrections_.data()) + block * pieces() * kBlock;
  }
  const int8_t* corrections(int64_t block) const {
    return reinterpret_cast<const int8_t*>(corrections_.data()) + block * pieces() * kBlock;
  }

  void fill_block(int64_t block) {
    auto* bytes = reinterpret_cast<uint8_t*>(words_.data() + block * block_words());
    std::memset(bytes, 0, static_cast<size_t>(block_words() * 4));
    std::memset(corrections(block), 0, static_cast<size_t>(pieces() * kBlock));
    for (int64_t vector = 0; vector < vectors_; ++vector) {
      uint8_t* group = bytes + vector / kGroupVectors * kGroupWords * 4;
      const int64_t in_group = vector % kGroupVectors;
      for (int64_t byte = 0; byte < 64; ++byte) {
        const uint32_t bits = field_bits(block * kBlock + byte / 4, vector * kVectorInputs + byte % 4 * kField);
        const uint32_t first = bits & 1;
        const uint32_t entry = (first != 0 ? bits >> 1 : ~(bits >> 1)) & 15;
        group[in_group / 2 * 64 + byte] |= static_cast<uint8_t>(entry << (in_group % 2 * 4));
        group[4 * 64 + byte] |= static_cast<uint8_t>(first << (7 - in_group));
        corrections(block)[vector / kPieceVectors * kBlock + byte / 4] += first != 0 ? 1 : -1;
      }
    }
  }

  /// The weights of a field, 0 where there are none.
  uint32_t field_bits(int64_t output, int64_t input) const {
    if (output >= w_.outputs || input >= w_.inputs) return 0;
    return x86::read_bits(w_.packed + output * ((w_.inputs + 7) / 8), input, smaller(kField, w_.inputs - input));
  }

  /// At least the sum of magnitudes of every field of a piece: that of every 5 neighbours. Adds up what it saw.
  float field_bound(const float* padded, int64_t piece, float* total) const {
    const int64_t begin = piece * kPieceVectors * kVectorInputs;
    const int64_t end = smaller(begin + kPieceVectors * kVectorInputs, vectors_ * kVectorInputs);
    Float largest = Simd::set(0), sum = Simd::set(0);
    for (int64_t i = begin; i < end; i += Simd::kLanes) {
      Float window = Simd::magnitude(Simd::load(padded + i));
      for (int j = 1; j < kField; ++j) window = Simd::add(window, Simd::magnitude(Simd::load(padded + i + j)));
      largest = Simd::maximum(largest, window);
      sum = Simd::add(sum, window);
    }
    *total += _mm512_reduce_add_ps(sum);
    return _mm512_reduce_max_ps(largest);
  }

  void make_piece(const float* padded, int64_t piece, float bound, uint8_t* memory) const {
    const float range = bound > kSmallest ? bound : kSmallest;
    const float to_integer = kLargestEntry / range;
    reinterpret_cast<float*>(memory + steps_offset())[piece] = range / (kLargestEntry * 64.0f);  // w0 counts 64
    const int64_t end = smaller((piece + 1) * kPieceVectors, vectors_);
    for (int64_t vector = piece * kPieceVectors; vector < end; ++vector) {
      make_vector(padded + vector * kVectorInputs, Simd::set(to_integer),
                  memory + tables_offset() + vector * kVectorBytes);
    }
  }

  static void make_vector(const float* x, Float to_integer, uint8_t* table) {
    Int entries[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const float* field = x + i * kField;
      const float others[4] = {field[1], field[2], field[3], field[4]};
      const Float sums = Simd::add(Simd::make_table(others), Simd::set(field[0]));
      entries[i] = _mm512_add_epi32(_mm512_cvtps_epi32(Simd::multiply(sums, to_integer)), _mm512_set1_epi32(1 << 23));
    }
    const Int low0 = _mm512_permutex2var_epi8(entries[0], low_bytes(), entries[1]);
    const Int low1 = _mm512_permutex2var_epi8(entries[2], low_bytes(), entries[3]);
    const Int high0 = _mm512_permutex2var_epi8(entries[0], high_bytes(), entries[1]);
    const Int high1 = _mm512_permutex2var_epi8(entries[2], high_bytes(), entries[3]);
    _mm512_store_si512(table, _mm512_shuffle_i64x2(low0, low1, 0x44));
    _mm512_store_si512(table + 64, _mm512_shuffle_i64x2(low0, low1, 0xee));
    _mm512_store_si512(table + 128, _mm512_shuffle_i64x2(high0, high1, 0x44));
  }

  /// Of two vectors of 16 entries the bytes 0, then the bytes 1.
  static Int low_bytes() {
    alignas(64) static constexpr uint8_t kBytes[64] = {
        0,  4,  8,  12,  16,  20,  24,  28,  32,  36,  40, 44, 48, 52,  56,  60,  64,  68,  72,  76, 80, 84,
        88, 92, 96, 100, 104, 108, 112, 116, 120, 124, 1,  5,  9,  13,  17,  21,  25,  29,  33,  37, 41, 45,
        49, 53, 57, 61,  65,  69,  73,  77,  81,  85,  89, 93, 97, 101, 105, 109, 113, 117, 121, 125};
    return _mm512_load_si512(kBytes);
  }
  /// The bytes 2, twice.
  static Int high_bytes() {
    return _mm512_add_epi8(low_bytes(), _mm512_inserti64x4(_mm512_set1_epi8(1), _mm256_set1_epi8(2), 0));
  }

  template <int kTileRows>
  void run_rows(const uint8_t* tables, int64_t begin, int64_t end, const Target& target) const {
    int64_t block = begin;
    for (; block + 2 <= end; block += 2) run_tile<kTileRows, 2>(tables, block, target);
    if (block < end) run_tile<kTileRows, 1>(tables, block, target);
    for (int r = 0; r < kTileRows; ++r) {
      const auto* header = reinterpret_cast<const Header*>(tables + r * table_bytes());
      if (header->one_by_one) {
        run_one_by_one(header->x, begin, end, target.scale, target.addend + r * target.addend_stride,
                       target.y + r * w_.outputs);
      }
    }
  }

  template <int kTileRows, int kBlocks>
  void run_tile(const uint8_t* tables, int64_t block, const Target& target) const {
    const uint32_t* words = words_.data() + block * block_words();
    Float sums[kTileRows][kBlocks];
#pragma GCC unroll 2
    for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) sums[r][b] = Simd::set(0);
    }
    for (int64_t piece = 0; piece < pieces(); ++piece) {
      Int correction[kBlocks];
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) {
        const auto* from = reinterpret_cast<const __m128i*>(corrections(block + b) + piece * kBlock);
        correction[b] = _mm512_slli_epi32(_mm512_cvtepi8_epi32(_mm_loadu_si128(from)), 13);  // 128 * 64 each
      }
      const int64_t vectors = smaller(kPieceVectors, vectors_ - piece * kPieceVectors);
      add_piece<kTileRows, kBlocks>(tables + tables_offset() + piece * kPieceVectors * kVectorBytes, vectors,
                                    words + piece * (kPieceVectors / kGroupVectors) * kGroupWords, correction,
                                    tables + steps_offset() + piece * 4, sums);
    }
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) {
      const int64_t o = (block + b) * kBlock;
      const int64_t lanes = smaller(kBlock, w_.outputs - o);
      const Float scale = Simd::load_first(target.scale + o, lanes);
#pragma GCC unroll 2
      for (int r = 0; r < kTileRows; ++r) {
        const Float addend = Simd::load_first(target.addend + r * target.addend_stride + o, lanes);
        Simd::store_first(target.y + r * w_.outputs + o, Simd::multiply_add(scale, sums[r][b], addend), lanes);
      }
    }
  }

  template <int kTileRows, int kBlocks>
  void add_piece(const uint8_t* tables, int64_t vectors, const uint32_t* words, const Int (&correction)[kBlocks],
                 const uint8_t* step, Float (&sums)[kTileRows][kBlocks]) const {
    Int low[kTileRows][kBlocks], middle[kTileRows][kBlocks], high[kTileRows][kBlocks];
#pragma GCC unroll 2
    for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) {
        low[r][b] = middle[r][b] = Simd::zero();
        high[r][b] = correction[b];
      }
    }
    const Int nibble = _mm512_set1_epi8(15);
    const Int field = _mm512_set1_epi32(0x30201000);
    const Int sign_bit = _mm512_set1_epi8(-128);
    const Int one = _mm512_set1_epi8(64);
    for (int64_t left = vectors; left > 0; left -= kGroupVectors) {
      Int first[kBlocks];  // w0 of the next vector in the highest bit of every byte
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) first[b] = _mm512_load_si512(words + b * block_words() + 64);
      const int64_t pairs = smaller(kGroupVectors, left) / 2;
      for (int64_t pair = 0; pair < pairs; ++pair) {
        Int nibbles[kBlocks];
#pragma GCC unroll 2
        for (int b = 0; b < kBlocks; ++b) {
          __builtin_prefetch(words + b * block_words() + pair * 16 + kAhead, 0, 2);
          nibbles[b] = _mm512_load_si512(words + b * block_words() + pair * 16);
        }
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          Int index[kBlocks], sign[kBlocks];
#pragma GCC unroll 2
          for (int b = 0; b < kBlocks; ++b) {
            index[b] = _mm512_ternarylogic_epi32(nibbles[b], nibble, field, kSelect);
            sign[b] = _mm512_ternarylogic_epi32(first[b], sign_bit, one, kSelect);  // -64 for +1, 64 for -1
            nibbles[b] = _mm512_srli_epi16(nibbles[b], 4);
            first[b] = _mm512_add_epi8(first[b], first[b]);
          }
#pragma GCC unroll 2
          for (int r = 0; r < kTileRows; ++r) {
            const uint8_t* table = tables + r * table_bytes();
            add_byte<kBlocks>(table, index, sign, low[r]);
            add_byte<kBlocks>(table + 64, index, sign, middle[r]);
            add_byte<kBlocks>(table + 128, index, sign, high[r]);
          }
          tables += kVectorBytes;
        }
      }
      words += kGroupWords;
    }
#pragma GCC unroll 2
    for (int r = 0; r < kTileRows; ++r) {
      float scale;
      std::memcpy(&scale, step + r * table_bytes(), sizeof scale);
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) {
        const Float lower =
            Simd::multiply_add(_mm512_cvtepi32_ps(middle[r][b]), Simd::set(256), _mm512_cvtepi32_ps(low[r][b]));
        const Float sum = Simd::multiply_add(_mm512_cvtepi32_ps(high[r][b]), Simd::set(65536), lower);
        sums[r][b] = Simd::multiply_add(sum, Simd::set(-scale), sums[r][b]);
      }
    }
  }

  template <int kBlocks>
  static inline void add_byte(const uint8_t* table, const Int (&index)[kBlocks], const Int (&sign)[kBlocks],
                              Int (&sum)[kBlocks]) {
    Int bytes = _mm512_load_si512(table);
    Simd::settle(bytes);
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) {
      sum[b] = _mm512_dpbusd_epi32(sum[b], _mm512_permutexvar_epi8(index[b], bytes), sign[b]);
      Simd::settle(sum[b]);
    }
  }

  void run_one_by_one(const float* x, int64_t begin, int64_t end, const float* scale, const float* addend,
                      float* y) const {
    for (int64_t o = begin * kBlock; o < smaller(end * kBlock, w_.outputs); ++o) {
      const uint8_t* row = w_.packed + o * ((w_.inputs + 7) / 8);
      double sum = 0;
      for (int64_t k = 0; k < w_.inputs; ++k) sum += (row[k / 8] >> (k % 8)) & 1 ? double{x[k]} : -double{x[k]};
      y[o] = scale[o] * static_cast<float>(sum) + addend[o];
    }
  }

  LinearWeights w_;
  int64_t vectors_;
  x86::AlignedWords words_, corrections_;
};

}  // namespace
}  // namespace edgenet::avx512icl
