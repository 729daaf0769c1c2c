// Binary weights times float activations, by table: kGroup activations have 2^kGroup signed sums, which fill a vector
// register, and kGroup bits of weight pick one of them, for every lane (an output) its own. So a vpermps and an
// addition do kLanes * kGroup multiply-adds, where a fused multiply-add does kLanes; and the sums are as exact as any
// in float32.
//
// The repacked weights are as many bits as the packed ones, but for padding to whole words and vectors: word w of a run
// holds the indices of fields w * kFields to (w + 1) * kFields - 1, half of them from bit 0 on and half from bit 16 on,
// so that a 16-bit multiplication moves on to the next: 1.3 times as fast at batch 1 on Zen 4 as shifts, which compete
// with vpermps.
//
// A table is a "field". Fields that lie one after the other in memory are a "run": a linear layer has one run, a
// convolution one for every row of its kernel. Sums start afresh every kPieceFields fields, so that rounding stays
// below (kPieceFields + pieces + 4) * 2^-24 of the sum of magnitudes.
#pragma once
#include <cstdint>

#include "kernels/x86/aligned.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// Bits [first, first + count) of a packed row, count at most 32.
inline uint32_t read_bits(const uint8_t* row, int64_t first, int64_t count) {
  uint64_t bits = 0;
  const int64_t first_byte = first / 8;
  for (int64_t byte = first_byte; byte * 8 < first + count; ++byte) {
    bits |= uint64_t{row[byte]} << (8 * (byte - first_byte));
  }
  return static_cast<uint32_t>((bits >> (first % 8)) & ((uint64_t{1} << count) - 1));
}

template <class Simd>
class LookupWeights {
 public:
  static constexpr int64_t kBlock = Simd::kVectors * Simd::kLanes;  ///< outputs summed side by side
  static constexpr int64_t kEntries = int64_t{1} << Simd::kGroup;

  /// word_of(output, run, field, count) gives the bits of `count` fields from `field` on, lowest first. The outputs of
  /// a group fill blocks of their own.
  template <class WordOf>
  LookupWeights(int64_t groups, int64_t group_outputs, int64_t runs, int64_t run_fields, const WordOf& word_of)
      : group_outputs_(group_outputs),
        run_fields_(run_fields),
        run_words_(round_up(run_fields, Simd::kFields) / Simd::kFields),
        vector_words_(runs * run_words_ * Simd::kLanes),
        group_words_(padded_vectors() * vector_words_),
        words_(groups * group_words_ + 1) {  // second_half() of the last vector reads two bytes more
    for (int64_t group = 0; group < groups; ++group) {
      for (int64_t block = 0; block < blocks(); ++block) {
        fill_block(group * group_outputs + block * kBlock, block, runs, word_of,
                   words_.data() + group * group_words_ + block * Simd::kVectors * vector_words_);
      }
    }
  }

  /// Blocks of outputs in a group.
  int64_t blocks() const { return (group_outputs_ + kBlock - 1) / kBlock; }
  int64_t runs() const { return vector_words_ / (run_words_ * Simd::kLanes); }
  int64_t run_fields() const { return run_fields_; }
  /// Outputs of a group that a block holds.
  int64_t block_outputs(int64_t block) const { return smaller(kBlock, group_outputs_ - block * kBlock); }

  /// The tables of some positions: field f of run r of position p is at tables[r * stride + p] + f * kEntries.
  struct Tables {
    const float* const* tables;
    int64_t stride;
  };

  /// Part of the work of a block: fields [begin, end) of `runs` runs from `run` on; begin is a multiple of kFields.
  struct Range {
    int64_t run, runs, begin, end;
  };

  /// sums[p, output] += the range, for p in [0, positions).
  void add(int64_t group, int64_t block, const Range& range, int positions, const Tables& tables, float* sums) const {
    const int vectors = block_vectors(block);
    add_pieces(kTiles[positions - 1][vectors == 4 ? 2 : vectors - 1], vectors, block_words(group, block), range, tables,
               sums);
  }

