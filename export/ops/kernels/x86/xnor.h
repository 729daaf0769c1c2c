// Signed dot products of packed rows: xor, then a population count, by table (vpshufb on nibbles) or by vpopcntq. The
// weights are read where they lie in the file, so a layer holds no second copy of them.
//
// By table 7 vector operations count kBytes * 8 products of one row; rows of activations that share a load of weights
// need 6. vpopcntq needs 3.
// Rows shorter than a vector are counted by POPCNT, 64 products at a time.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Simd>
class XnorRows {
  using Int = typename Simd::Int;
  static constexpr int kLanes = Simd::kLanes;
  static constexpr int kTile = 4;  // rows of weights counted side by side

 public:
  explicit XnorRows(const LinearWeights& weights)
      : w_(weights),
        row_bytes_((w_.inputs + 7) / 8),
        full_chunks_(w_.inputs / kChunkBits),
        end_(w_.packed + w_.outputs * row_bytes_) {
    const int64_t tail = w_.inputs % kChunkBits;
    for (int64_t i = 0; i < Simd::kBytes; ++i) {
      const int64_t bits = tail - 8 * i;
      tail_mask_[i] = bits >= 8 ? 255 : bits > 0 ? static_cast<uint8_t>((1 << bits) - 1) : 0;
    }
  }

  /// Bytes of one row of packed signs.
  int64_t sign_bytes() const { return (w_.inputs + kChunkBits - 1) / kChunkBits * Simd::kBytes; }

  /// signs = x >= threshold; bits beyond the inputs are anything, no count looks at them.
  void pack(const float* x, const float* threshold, uint8_t* signs) const {
    int64_t k = 0;
    for (; k + kLanes <= w_.inputs; k += kLanes) {
      Simd::store_signs(signs + k / 8, Simd::load(x + k), Simd::load(threshold + k));
    }
    const int64_t rest = w_.inputs - k;
    if (rest > 0)
      Simd::store_signs(signs + k / 8, Simd::load_first(x + k, rest), Simd::load_first(threshold + k, rest));
  }

  /// y[r, o] = scale[o] * dot + addend[r, o] for outputs [begin, end), begin a multiple of kLanes. Rows of y have
  /// stride `outputs`, those of addend `addend_stride`, which is 0 for a bias.
  void run(int64_t rows, const uint8_t* signs, int64_t begin, int64_t end, const float* scale, const float* addend,
           int64_t addend_stride, float* y) const {
    for (int64_t o = begin; o < end; o += kLanes) {
      const Target target{o, end - o < kLanes ? end - o : kLanes, scale, addend, addend_stride, y};
      int64_t row = 0;
      for (; full_chunks_ == 0 && row < rows; ++row) run_short(row, signs, target);
      for (; row + Simd::kXnorRows <= rows; row += Simd::kXnorRows) run_block<Simd::kXnorRows>(row, signs, target);
      for (; row < rows; ++row) run_block<1>(row, signs, target);
    }
  }

  /// Up to kLanes outputs from o on, of any row.
  struct Target {
    int64_t o, count;
    const float *scale, *addend;
    int64_t addend_stride;
    float* y;
  };

  /// Lane i of `count` is in how many bits the signs of a row and weight row o + i differ.
  void finish(int64_t row, Int count, const Target& target) const {
    const auto dot = Simd::dot_from_count(count, w_.inputs);
    const auto addend = Simd::load_first(target.addend + row * target.addend_stride + target.o, target.count);
    // Two roundings, as the specification has it.
    const auto product = Simd::multiply(Simd::load_first(target.scale + target.o, target.count), dot);
    Simd::store_first(target.y + row * w_.outputs + target.o, Simd::add(product, addend), target.count);
  }

 private:
  static constexpr int64_t kChunkBits = Simd::kBytes * 8;

