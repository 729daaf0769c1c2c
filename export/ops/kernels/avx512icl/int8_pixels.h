// Writes images of bytes as kernels/x86/pixel_layout.h has them.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/avx512icl/simd.h"
#include "kernels/x86/pixel_layout.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VNNI

using x86::larger;
using x86::PixelLayout;
using x86::PixelRuns;
using x86::round_up;
using x86::smaller;

constexpr uint8_t kZeroByte = 128;  ///< stands for an activation of 0

/// Quantises lines of one group of channels.
class PixelWriter {
  using Int = __m512i;

 public:
  PixelWriter(const PixelLayout& layout, const PixelRuns& runs, float factor)
      : layout_(layout),
        channels_(runs.channels),
        area_(layout.rows.size * layout.columns.size),
        factor_(_mm512_set1_ps(factor)) {
    alignas(64) uint8_t order[64];
    for (int64_t i = 0; i < 64; ++i) order[i] = static_cast<uint8_t>(i / channels_ * 4 + i % channels_);
    close_gaps_ = _mm512_load_si512(order);
    for (int64_t i = 0; i < 64; ++i) order[i] = static_cast<uint8_t>(i * layout.position_bytes());
    of_positions_ = _mm512_load_si512(order);
  }

  /// `x` is the group's first channel; `to` begins the line.
  void write_line(const float* x, int64_t line, uint8_t* to) const {
    const x86::ConvAxis& columns = layout_.columns;
    if (!layout_.rows.inside(line)) return fill(to, columns.tables());
    const int64_t first = columns.first_inside(), end = columns.end_inside();
    fill(to, first);
    fill(to + end * layout_.pixel, columns.tables() - end);
    if (first == end) return;
    const float* row = x + layout_.rows.input(line) * columns.size + columns.input(first);
    to += first * layout_.pixel;
    if (columns.step == 1) {
      write_positions<1>(row, end - first, to);
    } else if (columns.step == 2) {
      write_positions<2>(row, end - first, to);
    } else {
      write_positions<0>(row, end - first, to);
    }
  }

  /// The tail quads of the positions whose kernel's first row is this line, from the lines; those that no position
  /// needs are left out.
  void write_tails(const uint8_t* lines, int64_t line, uint8_t* to) const {
    const x86::ConvAxis &rows = layout_.rows, &columns = layout_.columns;
    if (4 * rows.dilation % rows.stride == 0 && line % rows.stride != 0) return;
    const uint8_t* from[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t row = smaller(line + i * rows.dilation, rows.tables() - 1);
      from[i] = lines + row * layout_.line_bytes + columns.kernel * layout_.pixel - 1;
    }
    const int64_t step = layout_.position_bytes();
    for (int64_t first = 0; first < columns.outputs; first += kPositions) {
      const int64_t count = smaller(kPositions, columns.outputs - first);
      if (step <= 8) {
        write_tail_quads(from, first * step, mask(count), to + first * 4);
        continue;
      }
      for (int64_t i = 0; i < 4 * count; ++i) to[first * 4 + i] = from[i % 4][(first + i / 4) * step];
    }
  }

 private:
  static constexpr int64_t kPositions = 16;

  void fill(uint8_t* to, int64_t pixels) const {
    std::memset(to, kZeroByte, static_cast<size_t>(pixels * layout_.pixel));
  }

  /// kStep is how far positions are apart, 0 any distance.
  template <int kStep>
  void write_positions(const float* x, int64_t positions, uint8_t* to) const {
    for (int64_t position = 0; position < positions; position += kPositions) {
      const float* from = x + position * layout_.columns.step;
      const int64_t count = smaller(kPositions, positions - position);
      uint8_t* pixels = to + position * layout_.pixel;
      if (layout_.pixel < 4) {
        write_small(quad<kStep>(from, channels_, count), count, pixels);
        continue;
      }
      for (int64_t channel = 0; channel < channels_; channel += 4 * kPositions) {
        write_square<kStep>(from + channel * area_, channels_ - channel, count, pixels + channel);
      }
    }
  }

