// What becomes of the counts of a tile of the XNOR convolution by tables in memory.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/sum_layout.h"
#include "kernels/avx2/sum_pack.h"
#include "kernels/avx2/sum_tables.h"
#include "kernels/x86/xnor_conv_256.h"
#include "kernels/x86/xnor_conv_finish.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

/// The sign of an output is whether its dot product is above `limit`, flipped or not, if it depends on that alone.
struct SignBound {
  int16_t limit;
  bool flipped, exists;
};

/// Finds, for channels whose sign is monotone in the dot product, the bound by bisection. At most 32766 inputs.
void find_sign_bounds(const ConvForm& form, const ConvOperands& operands, int64_t channels, int64_t inputs,
                      SignBound* bounds) {
  using x86::Floats256;
  const __m256 zero = _mm256_setzero_ps();
  const auto finite = [&](__m256 v) EDGENET_LAMBDA { return _mm256_cmp_ps(_mm256_sub_ps(v, v), zero, _CMP_EQ_OQ); };
  for (int64_t c = 0; c < channels; c += 8) {
    const int64_t left = channels - c;
    const __m256 scale = Floats256::load(operands.scale + c, left);
    const __m256 bias = Floats256::load(operands.bias + c, left);
    const __m256 threshold = Floats256::load(operands.next_threshold + c, left);
    const __m256 slope = form.prelu ? Floats256::load(operands.slope + c, left) : _mm256_set1_ps(1);
    const __m256 ordered = _mm256_and_ps(_mm256_and_ps(finite(scale), finite(bias)),
                                         _mm256_and_ps(finite(slope), _mm256_cmp_ps(slope, zero, _CMP_GE_OQ)));
    const __m256 falling = _mm256_cmp_ps(scale, zero, _CMP_LT_OQ);
    // The least dot product from which on the sign is that of the largest ones.
    __m256i low = _mm256_set1_epi32(static_cast<int>(-inputs));
    __m256i high = _mm256_set1_epi32(static_cast<int>(inputs + 1));
    for (int64_t range = 2 * inputs + 1; range > 0; range /= 2) {
      const __m256i middle = _mm256_srai_epi32(_mm256_add_epi32(low, high), 1);
      const __m256 dot = _mm256_cvtepi32_ps(middle);
      __m256 v = _mm256_add_ps(_mm256_mul_ps(scale, dot), bias);
      const __m256 kept = _mm256_cmp_ps(v, zero, _CMP_GE_OQ);
      if (form.prelu) v = _mm256_blendv_ps(_mm256_mul_ps(slope, v), v, kept);
      const __m256i open = _mm256_cmpgt_epi32(high, low);
      const __m256i beyond = _mm256_castps_si256(_mm256_xor_ps(_mm256_cmp_ps(v, threshold, _CMP_GE_OQ), falling));
      high = _mm256_blendv_epi8(high, middle, _mm256_and_si256(open, beyond));
      const __m256i above = _mm256_add_epi32(middle, _mm256_set1_epi32(1));
      low = _mm256_blendv_epi8(low, above, _mm256_andnot_si256(beyond, open));
    }
    alignas(32) int32_t found[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(found), low);
    const int exist = _mm256_movemask_ps(ordered), flipped = _mm256_movemask_ps(falling);
    for (int64_t i = 0; i < x86::smaller(8, left); ++i) {
      bounds[c + i] = {static_cast<int16_t>(found[i] - 1), (flipped >> i & 1) != 0, (exist >> i & 1) != 0};
    }
  }
}

/// Outputs that lie together: of a tile from position `from` on, of all those of the tile from `to` on.
struct TileRun {
  int64_t from, to, count;
};

/// The outputs of a tile.
struct TileRuns {
  static constexpr int64_t kMost = kMostVectors * kVectorLanes;