  /// The same for one position and two blocks, the second of which is full: more sums in flight hide their latency.
  void add_pair(int64_t group, int64_t block, const Range& range, const Tables& tables, float* sums) const {
    add_pieces(add_fields<1, kWide, 2>, kWide, block_words(group, block), range, tables, sums);
  }

 private:
  using Float = typename Simd::Float;
  using Int = typename Simd::Int;

  /// What one tile adds up without a stop.
  struct Piece {
    const uint32_t* words;
    int64_t block_stride, run_stride;  ///< words from block to block and from run to run
    int64_t runs, first, fields;
    Tables tables;
  };
  using Tile = void (*)(const Piece&, float*);
  static constexpr int64_t kHalf = Simd::kFields / 2;
  static constexpr int64_t kPieceFields = 128 / Simd::kFields * Simd::kFields;

  /// 1, 2 or 4: the widths that tiles exist for.
  int block_vectors(int64_t block) const {
    const int64_t vectors = (block_outputs(block) + Simd::kLanes - 1) / Simd::kLanes;
    return static_cast<int>(vectors == 3 ? 4 : vectors);
  }

  const uint32_t* block_words(int64_t group, int64_t block) const {
    return words_.data() + group * group_words_ + block * Simd::kVectors * vector_words_;
  }

  void add_pieces(Tile tile, int vectors, const uint32_t* block, const Range& range, const Tables& tables,
                  float* sums) const {
    const int64_t lanes = vectors * Simd::kLanes;
    const int64_t piece_runs = larger(1, kPieceFields / larger(1, range.end - range.begin));
    for (int64_t run = range.run; run < range.run + range.runs; run += piece_runs) {
      for (int64_t field = range.begin; field < range.end; field += kPieceFields) {
        tile(
            Piece{block + (run * run_words_ + field / Simd::kFields) * lanes, Simd::kVectors * vector_words_,
                  run_words_ * lanes, smaller(piece_runs, range.run + range.runs - run), field,
                  smaller(kPieceFields, range.end - field), Tables{tables.tables + run * tables.stride, tables.stride}},
            sums);
      }
    }
  }

  int64_t padded_vectors() const { return (blocks() - 1) * Simd::kVectors + block_vectors(blocks() - 1); }

  template <class WordOf>
  void fill_block(int64_t first_output, int64_t block, int64_t runs, const WordOf& word_of, uint32_t* words) const {
    const int64_t lanes = block_vectors(block) * Simd::kLanes;
    for (int64_t run = 0; run < runs; ++run) {
      for (int64_t word = 0; word < run_words_; ++word) {
        const int64_t field = word * Simd::kFields;
        const int64_t count = smaller(Simd::kFields, run_fields_ - field);
        for (int64_t lane = 0; lane < lanes; ++lane) {
          *words++ = lane < block_outputs(block) ? word_of_halves(first_output + lane, run, field, count, word_of) : 0;
        }
      }
    }
  }

  template <class WordOf>
  static uint32_t word_of_halves(int64_t output, int64_t run, int64_t field, int64_t count, const WordOf& word_of) {
    const uint32_t low = word_of(output, run, field, smaller(count, kHalf));
    return count <= kHalf ? low : low | word_of(output, run, field + kHalf, count - kHalf) << 16;
  }

