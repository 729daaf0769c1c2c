// XNOR convolution by bit slices whose lanes are output channels: a vector holds one bit of 512 or 256 of them. For
// layers of many output channels, whatever the image; needs AVX-512.
//
// The leaves of a bundle are the weights of 32 channels under a tap, and the signs of a pixel choose. A padded tap is
// left out. Where there are only half as many output channels as lanes, a vector holds the weights of two taps, and
// what they count of a pixel goes to the two positions that meet it under them.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/thread_memory.h"
#include "kernels/x86/xnor_bundle.h"
#include "kernels/x86/xnor_conv_512.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/x86/xnor_words.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kTilePositions = 128;

/// A pixel, and for each of the taps that share a vector the position that meets it there.
template <int taps>
struct Place {
  int32_t pixel, positions[taps];
};

/// The counts of `taps` vectors of output channels that share one of lanes, at a tile of positions.
template <class S, int taps>
class ChannelSlice {
  using Vector = typename S::Vector;
  using Sums = Bundles<S>;

 public:
  static constexpr int64_t kChannels = S::kBytes * 8 / taps;

  /// One more position takes what is counted of pixels that no position of the tile meets.
  ChannelSlice(int planes, int64_t positions)
      : planes_(planes), memory_(ThreadMemory::get(kTableBytes + (positions + 1) * planes * kPlaneBytes)) {
    std::memset(counts(0), 0, static_cast<size_t>((positions + 1) * planes * kPlaneBytes));
  }

  /// Counts `bundles` bundles of taps, whose weights and codes begin here, at some places. No count has more bits than
  /// `planes` after that.
  void add(const uint8_t* weights, int64_t bundles, const BundleCode* codes, int64_t codes_step,
           const Place<taps>* places, int64_t count, int planes) {
    for (int64_t i = 0; i < bundles; ++i) {
      find_tables(weights + i * kBundleWeights * S::kBytes, tables() + i * Sums::kBytes);
    }
    // Meanwhile the weights that most likely follow come nearer.
    const uint8_t* next = weights + bundles * kBundleWeights * S::kBytes;
    const int64_t step = round_up(kChunkBundles * kBundleWeights * S::kBytes / count, 64);
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t byte = i * step; byte < (i + 1) * step; byte += 64) __builtin_prefetch(next + byte);
      add_bundles(codes + places[i].pixel * codes_step, bundles, places[i], planes);
    }
  }

  /// to[position * 64 + i] = the count of channel 64 * word + i.
  void store_counts(int64_t word, int64_t positions, uint16_t* to) const {
    for (int64_t position = 0; position < positions; ++position, to += 64) {
      __m512i low, high;
      gather_lanes(counts(position) + word * 8, kPlaneBytes, planes_, low, high);
      store_shorts(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high), to);
      store_shorts(_mm512_extracti64x4_epi64(low, 1), _mm512_extracti64x4_epi64(high, 1), to + 32);
    }
  }

 private:
  static constexpr int64_t kTableBytes = kChunkBundles * Sums::kBytes;
  static constexpr int64_t kPlaneBytes = S::kBytes / taps;

  static void store_shorts(__m256i low, __m256i high, uint16_t* to) {
    const __m512i shorts = _mm512_slli_epi16(_mm512_cvtepu8_epi16(high), 8);
    _mm512_store_si512(to, _mm512_or_si512(shorts, _mm512_cvtepu8_epi16(low)));
  }

  uint8_t* tables() { return memory_; }
  const uint8_t* counts(int64_t position) const { return memory_ + kTableBytes + position * planes_ * kPlaneBytes; }
  uint8_t* counts(int64_t position) {
    return const_cast<uint8_t*>(static_cast<const ChannelSlice*>(this)->counts(position));
  }

  static EDGENET_NOINLINE void find_tables(const uint8_t* weights, uint8_t* to) {
    Sums::find_tables([&](int i) EDGENET_LAMBDA { return S::load(weights + i * S::kBytes); }, S::all(true), to);
  }

  /// The counts of the positions of a place as one vector a plane.
  struct PlaceCounts {
    uint8_t *first, *second;

    EDGENET_INLINE Vector load(int64_t plane) const {
      if constexpr (taps == 1) return S::load(first + plane * kPlaneBytes);
      if constexpr (taps == 2) return S::load_halves(first + plane * kPlaneBytes, second + plane * kPlaneBytes);
    }
    EDGENET_INLINE void store(int64_t plane, Vector v) const {
      if constexpr (taps == 1) S::store(first + plane * kPlaneBytes, v);
      if constexpr (taps == 2) S::store_halves(first + plane * kPlaneBytes, second + plane * kPlaneBytes, v);
    }
  };

  EDGENET_NOINLINE void add_bundles(const BundleCode* codes, int64_t bundles, const Place<taps>& place, int planes) {
    const PlaceCounts to{counts(place.positions[0]), counts(place.positions[taps - 1])};
    Sums::add(tables(), codes, bundles, planes, to, to);
  }

  int planes_;
  uint8_t* memory_;
};

