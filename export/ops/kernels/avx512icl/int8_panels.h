// Weights of 32 outputs at a time, for every quad of bytes of an image the 4 weights of each output, so that lanes are
// outputs and no lane waits for positions that a small image lacks.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/avx512icl/int8_pixels.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VNNI

constexpr int64_t kPanelOutputs = 32;

/// How the outputs of every group are cut into panels.
struct PanelShape {
  explicit PanelShape(const ConvWeights& w)
      : outputs(w.out_channels / w.group),
        group_panels((outputs + kPanelOutputs - 1) / kPanelOutputs),
        count(w.group * group_panels) {}

  int64_t group(int64_t panel) const { return panel / group_panels; }
  int64_t first_output(int64_t panel) const { return group(panel) * outputs + panel % group_panels * kPanelOutputs; }
  int64_t panel_outputs(int64_t panel) const {
    return smaller(kPanelOutputs, outputs - panel % group_panels * kPanelOutputs);
  }

  int64_t outputs, group_panels, count;
};

/// Weights of 8 bits: [panel][quad][output][4], turned when they are used where the file has a row of quads for an
/// output, so that large 1x1 kernels need no second copy.
class BytePanels {
 public:
  static constexpr bool kWholeQuads = false;
  static constexpr int64_t kQuadBytes = 4 * kPanelOutputs;

  explicit BytePanels(const ConvWeights& w)
      : shape_(w),
        runs_(w, kWholeQuads),
        row_(w.group_channels * runs_.taps),
        file_(w.packed),
        words_(turned() ? 0 : shape_.count * runs_.quads() * kPanelOutputs),
        sums_(shape_.count * kPanelOutputs) {
    if (!turned()) std::memset(words_.data(), 0, static_cast<size_t>(shape_.count * panel_bytes()));
    for (int64_t panel = 0; panel < shape_.count; ++panel) {
      for (int64_t o = 0; o < kPanelOutputs; ++o) {
        sums_.data()[panel * kPanelOutputs + o] =
            o < shape_.panel_outputs(panel) ? static_cast<uint32_t>(copy_row(panel, o)) : 0;
      }
    }
  }

  const int32_t* sums(int64_t panel) const {
    return reinterpret_cast<const int32_t*>(sums_.data()) + panel * kPanelOutputs;
  }
  int64_t room_bytes() const { return turned() ? panel_bytes() : 0; }
  const uint8_t* weights(int64_t panel, uint8_t* room) const {
    if (!turned()) return bytes() + panel * panel_bytes();
    for (int64_t quad = 0; quad < runs_.quads(); quad += 16) {
      for (int64_t half = 0; half < 2; ++half) turn(panel, half * 16, quad, room);
    }
    return room;
  }

  static void load(const uint8_t* from, __m512i (&weights)[2]) {
    weights[0] = _mm512_loadu_si512(from);
    weights[1] = _mm512_loadu_si512(from + 64);
  }