  TileRuns(const SumLayout& layout, int64_t position, int64_t lanes_of_tile) {
    const int64_t width = layout.horizontal.outputs;
    const int64_t end = x86::smaller(layout.positions, position + lanes_of_tile);
    const int64_t first_row = position / layout.pitch;
    first = first_row * width + x86::smaller(width, position - first_row * layout.pitch);
    for (int64_t row = first_row; row * layout.pitch < end; ++row) {
      const int64_t begin = x86::larger(position, row * layout.pitch);
      const int64_t length = x86::smaller(end, row * layout.pitch + width) - begin;
      if (length <= 0) continue;
      run[count++] = {begin - position, lanes, length};
      lanes += length;
    }
  }

  TileRun run[kMost];
  int64_t count = 0, lanes = 0;
  int64_t first;  ///< output
};

/// Finishes some output channels of a tile.
template <int vectors>
class TileFinish {
 public:
  using Sums = TileSums<vectors>;

  /// `values` and `words`: how many weights meet the image, by position.
  TileFinish(const x86::UnitOutputs& outputs, const TileRuns& runs, int64_t half, const float* values,
             const int16_t* words)
      : outputs_(outputs), runs_(runs), half_(half), values_(values), words_(words) {}

  /// Up to 8 channels from `channel` on, a multiple of 8. `bounds` may be null.
  void finish(const Sums* sums, int64_t channel, int64_t channels, const SignBound* bounds) const {
    if (outputs_.form.to_signs) {
      bool bounded = bounds != nullptr;
      for (int64_t c = 0; bounded && c < channels; ++c) bounded = bounds[c].exists;
      if (bounded) return finish_by_bounds(sums, channel, channels, bounds);
    } else if (!outputs_.form.add) {
      for (int64_t c = 0; c < channels; ++c) {
        if (outputs_.form.prelu) {
          finish_floats<true>(sums[c], channel + c);
        } else {
          finish_floats<false>(sums[c], channel + c);
        }
      }
      return;
    }
    finish_counts(sums, channel, channels);
  }

 private:
  static constexpr int64_t kLanes = vectors * kVectorLanes;

  /// Calls body(vector, nibble, first position). The last vector of a half ends where that ends.
  template <class Body>
  EDGENET_INLINE void for_each_vector(const Body& body) const {
    x86::unroll<2>([&](auto nibble) EDGENET_LAMBDA {
      x86::unroll<vectors>([&](auto v)
                               EDGENET_LAMBDA { body(v, nibble, nibble * half_ + v * (half_ - 32 * (vectors - 1))); });
    });
  }