/// Turns counts[position][64] into counts[channel][kTilePositions] for 8 channels.
void turn_counts(const uint16_t* counts, int64_t positions, uint16_t* to) {
  for (int64_t i = 0; i < positions; i += 8) {
    __m128i a[8], b[8];
    unroll<8>([&](auto j)
                  EDGENET_LAMBDA { a[j] = _mm_load_si128(reinterpret_cast<const __m128i*>(counts + (i + j) * 64)); });
    unroll<4>([&](auto j) EDGENET_LAMBDA {
      b[j] = _mm_unpacklo_epi16(a[2 * j], a[2 * j + 1]);
      b[4 + j] = _mm_unpackhi_epi16(a[2 * j], a[2 * j + 1]);
    });
    unroll<4>([&](auto j) EDGENET_LAMBDA {
      a[2 * j] = _mm_unpacklo_epi32(b[2 * j], b[2 * j + 1]);
      a[2 * j + 1] = _mm_unpackhi_epi32(b[2 * j], b[2 * j + 1]);
    });
    // a: channels 0-1 of positions 0-3, channels 2-3 of 0-3, 0-1 of 4-7, 2-3 of 4-7, and so on for channels 4-7.
    unroll<2>([&](auto half) EDGENET_LAMBDA {
      unroll<2>([&](auto pair) EDGENET_LAMBDA {
        const __m128i low = a[4 * half + pair], high = a[4 * half + 2 + pair];
        uint16_t* row = to + (4 * half + 2 * pair) * kTilePositions + i;
        _mm_store_si128(reinterpret_cast<__m128i*>(row), _mm_unpacklo_epi64(low, high));
        _mm_store_si128(reinterpret_cast<__m128i*>(row + kTilePositions), _mm_unpackhi_epi64(low, high));
      });
    });
  }
}

/// S: the vector; taps: how many of the kernel's share one.
template <class S, int taps>
class XnorChannelConv2d final : public ConvKernel {
 public:
  explicit XnorChannelConv2d(const ConvWeights& weights)
      : w_(weights), group_outputs_(w_.out_channels / w_.group), weights_(weights, kChannels, taps) {
    while (inputs() >> planes_ != 0) ++planes_;
  }

