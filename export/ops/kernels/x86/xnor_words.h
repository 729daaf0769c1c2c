// Packing of activations 32 channels to a word, pixel by pixel. Needs AVX-512.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kWordChannels = 32;

/// Whether groups begin at words and half of the inputs that meet padding is a whole number.
inline bool words_align(const ConvWeights& w) {
  return w.group == 1 ? w.group_channels % 2 == 0 : w.group_channels % kWordChannels == 0;
}

/// The channels of a word, from `first` of a sample on.
struct WordChannels {
  int64_t sample, first, count;
};

template <int vectors>
inline void pack_float_vectors(const float* x, int64_t area, const float* threshold, int64_t channels, __mmask16 last,
                               uint32_t* to) {
  __m512i words[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) words[v] = _mm512_setzero_si512();
  __m512i bit = _mm512_set1_epi32(1);
  for (int64_t channel = 0; channel < channels; ++channel, x += area) {
    const __m512 least = _mm512_set1_ps(threshold[channel]);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const __m512 values = v + 1 < vectors ? _mm512_loadu_ps(x + 16 * v) : _mm512_maskz_loadu_ps(last, x + 16 * v);
      words[v] = _mm512_mask_or_epi32(words[v], _mm512_cmp_ps_mask(values, least, _CMP_GE_OQ), words[v], bit);
    }
    bit = _mm512_add_epi32(bit, bit);
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) _mm512_mask_storeu_epi32(to + 16 * v, v + 1 < vectors ? 0xffff : last, words[v]);
}

/// The words of `count` pixels from `begin` on.
void pack_floats(const WordChannels& channels, const Image& image, const ConvOperands& operands, int64_t begin,
                 int64_t count, uint32_t* to) {
  const int64_t area = image.height * image.width;
  const float* x = operands.x + (channels.sample * image.channels + channels.first) * area + begin;
  const float* threshold = operands.threshold + channels.first;
  int64_t i = 0;
  for (; count - i >= 64; i += 64) pack_float_vectors<4>(x + i, area, threshold, channels.count, 0xffff, to + i);
  for (; i < count; i += 16) {
    const int64_t left = count - i;
    const __mmask16 last = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
    pack_float_vectors<1>(x + i, area, threshold, channels.count, last, to + i);
  }
}

void pack_signs(const WordChannels& channels, const Image& image, const ConvOperands& operands, int64_t begin,
                int64_t count, uint32_t* to) {
  const int64_t area = image.height * image.width;
  const uint8_t* signs =
      operands.signs + (channels.sample * ((image.channels + 7) / 8) + channels.first / 8) * area + begin;
  const int64_t bytes = (channels.count + 7) / 8;
  const __m512i existing = _mm512_set1_epi32(static_cast<int>(channels.count == 32 ? ~0u : (1u << channels.count) - 1));
  for (int64_t i = 0; i < count; i += 16) {
    const int64_t left = count - i;
    const __mmask16 lanes = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
    __m512i words = _mm512_setzero_si512();
    for (int64_t byte = bytes - 1; byte >= 0; --byte) {
      const __m512i next = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, signs + byte * area + i));
      words = _mm512_or_si512(_mm512_slli_epi32(words, 8), next);
    }
    _mm512_mask_storeu_epi32(to + i, lanes, _mm512_and_si512(words, existing));
  }
}

/// Packs `count` pixels from `begin` on of a word of a unit (a group of an image). Where groups share bytes of signs,
/// only floats can come in.
void pack_word(const ConvWeights& w, const Image& image, const ConvOperands& operands, int64_t unit, int64_t word,
               int64_t begin, int64_t count, uint32_t* to) {
  const WordChannels channels{unit / w.group, unit % w.group * w.group_channels + word * kWordChannels,
                              smaller(kWordChannels, w.group_channels - word * kWordChannels)};
  if (w.form.from_signs) {
    pack_signs(channels, image, operands, begin, count, to);
  } else {
    pack_floats(channels, image, operands, begin, count, to);
  }
}

}  // namespace
}  // namespace edgenet::x86
