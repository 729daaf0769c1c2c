// Binary weights times float activations, by tables of bytes. The signed sums of a field of activations fill a table
// with a byte each, so that a shuffle picks the sums of a vector of outputs at once: vpermb those of 6 activations for
// 64 outputs, 384 products an instruction and plane of bits, vpshufb those of 4 for 32. The picked bytes of 4 fields (a
// group) are added up as bytes, then even and odd ones as words: 2.5 instructions a look-up. Fused multiply-adds have
// 16 or 8 products an instruction, look-ups of floats 32 or 12.
//
// Rounding: a piece of some 500 activations has a step of its own, and every entry is off by half a step. Three planes
// make that 9.9e-7 of the largest sum of magnitudes of a group, for each of its four fields: 4e-6 of all magnitudes
// where groups are alike. The sum of these bounds is known when the tables are made: a row for which it is more than
// kAllowed of the sum of magnitudes takes a fourth plane, which bounds it by 3e-6 of a piece's largest group, so of all
// of its magnitudes. Rows that are not finite, or too small for the step, are summed one by one.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/x86/field_indices.h"
#include "kernels/x86/plane_sums.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Tables>
class ByteTableRows {
  using Simd = typename Tables::Simd;
  using Float = typename Simd::Float;
  using Indices = FieldIndices<Tables>;

 public:
  static constexpr int64_t kBlock = Indices::kBlock;
  static constexpr int64_t kRows = Tables::kRows;  ///< whose tables stand side by side at most

  explicit ByteTableRows(const LinearWeights& weights) : w_(weights), indices_(weights) {}

  int64_t blocks() const { return indices_.blocks(); }
  /// Two rows share the loads of weights that no near cache holds; else two blocks of a row do those of tables.
  int64_t rows_at_once() const { return indices_.packed() ? kRows : 1; }

  /// Bytes of the tables of one row, a multiple of 64.
  int64_t table_bytes() const {
    return tables_offset() + indices_.groups() * kGroupFields * Tables::kMostPlanes * kPlaneBytes;
  }

  void make_tables(const float* x, uint8_t* memory) const {
    auto* header = reinterpret_cast<Header*>(memory);
    auto* steps = reinterpret_cast<float*>(memory + kStepsOffset);
    auto* padded = reinterpret_cast<float*>(memory + padded_offset());
    std::memcpy(padded, x, static_cast<size_t>(w_.inputs) * sizeof(float));
    std::memset(padded + w_.inputs, 0, static_cast<size_t>(padded_floats() - w_.inputs) * sizeof(float));
    float largest = 0, total = 0, error = 0;
    for (int64_t piece = 0; piece < indices_.pieces(); ++piece) {
      const float group =
          Tables::largest_group(padded + indices_.first_group(piece) * kGroupInputs, indices_.groups_of(piece), &total);
      largest = group > largest ? group : largest;
      steps[piece] = Tables::unit(group);
      error += Tables::step(steps[piece], 3) * 0.5f * static_cast<float>(indices_.groups_of(piece) * kGroupFields);
    }
    const bool one_by_one = !(total <= 1e38f) || (largest > 0 && largest < Tables::kSmallest);
    const bool rough = indices_.groups() > kFewGroups && total > 0 && error <= kAllowed * total;
    *header = {x, one_by_one ? 0 : rough ? 3 : 4};
    if (one_by_one) return;
    uint8_t* tables = memory + tables_offset();
    for (int64_t piece = 0; piece < indices_.pieces(); ++piece) {
      if (header->planes == 4) steps[piece] = Tables::power_of_two(steps[piece]);
      Tables::make(padded + indices_.first_group(piece) * kGroupInputs, indices_.groups_of(piece), steps[piece],
                   header->planes, tables);
      steps[piece] = Tables::step(steps[piece], header->planes);
      tables += indices_.groups_of(piece) * kGroupFields * header->planes * kPlaneBytes;
    }
  }