  template <bool prelu>
  EDGENET_NOINLINE void finish_floats(const Sums& sums, int64_t channel) const {
    using Floats = x86::Floats256;
    alignas(64) float floats[kLanes + 32];
    const TileRuns& runs = runs_;
    float* y = outputs_.y + channel * outputs_.outputs + runs.first;
    const bool whole = runs.count == 1 && runs.lanes == 2 * half_;
    float* to = whole ? y : floats;
    const float scale = outputs_.scale[channel], bias = outputs_.bias[channel];
    const float slope = prelu ? outputs_.slope[channel] : 0;
    const float* values = values_;
    for_each_vector([&](auto v, auto nibble, int64_t position) EDGENET_LAMBDA {
      const auto put = [&](int64_t at, __m128i counts) EDGENET_LAMBDA {
        const __m256 count = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(counts));
        __m256 value = Floats::scaled(scale, Floats::dot(count, values + at), bias);
        if (prelu) value = Floats::prelu(value, slope);
        _mm256_storeu_ps(to + at, value);
      };
      const __m256i even = sums.words[v][2 * nibble], odd = sums.words[v][2 * nibble + 1];
      const __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
      put(position, _mm256_castsi256_si128(low));
      put(position + 8, _mm256_castsi256_si128(high));
      put(position + 16, _mm256_extracti128_si256(low, 1));
      put(position + 24, _mm256_extracti128_si256(high, 1));
    });
    if (whole) return;
    for (int64_t i = 0; i < runs.count; ++i)
      copy_floats(floats + runs.run[i].from, y + runs.run[i].to, runs.run[i].count);
  }

  static EDGENET_INLINE void copy_floats(const float* from, float* to, int64_t count) {
    using Floats = x86::Floats256;
    if (count < 8) return Floats::store(to, _mm256_loadu_ps(from), count);
    const auto copy = [&](int64_t i) EDGENET_LAMBDA {
      __m256 eight = _mm256_loadu_ps(from + i);
      __asm__("" : "+x"(eight));  // GCC else calls memcpy, which takes longer
      _mm256_storeu_ps(to + i, eight);
    };
    for (int64_t i = 0; i + 8 < count; i += 8) copy(i);
    copy(count - 8);
  }

  EDGENET_NOINLINE void finish_by_bounds(const Sums* sums, int64_t channel, int64_t channels,
                                         const SignBound* bounds) const {
    alignas(64) uint8_t bytes[kLanes + 32];
    int flipped = 0;
    for (int64_t c = 0; c < channels; ++c) flipped |= static_cast<int>(bounds[c].flipped) << c;
    for_each_vector([&](auto v, auto nibble, int64_t position) EDGENET_LAMBDA {
      const __m256i even = load_words(position, 0), odd = load_words(position, 16);
      __m256i signs = _mm256_set1_epi8(static_cast<char>(flipped));
      __m256i bit = _mm256_set1_epi16(1);
      for (int64_t c = 0; c < channels; ++c) {
        const __m256i limit = _mm256_set1_epi16(bounds[c].limit);
        const __m256i* words = sums[c].words[v] + 2 * nibble;
        signs = _mm256_xor_si256(signs, _mm256_and_si256(above(even, words[0], limit), bit));
        signs = _mm256_xor_si256(signs, _mm256_and_si256(above(odd, words[1], limit), _mm256_slli_epi16(bit, 8)));
        bit = _mm256_add_epi16(bit, bit);
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes + position), signs);
    });
    uint8_t* to = outputs_.signs + channel / 8 * outputs_.outputs + runs_.first;
    for (int64_t i = 0; i < runs_.count; ++i) {
      copy_bytes(bytes + runs_.run[i].from, to + runs_.run[i].to, runs_.run[i].count);
    }
  }

  /// Every other of the words from `position` on: those in the lower or, with a shift of 16, the upper halves.
  EDGENET_INLINE __m256i load_words(int64_t position, int shift) const {
    const auto* from = reinterpret_cast<const __m256i*>(words_ + position);
    const auto half = [&](const __m256i* at) EDGENET_LAMBDA {
      return _mm256_and_si256(_mm256_srli_epi32(_mm256_loadu_si256(at), shift), _mm256_set1_epi32(0xffff));
    };
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(half(from), half(from + 1)), 0xd8);
  }

  static EDGENET_INLINE __m256i above(__m256i valid, __m256i count, __m256i limit) {
    return _mm256_cmpgt_epi16(_mm256_sub_epi16(valid, _mm256_add_epi16(count, count)), limit);
  }

  /// What needs floats beside counts, output by output.
  EDGENET_NOINLINE void finish_counts(const Sums* sums, int64_t channel, int64_t channels) const {
    constexpr int64_t kStep = kLanes + 32;
    alignas(64) uint16_t counts[8][kStep];
    for (int64_t c = 0; c < channels; ++c) {
      alignas(64) uint16_t all[kStep];
      for_each_vector([&](auto v, auto nibble, int64_t position) EDGENET_LAMBDA {
        x86::Bytes256::store_counts(sums[c].words[v][2 * nibble], sums[c].words[v][2 * nibble + 1], all + position);
      });
      for (int64_t i = 0; i < runs_.count; ++i) {
        const TileRun& run = runs_.run[i];
        std::memcpy(counts[c] + run.to, all + run.from, static_cast<size_t>(run.count) * sizeof(uint16_t));
      }
    }
    x86::finish<x86::Floats256>(outputs_, {channel, channels, runs_.first, runs_.lanes, counts[0], kStep});
  }

  const x86::UnitOutputs& outputs_;
  const TileRuns& runs_;
  int64_t half_;
  const float* values_;
  const int16_t* words_;
};

}  // namespace
}  // namespace edgenet::avx2