 private:
  bool turned() const { return runs_.taps == 1; }
  int64_t panel_bytes() const { return runs_.quads() * kQuadBytes; }
  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(words_.data()); }

  /// The sum of an output's weights, which are copied to their places if a copy is kept.
  int32_t copy_row(int64_t panel, int64_t o) {
    const auto* row = reinterpret_cast<const int8_t*>(file_) + (shape_.first_output(panel) + o) * row_;
    auto* to = reinterpret_cast<int8_t*>(words_.data()) + panel * panel_bytes() + o * 4;
    int32_t sum = 0;
    for (int64_t k = 0; k < row_; ++k) {
      const int64_t byte = runs_.byte(k);
      if (!turned()) to[byte / 4 * kQuadBytes + byte % 4] = row[k];
      sum += row[k];
    }
    return sum;
  }

  /// 16 quads of 16 outputs.
  void turn(int64_t panel, int64_t output, int64_t quad, uint8_t* room) const {
    const int64_t exist = shape_.panel_outputs(panel) - output;
    const int64_t bytes = row_ - quad * 4;
    const __mmask64 inside = bytes >= 64 ? ~uint64_t{0} : (uint64_t{1} << bytes) - 1;
    const uint8_t* from = file_ + (shape_.first_output(panel) + output) * row_ + quad * 4;
    Simd::Float square[16];
    if (exist >= 16 && bytes >= 64) {
#pragma GCC unroll 16
      for (int64_t o = 0; o < 16; ++o) {
        __builtin_prefetch(from + (kPanelOutputs + o) * row_, 0, 2);  // of the next panel
        square[o] = _mm512_loadu_ps(from + o * row_);
      }
    } else {
#pragma GCC unroll 16
      for (int64_t o = 0; o < 16; ++o) {
        const __mmask64 there = o < exist ? inside : 0;
        square[o] = _mm512_castsi512_ps(_mm512_maskz_loadu_epi8(there, o < exist ? from + o * row_ : file_));
      }
    }
    Simd::transpose(square);
    uint8_t* to = room + quad * kQuadBytes + output * 4;
    for (int64_t i = 0; i < smaller(16, runs_.quads() - quad); ++i) _mm512_storeu_ps(to + i * kQuadBytes, square[i]);
  }

  PanelShape shape_;
  PixelRuns runs_;
  int64_t row_;
  const uint8_t* file_;
  x86::AlignedWords words_, sums_;
};

/// Weights of a bit, +1 and -1, in the same order. Weights that do not exist are -1 and meet activations of 0.
class BitPanels {
 public:
  static constexpr bool kWholeQuads = true;
  static constexpr int64_t kQuadBytes = kPanelOutputs / 2;

  explicit BitPanels(const ConvWeights& w)
      : shape_(w),
        runs_(w, kWholeQuads),
        words_(shape_.count * panel_bytes() / 4),
        sums_(shape_.count * kPanelOutputs) {
    std::memset(words_.data(), 0, static_cast<size_t>(shape_.count * panel_bytes()));
    const int64_t row = w.group_channels * runs_.taps;
    for (int64_t panel = 0; panel < shape_.count; ++panel) {
      uint8_t* bits = reinterpret_cast<uint8_t*>(words_.data()) + panel * panel_bytes();
      for (int64_t o = 0; o < kPanelOutputs; ++o) {
        const uint8_t* from = w.packed + (shape_.first_output(panel) + o) * ((row + 7) / 8);
        int32_t sum = static_cast<int32_t>(-4 * runs_.quads());
        for (int64_t k = 0; o < shape_.panel_outputs(panel) && k < row; ++k) {
          if (((from[k / 8] >> (k % 8)) & 1) == 0) continue;
          const int64_t byte = runs_.byte(k);
          const int64_t bit = o * 4 + byte % 4;
          bits[byte / 4 * kQuadBytes + bit / 8] |= static_cast<uint8_t>(1 << bit % 8);
          sum += 2;
        }
        sums_.data()[panel * kPanelOutputs + o] = static_cast<uint32_t>(sum);
      }
    }
  }

  const int32_t* sums(int64_t panel) const {
    return reinterpret_cast<const int32_t*>(sums_.data()) + panel * kPanelOutputs;
  }
  int64_t room_bytes() const { return 0; }
  const uint8_t* weights(int64_t panel, uint8_t*) const {
    return reinterpret_cast<const uint8_t*>(words_.data()) + panel * panel_bytes();
  }

  static void load(const uint8_t* from, __m512i (&weights)[2]) {
    for (int half = 0; half < 2; ++half) {
      uint64_t bits;
      std::memcpy(&bits, from + 8 * half, sizeof bits);
      weights[half] = _mm512_mask_blend_epi8(bits, _mm512_set1_epi8(-1), _mm512_set1_epi8(1));
    }
  }

 private:
  int64_t panel_bytes() const { return runs_.quads() * kQuadBytes; }

  PanelShape shape_;
  PixelRuns runs_;
  x86::AlignedWords words_, sums_;
};