  /// y[r, o] = scale[o] * sum + addend[r, o] for r in [0, rows) and blocks [begin, end); tables of row r start at
  /// tables + r * table_bytes(). Strides as in LookupRows. y must not overlap addend.
  void run(int64_t rows, const uint8_t* tables, int64_t begin, int64_t end, const float* scale, const float* addend,
           int64_t addend_stride, float* y) const {
    for (int64_t row = 0; row < rows;) {
      const uint8_t* memory = tables + row * table_bytes();
      const Target target{scale, addend + row * addend_stride, addend_stride, y + row * w_.outputs};
      const int64_t planes = planes_of(memory);
      const bool pair = rows_at_once() == 2 && row + 1 < rows && planes == 3 && planes_of(memory + table_bytes()) == 3;
      if (planes == 0) {
        run_one_by_one(reinterpret_cast<const Header*>(memory)->x, begin, end, target);
      } else if (planes == 4) {
        run_row<4>(memory, begin, end, target);
      } else if (pair) {
        if constexpr (kRows == 2) run_pieces<3, 2, true>(memory, begin, end, target);
      } else {
        run_row<3>(memory, begin, end, target);
      }
      row += pair ? 2 : 1;
    }
  }

 private:
  static constexpr int64_t kGroupFields = Tables::kGroupFields;
  static constexpr int64_t kGroupInputs = Tables::kGroupInputs;
  static constexpr int64_t kPlaneBytes = Tables::kPlaneBytes;
  static constexpr float kAllowed = 9e-6f;
  static constexpr int64_t kFewGroups = 4;  ///< whose rounding hardly averages out, and whose time hardly counts
  static constexpr int64_t kStepsOffset = 64;
  static constexpr int64_t kAhead = 16 * kBlock;  ///< bytes of indices fetched before their turn

  struct Header {
    const float* x;
    int64_t planes;  ///< 0 where the row is summed one by one
  };

  struct Target {
    const float *scale, *addend;
    int64_t addend_stride;
    float* y;
  };

  static int64_t planes_of(const uint8_t* memory) { return reinterpret_cast<const Header*>(memory)->planes; }

  int64_t padded_floats() const { return round_up(indices_.groups() * kGroupInputs + Tables::kReadBeyond, 16); }
  int64_t padded_offset() const { return kStepsOffset + round_up(indices_.pieces(), 16) * 4; }
  int64_t tables_offset() const { return padded_offset() + padded_floats() * 4; }

  template <int kPlanes>
  void run_row(const uint8_t* memory, int64_t begin, int64_t end, const Target& target) const {
    if (indices_.packed()) {
      run_pieces<kPlanes, 1, true>(memory, begin, end, target);
    } else {
      run_pieces<kPlanes, 1, false>(memory, begin, end, target);
    }
  }

  /// A piece after the other, so that its tables stay in the first cache; y holds the sums meanwhile.
  template <int kPlanes, int kTileRows, bool kPacked>
  void run_pieces(const uint8_t* memory, int64_t begin, int64_t end, const Target& target) const {
    const auto* steps = reinterpret_cast<const float*>(memory + kStepsOffset);
    const uint8_t* tables = memory + tables_offset();
    for (int64_t piece = 0; piece < indices_.pieces(); ++piece) {
      const Place place{piece, {steps[piece], kTileRows == 1 ? 0 : steps[piece + table_bytes() / 4]}};
      constexpr int kBlocks = kTileRows == 1 ? Tables::kBlocks : 1;
      int64_t block = begin;
      for (; block + kBlocks <= end; block += kBlocks) {
        run_tile<kPlanes, kTileRows, kBlocks, kPacked>(place, block, tables, target);
      }
      if (kBlocks == 2 && block < end) run_tile<kPlanes, kTileRows, 1, kPacked>(place, block, tables, target);
      tables += indices_.groups_of(piece) * PlaneSums<Tables, kPlanes>::kGroupBytes;
    }
  }