  template <int kRows>
  void run_block(int64_t row, const uint8_t* signs, const Target& target) const {
    Int pairs[kRows][kLanes / 2];
    const uint8_t* row_signs = signs + row * sign_bytes();
    for (int tile = 0; tile < kLanes / kTile; ++tile) {
      Int totals[kRows][kTile];
      count_tile<kRows>(target.o + tile * kTile, row_signs, totals);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        pairs[r][2 * tile] = Simd::interleave(totals[r][0], totals[r][1]);
        pairs[r][2 * tile + 1] = Simd::interleave(totals[r][2], totals[r][3]);
      }
    }
    for (int r = 0; r < kRows; ++r) finish(row + r, Simd::sum_rows(pairs[r]), target);
  }

  void run_short(int64_t row, const uint8_t* signs, const Target& target) const {
    const uint8_t* row_signs = signs + row * sign_bytes();
    const int64_t last = (w_.inputs - 1) / 64 * 8;
    uint64_t last_mask, last_signs;
    std::memcpy(&last_mask, tail_mask_ + last, sizeof last_mask);
    std::memcpy(&last_signs, row_signs + last, sizeof last_signs);
    alignas(64) int32_t counts[kLanes] = {};
    for (int64_t i = 0; i < target.count; ++i) {
      const uint8_t* weights = w_.packed + (target.o + i) * row_bytes_;
      int64_t count = 0;
      for (int64_t byte = 0; byte < last; byte += 8) {
        uint64_t word, sign;
        std::memcpy(&word, weights + byte, sizeof word);
        std::memcpy(&sign, row_signs + byte, sizeof sign);
        count += __builtin_popcountll(word ^ sign);
      }
      uint64_t word = 0;
      if (end_ - (weights + last) >= 8) {
        std::memcpy(&word, weights + last, sizeof word);
      } else {
        std::memcpy(&word, weights + last, static_cast<size_t>(row_bytes_ - last));
      }
      counts[i] = static_cast<int32_t>(count + __builtin_popcountll((word ^ last_signs) & last_mask));
    }
    finish(row, Simd::load_bytes(reinterpret_cast<const uint8_t*>(counts)), target);
  }

  /// totals[r][i]: 64-bit partial counts of the bits in which signs r and weight row o + i differ.
  template <int kRows>
  void count_tile(int64_t o, const uint8_t* signs, Int (&totals)[kRows][kTile]) const {
    const uint8_t* weights[kTile];
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
      // Rows past the last are counted as the last: their lanes are not stored.
      weights[i] = w_.packed + (o + i < w_.outputs ? o + i : w_.outputs - 1) * row_bytes_;
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) totals[r][i] = Simd::zero();
    }
    for (int64_t chunk = 0; chunk < full_chunks_;) {
      const int64_t stop = full_chunks_ - chunk > Simd::kCountChunks ? chunk + Simd::kCountChunks : full_chunks_;
      Int counts[kRows][kTile];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i) counts[r][i] = Simd::zero();
      }
      for (; chunk < stop; ++chunk) {
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i) {
          __builtin_prefetch(weights[i] + kTile * row_bytes_ + chunk * Simd::kBytes);
          const Int weight = Simd::load_bytes(weights[i] + chunk * Simd::kBytes);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) {
            const Int sign = Simd::load_bytes(signs + r * sign_bytes() + chunk * Simd::kBytes);
            counts[r][i] = Simd::add_counts(counts[r][i], Simd::count_differing(weight, sign));
            Simd::settle(counts[r][i]);
          }
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i) totals[r][i] = Simd::add_words(totals[r][i], Simd::sum_counts(counts[r][i]));
      }
    }
    if (w_.inputs % kChunkBits != 0) count_tail<kRows>(weights, signs, totals);
  }

  template <int kRows>
  void count_tail(const uint8_t* const (&weights)[kTile], const uint8_t* signs, Int (&totals)[kRows][kTile]) const {
    const int64_t offset = full_chunks_ * Simd::kBytes;
    const Int mask = Simd::load_bytes(tail_mask_);
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
      const Int weight = Simd::load_first_bytes(weights[i] + offset, row_bytes_ - offset, end_);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Int sign = Simd::load_bytes(signs + r * sign_bytes() + offset);
        totals[r][i] = Simd::add_words(totals[r][i], Simd::sum_counts(Simd::count_differing(weight, sign, mask)));
      }
    }
  }

  LinearWeights w_;
  int64_t row_bytes_, full_chunks_;
  const uint8_t* end_;
  uint8_t tail_mask_[Simd::kBytes];
};

}  // namespace
}  // namespace edgenet::x86