  template <int kPositions, int kVectors, int kBlocks = 1>
  static void add_fields(const Piece& piece, float* sums) {
    constexpr int kSums = kVectors * kBlocks;
    Float sum[kPositions][kSums];
#pragma GCC unroll 8
    for (int p = 0; p < kPositions; ++p) {
#pragma GCC unroll 8
      for (int v = 0; v < kSums; ++v) sum[p][v] = Simd::set(0);
    }
    for (int64_t run = 0; run < piece.runs; ++run) {
      const float* table[kPositions];
#pragma GCC unroll 8
      for (int p = 0; p < kPositions; ++p) {
        table[p] = piece.tables.tables[run * piece.tables.stride + p] + piece.first * kEntries;
      }
      const uint32_t* words = piece.words + run * piece.run_stride;
      Int index[kSums];
      int64_t fields = piece.fields;
      for (; fields >= Simd::kFields; fields -= Simd::kFields) {
        load_indices<kVectors>(words, piece.block_stride, index);
#pragma GCC unroll 8
        for (int field = 0; field < kHalf; ++field) add_field(table, field, index, sum);
        load_indices<kVectors>(second_half(words), piece.block_stride, index);
#pragma GCC unroll 8
        for (int field = kHalf; field < Simd::kFields; ++field) add_field(table, field, index, sum);
        words += kVectors * Simd::kLanes;
#pragma GCC unroll 8
        for (int p = 0; p < kPositions; ++p) table[p] += Simd::kFields * kEntries;
      }
      if (fields == 0) continue;
      int64_t field = 0;
      load_indices<kVectors>(words, piece.block_stride, index);
      if (fields >= kHalf) {
#pragma GCC unroll 8
        for (; field < kHalf; ++field) add_field(table, field, index, sum);
        load_indices<kVectors>(second_half(words), piece.block_stride, index);
      }
      for (; field < fields; ++field) add_field(table, field, index, sum);
    }
#pragma GCC unroll 8
    for (int p = 0; p < kPositions; ++p) {
#pragma GCC unroll 8
      for (int v = 0; v < kSums; ++v) {
        float* to = sums + p * kBlock + v * Simd::kLanes;
        Simd::store(to, Simd::add(Simd::load(to), sum[p][v]));
      }
    }
  }

  /// The words from their upper halves on: only the lowest bits of an index count.
  static const uint32_t* second_half(const uint32_t* words) {
    return reinterpret_cast<const uint32_t*>(reinterpret_cast<const uint8_t*>(words) + 2);
  }

  template <int kVectors, int kSums>
  static inline void load_indices(const uint32_t* words, int64_t block_stride, Int (&index)[kSums]) {
#pragma GCC unroll 8
    for (int v = 0; v < kSums; ++v) {
      index[v] = Simd::load_index(words + v / kVectors * block_stride + v % kVectors * Simd::kLanes);
    }
  }

  template <int kPositions, int kSums>
  static inline void add_field(const float* const (&table)[kPositions], int64_t field, Int (&index)[kSums],
                               Float (&sum)[kPositions][kSums]) {
#pragma GCC unroll 8
    for (int p = 0; p < kPositions; ++p) {
      const Float entries = Simd::load(table[p] + field * kEntries);
#pragma GCC unroll 8
      for (int v = 0; v < kSums; ++v) {
        sum[p][v] = Simd::add(sum[p][v], Simd::look_up(index[v], entries));
        Simd::settle(sum[p][v]);
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kSums; ++v) index[v] = Simd::next_index(index[v]);
  }

  static constexpr int kWide = Simd::kVectors;
  static constexpr Tile kTiles[6][3] = {
      {add_fields<1, 1>, add_fields<1, 2>, add_fields<1, kWide>},
      {add_fields<2, 1>, add_fields<2, 2>, add_fields<2, kWide>},
      {add_fields<3, 1>, add_fields<3, 2>, add_fields<3, kWide>},
      {add_fields<4, 1>, add_fields<4, 2>, add_fields<4, kWide>},
      {add_fields<5, 1>, add_fields<5, 2>, add_fields<5, kWide>},
      {add_fields<6, 1>, add_fields<6, 2>, add_fields<6, kWide>},
  };
  static_assert(Simd::kPositions <= 6 && (Simd::kVectors == 2 || Simd::kVectors == 4), "a tile for every shape");

  int64_t group_outputs_, run_fields_, run_words_, vector_words_, group_words_;
  AlignedWords words_;
};

}  // namespace
}  // namespace edgenet::x86