/// What it takes to sum positions for a panel.
struct PanelTask {
  const uint8_t* weights;
  const uint8_t* image;  ///< of the panel's group
  const int64_t* runs;   ///< where they begin, from a position's first byte on
  int64_t run_count, run_quads, position_bytes;
  const uint8_t* tails;
  int64_t tail_quads, tail_step;  ///< bytes from one of a position's tail quads to the next
  bool relu;
  alignas(64) int32_t offset[kPanelOutputs];
  alignas(64) float factor[kPanelOutputs], bias[kPanelOutputs];
};

/// Makes values of the sums of 16 outputs.
class PanelValues {
 public:
  PanelValues(const PanelTask& task, int64_t half)
      : offset_(_mm512_load_si512(task.offset + 16 * half)),
        factor_(_mm512_load_ps(task.factor + 16 * half)),
        bias_(_mm512_load_ps(task.bias + 16 * half)),
        floor_(_mm512_set1_ps(task.relu ? 0 : -std::numeric_limits<float>::infinity())) {}

  __m512 value(__m512i sums) const {
    const __m512 exact = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, offset_));
    return _mm512_max_ps(floor_, _mm512_add_ps(_mm512_mul_ps(factor_, exact), bias_));
  }
  void store(__m512i sums, float* to) const { _mm512_storeu_ps(to, value(sums)); }

 private:
  __m512i offset_;
  __m512 factor_, bias_, floor_;
};

/// Orders the sums of 16 outputs as their values are: flipped where the scale is negative.
class PanelSums {
 public:
  PanelSums(const PanelTask& task, int64_t half) {
    const __m512 factor = _mm512_load_ps(task.factor + 16 * half);
    flips_ = _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask(factor, _mm512_setzero_ps(), _CMP_LT_OQ), -1);
  }

  __m512i flipped(__m512i sums) const { return _mm512_xor_si512(sums, flips_); }
  void store(__m512i sums, int32_t* to) const { _mm512_storeu_si512(to, flipped(sums)); }

 private:
  __m512i flips_;
};

/// A quad of positions that are a step apart.
template <int kPositions>
inline void add_products(__m512i (&sums)[kPositions][2], const __m512i (&weight)[2], const uint8_t* x, int64_t step) {
#pragma GCC unroll 12
  for (int p = 0; p < kPositions; ++p) {
    int32_t word;
    std::memcpy(&word, x + p * step, sizeof word);
    const __m512i activations = _mm512_set1_epi32(word);
    sums[p][0] = _mm512_dpbusd_epi32(sums[p][0], activations, weight[0]);
    sums[p][1] = _mm512_dpbusd_epi32(sums[p][1], activations, weight[1]);
  }
}

/// to[position][output] for neighbouring positions, the first at `x` and its tail quads at `tails`.
template <class Panels, class Stored, int kPositions, class Word>
__attribute__((noinline)) void sum_positions(const PanelTask& task, const uint8_t* x, const uint8_t* tails, Word* to) {
  __m512i sums[kPositions][2];
#pragma GCC unroll 12
  for (int p = 0; p < kPositions; ++p) sums[p][0] = sums[p][1] = _mm512_setzero_si512();
  const uint8_t* weights = task.weights;
  const int64_t step = task.position_bytes;
  for (int64_t run = 0; run < task.run_count; ++run) {
    const uint8_t* from = x + task.runs[run];
    for (int64_t quad = 0; quad < task.run_quads; ++quad, from += 4, weights += Panels::kQuadBytes) {
      __m512i weight[2];
      Panels::load(weights, weight);
      add_products(sums, weight, from, step);
    }
  }
  for (int64_t quad = 0; quad < task.tail_quads; ++quad, tails += task.tail_step, weights += Panels::kQuadBytes) {
    __m512i weight[2];
    Panels::load(weights, weight);
    add_products(sums, weight, tails, 4);
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const Stored stored(task, half);
#pragma GCC unroll 12
    for (int p = 0; p < kPositions; ++p) stored.store(sums[p][half], to + p * kPanelOutputs + 16 * half);
  }
}

}  // namespace
}  // namespace edgenet::avx512icl
