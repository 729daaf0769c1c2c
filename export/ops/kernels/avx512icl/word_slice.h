// The last few positions of an XNOR convolution by bit slices, too few to fill the lanes of one: counted by VPOPCNTD,
// 32 channels of a position to a lane.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/avx512icl/word_conv_finish.h"
#include "kernels/avx512icl/word_conv_tile.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/thread_memory.h"
#include "kernels/x86/xnor_bundle.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_slice_unit.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

/// As x86::Slice, of at most kPositions.
class WordSlice {
 public:
  WordSlice(const x86::SliceUnit& unit, int64_t position, int64_t channels)
      : unit_(unit),
        position_(position),
        channels_(channels),
        words_(unit.taps * unit.tap_bundles),
        memory_(x86::ThreadMemory::get(words_ * (kPositions + kTileChannels) * 4)) {}

  /// Convolves for channels from `channel` on.
  void convolve(const x86::UnitOutputs& outputs, int64_t channel) {
    const int64_t lanes = x86::smaller(kPositions, outputs.outputs - position_);
    uint16_t inside[x86::kMostSliceTaps][kPositions / kLanes] = {};
    WordTap taps[x86::kMostSliceTaps];
    int64_t used = 0;
    for (int64_t tap = 0; tap < unit_.taps; ++tap) {
      if (unit_.tap_bits[tap] < 0) continue;
      std::memcpy(inside[tap], unit_.inside + (unit_.inside_bits[tap] + position_) / 64, sizeof(inside[tap]));
      const int64_t first = tap * unit_.tap_bundles;
      taps[used++] = {first * kPositions, first * kTileChannels, inside[tap]};
      for (int64_t word = 0; word < unit_.tap_bundles; ++word) find_words(tap, word, lanes);
    }
    alignas(64) int32_t padded[kPositions];
    for (int64_t i = 0; i < kPositions; i += kLanes) find_padded(position_ + i, padded + i);
    const WordTile tile{taps, used, signs(), kPositions, unit_.tap_bundles, weights(), padded};
    for (int64_t c = 0; c < channels_; c += kTileChannels) {
      const TileTarget target{outputs, static_cast<float>(unit_.inputs), unit_.bounds, channel + c,
                              x86::smaller(kTileChannels, channels_ - c)};
      find_weights(target);
      const FinishTile finish = choose_finish(target);
      alignas(64) TileCounts counts;
      for (int64_t i = 0; i < lanes;) {
        const int64_t counted = count_lanes(tile, i, lanes - i, counts);
        finish(target, position_ + i, counted, counts);
        i += counted;
      }
    }
  }

 private:
  static constexpr int64_t kPositions = 128;

  /// [tap, word, position]
  uint32_t* signs() { return reinterpret_cast<uint32_t*>(memory_); }
  /// [tap, word, channel of a tile]
  uint32_t* weights() { return signs() + words_ * kPositions; }

  /// Turns rows of bits.
  EDGENET_NOINLINE void find_words(int64_t tap, int64_t word, int64_t lanes) {
    const int64_t first = word * kBundleWeights;
    const uint64_t* rows = unit_.rows + first * unit_.row_words;
    uint32_t* to = signs() + (tap * unit_.tap_bundles + word) * kPositions;
    for (int64_t begin = 0; begin < lanes; begin += 64) {
      const int64_t bit = unit_.tap_bits[tap] + position_ + begin;
      __m512i words[4];
      for (__m512i& vector : words) vector = _mm512_setzero_si512();
      for (int64_t c = 0; c < x86::smaller(kBundleWeights, unit_.row_channels - first); ++c) {
        const uint64_t* row = rows + c * unit_.row_words + bit / 64;
        const uint64_t bits = bits_from(row[0], row[1], bit % 64);
        const __m512i set = _mm512_set1_epi32(static_cast<int>(1u << c));
        x86::unroll<4>([&](auto v) EDGENET_LAMBDA {
          const auto met = static_cast<__mmask16>(bits >> (16 * v));
          words[v] = _mm512_mask_or_epi32(words[v], met, words[v], set);
        });
      }
      x86::unroll<4>([&](auto v) EDGENET_LAMBDA { _mm512_store_si512(to + begin + 16 * v, words[v]); });
    }
  }

  static uint64_t bits_from(uint64_t low, uint64_t high, int64_t by) {
    return by == 0 ? low : low >> by | high << (64 - by);
  }

  /// Half of the inputs that meet padding.
  void find_padded(int64_t position, int32_t* to) const {
    const __m512i valid = _mm512_cvtps_epi32(_mm512_loadu_ps(unit_.valid + position));
    const __m512i unmet = _mm512_sub_epi32(_mm512_set1_epi32(static_cast<int>(unit_.inputs)), valid);
    _mm512_store_si512(to, _mm512_srli_epi32(unmet, 1));
  }

  void find_weights(const TileTarget& target) {
    for (int64_t i = 0; i < words_; ++i) {
      const BundleCode* codes = unit_.codes + i / kChunkBundles * kChunkBundles * unit_.channels + i % kChunkBundles;
      for (int64_t c = 0; c < target.channels; ++c) {
        weights()[i * kTileChannels + c] = x86::bundle_bits(codes[(target.channel + c) * kChunkBundles]);
      }
    }
  }

  const x86::SliceUnit& unit_;
  int64_t position_, channels_, words_;
  uint8_t* memory_;
};

}  // namespace
}  // namespace edgenet::avx512icl
