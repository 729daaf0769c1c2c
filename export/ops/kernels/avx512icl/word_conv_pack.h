// What the XNOR convolutions by VPOPCNTD share: 32 channels to a word, of weights and of the pixels of an image.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

constexpr int64_t kWordChannels = 32;
constexpr int64_t kRoundBytes = 1 << 19;  ///< of words that are packed and then convolved together
constexpr int64_t kPackedPixels = 512;    ///< of a task

/// Whether words are filled well enough, and half of the inputs that meet padding is a whole number.
bool words_suit(const ConvWeights& w) {
  const bool aligned = w.group == 1 ? w.group_channels % 2 == 0 : w.group_channels % kWordChannels == 0;
  return aligned && 8 * w.group_channels >= 5 * x86::round_up(w.group_channels, kWordChannels);
}

/// [group, tile of output channels, tap, word, output channel]
class WordWeights {
 public:
  WordWeights(const ConvWeights& w, int64_t tile_channels)
      : tile_channels_(tile_channels),
        words_((w.group_channels + kWordChannels - 1) / kWordChannels),
        kernel_(w.kernel_height * w.kernel_width),
        tiles_((w.out_channels / w.group + tile_channels - 1) / tile_channels),
        bits_(w.group * tiles_ * tile_words()) {
    std::memset(bits_.data(), 0, static_cast<size_t>(w.group * tiles_ * tile_words() * 4));
    for (int64_t o = 0; o < w.out_channels; ++o) fill(w, o);
  }

  int64_t words() const { return words_; }
  int64_t tiles() const { return tiles_; }
  int64_t tap_words() const { return words_ * tile_channels_; }
  const uint32_t* tile(int64_t group, int64_t tile) const {
    return bits_.data() + (group * tiles_ + tile) * tile_words();
  }

 private:
  int64_t tile_words() const { return kernel_ * tap_words(); }

  void fill(const ConvWeights& w, int64_t o) {
    const int64_t output = o % (w.out_channels / w.group);
    uint32_t* to = bits_.data() + (tile(o / (w.out_channels / w.group), output / tile_channels_) - bits_.data()) +
                   output % tile_channels_;
    const uint8_t* row = w.packed + o * ((w.group_channels * kernel_ + 7) / 8);
    int64_t k = 0;
    for (int64_t channel = 0; channel < w.group_channels; ++channel) {
      for (int64_t tap = 0; tap < kernel_; ++tap, ++k) {
        const uint32_t bit = (row[k / 8] >> (k % 8)) & 1;
        to[(tap * words_ + channel / kWordChannels) * tile_channels_] |= bit << (channel % kWordChannels);
      }
    }
  }

  int64_t tile_channels_, words_, kernel_, tiles_;
  x86::AlignedWords bits_;
};

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

/// Packs `units` units (groups of images) from `first` on: to(slot, word) is where the pixels of a word go.
template <class To>
void pack_units(const ConvWeights& w, const Image& image, const ConvOperands& operands, int64_t first, int64_t units,
                const Executor& executor, const To& to) {
  const int64_t pixels = image.height * image.width;
  const int64_t chunks = x86::larger(2, (pixels + kPackedPixels - 1) / kPackedPixels);
  const int64_t chunk = x86::round_up((pixels + chunks - 1) / chunks, 16);
  const int64_t words = (w.group_channels + kWordChannels - 1) / kWordChannels;
  parallel_for(executor, units * chunks * words, [&](int64_t index) {
    const int64_t begin = index / words % chunks * chunk;
    if (begin >= pixels) return;
    const int64_t word = index % words;
    const int64_t slot = index / words / chunks;
    const int64_t unit = first + slot;
    const WordChannels channels{unit / w.group, unit % w.group * w.group_channels + word * kWordChannels,
                                x86::smaller(kWordChannels, w.group_channels - word * kWordChannels)};
    const int64_t count = x86::smaller(chunk, pixels - begin);
    if (w.form.from_signs) {
      pack_signs(channels, image, operands, begin, count, to(slot, word) + begin);
    } else {
      pack_floats(channels, image, operands, begin, count, to(slot, word) + begin);
    }
  });
}

/// to[i] = from[i * stride]
void copy_words(const uint32_t* from, int64_t stride, int64_t count, uint32_t* to) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(uint32_t));
    return;
  }
  for (int64_t i = 0; i < count; ++i) to[i] = from[i * stride];
}

}  // namespace
}  // namespace edgenet::avx512icl