  /// Up to 64 channels of up to 16 positions.
  template <int kStep>
  void write_square(const float* x, int64_t channels, int64_t count, uint8_t* to) const {
    Simd::Float square[kPositions];
    if (channels >= 4 * kPositions) {
#pragma GCC unroll 16
      for (int64_t i = 0; i < kPositions; ++i) {
        square[i] = _mm512_castsi512_ps(quad<kStep>(x + 4 * i * area_, 4, count));
      }
    } else {
      for (int64_t i = 0; i < kPositions; ++i) {
        const int64_t exist = larger(0, smaller(4, channels - 4 * i));
        square[i] = _mm512_castsi512_ps(quad<kStep>(x + 4 * i * area_, exist, count));
      }
    }
    Simd::transpose(square);
    const __mmask16 words = mask((channels + 3) / 4);
    for (int64_t i = 0; i < count; ++i) _mm512_mask_storeu_ps(to + i * layout_.pixel, words, square[i]);
  }

  /// Pixels of 1 to 3 bytes.
  void write_small(Int words, int64_t count, uint8_t* to) const {
    const __mmask64 bytes = (uint64_t{1} << (count * channels_)) - 1;
    _mm512_mask_storeu_epi8(to, bytes, _mm512_permutexvar_epi8(close_gaps_, words));
  }

  /// `exist` channels, the rest of 4 being 0, of `count` positions.
  template <int kStep>
  Int quad(const float* x, int64_t exist, int64_t count) const {
    Int rounded[4] = {};
#pragma GCC unroll 4
    for (int64_t c = 0; c < 4; ++c) {
      if (c >= exist) break;
      rounded[c] = round(load<kStep>(x + c * area_, count));
    }
    return interleaved(rounded);
  }

  /// 16 quads of bytes of 4 lines, for positions that are at most 8 bytes apart.
  void write_tail_quads(const uint8_t* const (&from)[4], int64_t offset, __mmask16 exist, uint8_t* to) const {
    __m128i row[4];
    for (int64_t i = 0; i < 4; ++i) {
      const uint8_t* at = from[i] + offset;
      row[i] = _mm512_castsi512_si128(
          _mm512_permutex2var_epi8(_mm512_loadu_si512(at), of_positions_, _mm512_loadu_si512(at + 64)));
    }
    const __m128i low[2] = {_mm_unpacklo_epi8(row[0], row[1]), _mm_unpacklo_epi8(row[2], row[3])};
    const __m128i high[2] = {_mm_unpackhi_epi8(row[0], row[1]), _mm_unpackhi_epi8(row[2], row[3])};
    Int quads = _mm512_castsi128_si512(_mm_unpacklo_epi16(low[0], low[1]));
    quads = _mm512_inserti32x4(quads, _mm_unpackhi_epi16(low[0], low[1]), 1);
    quads = _mm512_inserti32x4(quads, _mm_unpacklo_epi16(high[0], high[1]), 2);
    quads = _mm512_inserti32x4(quads, _mm_unpackhi_epi16(high[0], high[1]), 3);
    _mm512_mask_storeu_epi32(to, exist, quads);
  }

  Int round(__m512 x) const { return _mm512_cvtps_epi32(_mm512_mul_ps(x, factor_)); }

  static Int interleaved(const Int (&rounded)[4]) {
    const Int bytes =
        _mm512_packs_epi16(_mm512_packs_epi32(rounded[0], rounded[1]), _mm512_packs_epi32(rounded[2], rounded[3]));
    const __m128i interleave = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_xor_si512(_mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(interleave)),
                            _mm512_set1_epi8(static_cast<char>(kZeroByte)));
  }

  /// `count` values a step apart; nothing beyond the last of them is read.
  template <int kStep>
  __m512 load(const float* from, int64_t count) const {
    if (kStep == 1) return _mm512_maskz_loadu_ps(mask(count), from);
    if (kStep == 2) {
      const int64_t floats = 2 * count - 1;
      const __m512 low = _mm512_maskz_loadu_ps(mask(floats), from);
      const __m512 high = _mm512_maskz_loadu_ps(mask(larger(0, floats - 16)), from + 16);
      return _mm512_permutex2var_ps(low, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
                                    high);
    }
    const Int apart = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                         _mm512_set1_epi32(static_cast<int>(layout_.columns.step)));
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask(count), apart, from, 4);
  }

  static __mmask16 mask(int64_t count) {
    return count >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1);
  }

  const PixelLayout& layout_;
  int64_t channels_, area_;
  __m512 factor_;
  Int close_gaps_;    ///< takes the bytes that exist from words of 4
  Int of_positions_;  ///< takes a byte of every position from a line
};

}  // namespace
}  // namespace edgenet::avx512icl