  /// Whether lanes and bundles are filled well enough, and positions so few that lanes of them are not filled better.
  static bool suits(const ConvWeights& w) {
    // Tables are made anew for every tile of positions, and few share them.
    constexpr int64_t least_positions = 48, most_positions = 800;
    const int64_t outputs = w.out_channels / w.group;
    const int64_t positions = w.likely_rows * w.likely_columns;
    return positions >= least_positions && positions <= most_positions && outputs % kChannels == 0 &&
           w.group_channels >= 64 && (w.group == 1 || w.group_channels % 8 == 0) &&
           w.kernel_height * w.kernel_width >= taps;
  }

  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(plan_scratch(XnorLayout(w_, image), image).bytes);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const XnorLayout layout(w_, image);
    const Call call{layout, image, operands, plan_scratch(layout, image)};
    layout.fill_valid(w_.group_channels, kValidSlack, call.valid());
    const int64_t tiles = (layout.outputs + kTilePositions - 1) / kTilePositions;
    const int64_t positions = round_up((layout.outputs + tiles - 1) / tiles, 8);
    const int64_t panels = group_outputs_ / kChannels;
    for (int64_t unit = 0; unit < image.batch * w_.group; ++unit) {
      parallel_chunks(executor, image.height * image.width, kPackedPixels,
                      [&](int64_t begin, int64_t end) { pack(call, unit, begin, end); });
      parallel_for(executor, tiles * panels, [&](int64_t index) {
        const int64_t begin = index % tiles * positions;
        if (begin >= layout.outputs) return;
        convolve(call, unit, index / tiles, begin, smaller(positions, layout.outputs - begin));
      });
    }
  }

 private:
  using Slice = ChannelSlice<S, taps>;
  static constexpr int64_t kChannels = Slice::kChannels;
  static constexpr int64_t kPackedPixels = 256;
  static constexpr int64_t kValidSlack = 16;  ///< a vector of positions beyond the last may be read

  struct ScratchPlan {
    int64_t codes, bytes;
  };
  ScratchPlan plan_scratch(const XnorLayout& layout, const Image& image) const {
    const int64_t valid = round_up((layout.outputs + kValidSlack) * static_cast<int64_t>(sizeof(float)), 64);
    return {valid, valid + image.height * image.width * weights_.bundles() * static_cast<int64_t>(sizeof(BundleCode))};
  }

  struct Call {
    const XnorLayout& layout;
    const Image& image;
    const ConvOperands& operands;
    ScratchPlan plan;

    float* valid() const { return static_cast<float*>(operands.scratch); }
    /// By pixel and bundle.
    BundleCode* codes() const {
      return reinterpret_cast<BundleCode*>(static_cast<uint8_t*>(operands.scratch) + plan.codes);
    }
  };

  int64_t inputs() const { return w_.group_channels * w_.kernel_height * w_.kernel_width; }

  /// Finds the codes of some pixels.
  void pack(const Call& call, int64_t unit, int64_t begin, int64_t end) const {
    const int64_t bundles = weights_.bundles();
    alignas(64) uint32_t words[kPackedPixels];
    for (int64_t bundle = 0; bundle < bundles; ++bundle) {
      pack_word(w_, call.image, call.operands, unit, bundle, begin, end - begin, words);
      BundleCode* to = call.codes() + begin * bundles + bundle;
      for (int64_t i = 0; i < end - begin; ++i) to[i * bundles] = bundle_code(words[i]);
    }
  }

  /// A position of a tile that meets the image under a tap, and the pixel that it meets.
  struct Meeting {
    int32_t position, pixel;
  };

  /// All of those, pixels in order.
  static int64_t find_meetings(const Call& call, const KernelTap& tap, int64_t begin, int64_t positions, Meeting* to) {
    const XnorAxis& horizontal = call.layout.horizontal;
    const int64_t width = horizontal.outputs;
    const int64_t first = horizontal.first(tap.column), end = horizontal.end(tap.column);
    const int64_t first_row = larger(call.layout.vertical.first(tap.row), begin / width);
    const int64_t end_row = smaller(call.layout.vertical.end(tap.row), (begin + positions - 1) / width + 1);
    int64_t count = 0;
    for (int64_t row = first_row; row < end_row; ++row) {
      const int64_t y = row * call.layout.vertical.stride + call.layout.vertical.offset(tap.row);
      const int64_t pixel = y * horizontal.size + horizontal.offset(tap.column);
      const int64_t start = row * width - begin;
      const int64_t last = smaller(end, positions - start);
      for (int64_t column = larger(first, -start); column < last; ++column) {
        to[count++] = {static_cast<int32_t>(start + column), static_cast<int32_t>(pixel + column * horizontal.stride)};
      }
    }
    return count;
  }

  /// The pixels that meet positions of a tile under taps that share vectors.
  static int64_t find_places(const Call& call, const TapGroup& group, int64_t begin, int64_t positions,
                             Place<taps>* to) {
    const auto nowhere = static_cast<int32_t>(positions);
    Meeting met[2][kTilePositions + 1];
    int64_t counts[2] = {};
    for (int tap = 0; tap < group.taps; ++tap) {
      counts[tap] = find_meetings(call, group.tap[tap], begin, positions, met[tap]);
    }
    // Pixels in order; beyond the last of a tap's comes none.
    for (int tap = 0; tap < 2; ++tap) met[tap][counts[tap]] = {nowhere, INT32_MAX};
    int64_t count = 0;
    for (const Meeting *a = met[0], *b = met[1];; ++count) {
      const int32_t pixel = a->pixel < b->pixel ? a->pixel : b->pixel;
      if (pixel == INT32_MAX) return count;
      to[count].pixel = pixel;
      to[count].positions[taps - 1] = b->pixel == pixel ? b++->position : nowhere;
      to[count].positions[0] = a->pixel == pixel ? a++->position : nowhere;
    }
  }

  void convolve(const Call& call, int64_t unit, int64_t panel, int64_t begin, int64_t positions) const {
    Slice slice(planes_, positions);
    const int64_t bundles = weights_.bundles();
    int64_t counted = 0;  // inputs at most, of a position
    for (int64_t group = 0; group < weights_.tap_groups(); ++group) {
      Place<taps> places[taps * kTilePositions];
      const TapGroup& tap_group = weights_.tap_group(group);
      const int64_t count = find_places(call, tap_group, begin, positions, places);
      if (count == 0) continue;
      for (int64_t bundle = 0; bundle < bundles; bundle += kChunkBundles) {
        const int64_t chunk = smaller(kChunkBundles, bundles - bundle);
        counted += tap_group.taps * chunk * kBundleWeights;
        int planes = kLowPlanes;
        while (planes < planes_ && counted >> planes != 0) ++planes;
        slice.add(weights_.at(unit % w_.group, panel, group, bundle), chunk, call.codes() + bundle, bundles, places,
                  count, planes);
      }
    }
    finish_slice(call, unit, panel, begin, positions, slice);
  }

  void finish_slice(const Call& call, int64_t unit, int64_t panel, int64_t begin, int64_t positions,
                    const Slice& slice) const {
    const UnitOutputs outputs = unit_outputs(w_, call.layout.outputs, call.valid(), call.operands, unit);
    alignas(64) uint16_t counts[kTilePositions][64];
    alignas(64) uint16_t turned[8][kTilePositions];
    for (int64_t word = 0; word < kChannels / 64; ++word) {
      slice.store_counts(word, positions, counts[0]);
      for (int64_t c = 0; c < 64; c += 8) {
        turn_counts(counts[0] + c, positions, turned[0]);
        finish<Floats512>(outputs, {panel * kChannels + 64 * word + c, 8, begin, positions, turned[0], kTilePositions});
      }
    }
  }

  ConvWeights w_;
  int64_t group_outputs_;
  int planes_ = 8;  ///< bits of a count
  XnorChannelPlanes weights_;
};

}  // namespace
}  // namespace edgenet::x86