  struct Place {
    int64_t piece;
    float steps[2];  ///< of the rows
  };

  /// Two rows of a block, or two blocks of a row, or one of one.
  template <int kPlanes, int kTileRows, int kBlocks, bool kPacked>
  void run_tile(const Place& place, int64_t block, const uint8_t* tables, const Target& target) const {
    constexpr int64_t kGroupBytes = Indices::template group_bytes<kPacked>();
    const int64_t groups = indices_.groups_of(place.piece);
    const int64_t block_bytes = groups * kGroupBytes;
    const uint8_t* next_tables = tables + table_bytes();
    PlaneSums<Tables, kPlanes> sums(groups), next_sums(groups);
    const uint8_t* index = indices_.block(place.piece, block);
    for (const uint8_t* end = index + block_bytes; index != end; index += kGroupBytes) {
      if (kTileRows == 2) {  // else the loads of tables leave no room
        for (int64_t i = 0; i < kGroupBytes; i += kBlock) __builtin_prefetch(index + kAhead + i);
      }
      const auto from = Tables::template load<kPacked>(index);
      if (kBlocks == 2) {
        sums.add(from, Tables::template load<kPacked>(index + block_bytes), tables, next_sums);
      } else {
        sums.add(from, tables);
        if (kTileRows == 2) next_sums.add(from, next_tables);
      }
      tables += PlaneSums<Tables, kPlanes>::kGroupBytes;
      next_tables += PlaneSums<Tables, kPlanes>::kGroupBytes;
    }
    finish(sums, place, 0, block * kBlock, target);
    if (kBlocks == 2) finish(next_sums, place, 0, (block + 1) * kBlock, target);
    if (kTileRows == 2) finish(next_sums, place, 1, block * kBlock, target);
  }

  template <int kPlanes>
  void finish(const PlaneSums<Tables, kPlanes>& planes, const Place& place, int64_t row, int64_t o,
              const Target& target) const {
    Float sums[4];
    planes.read(sums);
    const bool first = place.piece == 0, last = place.piece + 1 == indices_.pieces();
    const Float step = Simd::set(place.steps[row]);
    const float *scale = target.scale + o, *addend = target.addend + row * target.addend_stride + o;
    float* y = target.y + row * w_.outputs + o;
    const auto finish_lanes = [&](int64_t at, int64_t lanes, Float sum) {
      sum = Simd::multiply(sum, step);
      if (!first) sum = Simd::add(sum, Simd::load_first(y + at, lanes));
      if (last) {
        sum = Simd::multiply_add(Simd::load_first(scale + at, lanes), sum, Simd::load_first(addend + at, lanes));
      }
      Simd::store_first(y + at, sum, lanes);
    };
    const int64_t outputs = w_.outputs - o;
#pragma GCC unroll 4
    for (int64_t v = 0; v < 4; ++v) {
      if (outputs >= kBlock) {
        finish_lanes(v * Simd::kLanes, Simd::kLanes, sums[v]);
      } else if (outputs > v * Simd::kLanes) {
        finish_lanes(v * Simd::kLanes, smaller(Simd::kLanes, outputs - v * Simd::kLanes), sums[v]);
      }
    }
  }

  void run_one_by_one(const float* x, int64_t begin, int64_t end, const Target& target) const {
    for (int64_t o = begin * kBlock; o < smaller(end * kBlock, w_.outputs); ++o) {
      const uint8_t* row = w_.packed + o * ((w_.inputs + 7) / 8);
      double sum = 0;
      for (int64_t k = 0; k < w_.inputs; ++k) sum += (row[k / 8] >> (k % 8)) & 1 ? double{x[k]} : -double{x[k]};
      target.y[o] = target.scale[o] * static_cast<float>(sum) + target.addend[o];
    }
  }

  LinearWeights w_;
  Indices indices_;
};

}  // namespace
}  // namespace edgenet::x86
