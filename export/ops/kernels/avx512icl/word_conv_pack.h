// What the XNOR convolutions by VPOPCNTD share: 32 channels to a word, of weights and of the pixels of an image.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_words.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

using x86::kWordChannels;
constexpr int64_t kRoundBytes = 1 << 19;  ///< of words that are packed and then convolved together
constexpr int64_t kPackedPixels = 512;    ///< of a task

/// Whether words are filled well enough.
bool words_suit(const ConvWeights& w) {
  return x86::words_align(w) && 8 * w.group_channels >= 5 * x86::round_up(w.group_channels, kWordChannels);
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
    x86::pack_word(w, image, operands, first + slot, word, begin, x86::smaller(chunk, pixels - begin),
                   to(slot, word) + begin);
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
