// XnorConv2d of SPEC.md by tables in memory: lanes are output positions, an entry is what 5 weights count.
//
// Tables are found for a tile of positions, as many at a time as the first-level cache holds, and serve every output
// channel. The taps of a kernel's row share theirs where they can.
#pragma once
#include <cstring>

#include "kernels/avx2/sum_finish.h"
#include "kernels/avx2/sum_layout.h"
#include "kernels/avx2/sum_pack.h"
#include "kernels/avx2/sum_tables.h"
#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/thread_memory.h"
#include "kernels/x86/xnor_conv_finish.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

/// `tables`: of a group of three entries, as SumGroup has it.
template <int tables>
class XnorSumConv2d final : public ConvKernel {
 public:
  explicit XnorSumConv2d(const ConvWeights& weights)
      : w_(weights),
        kernel_(w_.kernel_height * w_.kernel_width),
        group_outputs_(w_.out_channels / w_.group),
        fives_((w_.group_channels + kFive - 1) / kFive),
        groups_((kernel_ * fives_ + kGroupEntries - 1) / kGroupEntries),
        chunk_groups_(chunk_groups(groups_, w_.likely_rows * w_.likely_columns <= kVectorLanes)),
        pairs_((group_outputs_ + 1) / 2),
        codes_(2 * w_.group * groups_ * pairs_) {
    fill_codes();
  }

  /// Whether fives and tiles are filled well enough, and tables serve enough output channels.
  static bool suits(const ConvWeights& w) {
    constexpr int64_t kMostReach = 8;
    constexpr int64_t kMostInputs = 32000;
    const bool share = w.kernel_width == kGroupEntries && w.stride_width <= 2 && w.dilation_width <= kMostReach;
    if (tables != (share ? w.stride_width : kGroupEntries)) return false;
    constexpr int64_t least_outputs = tables == 1 ? 24 : 40;
    const int64_t fives = (w.group_channels + kFive - 1) / kFive;
    return w.likely_columns >= 4 && w.likely_rows * w.likely_columns >= 36 &&
           w.group_channels * w.kernel_height * w.kernel_width <= kMostInputs && w.stride_height <= kMostStride &&
           w.kernel_height * w.kernel_width <= kMostTaps && w.stride_width <= kMostStride &&
           w.out_channels / w.group >= least_outputs && w.group_channels >= 16 &&
           10 * w.group_channels >= 9 * fives * kFive;
  }

  size_t scratch_bytes(const Image& image) const override {
    const SumLayout layout(w_, image, span());
    return static_cast<size_t>(plan_scratch(layout, round_units(layout, image)).bytes);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const SumLayout layout(w_, image, span());
    const int64_t units = image.batch * w_.group;
    const int64_t most = round_units(layout, image);
    Call call{layout, image, operands, plan_scratch(layout, most), 0, 0};
    prepare(call);
    for (; call.first < units; call.first += most) {
      call.units = x86::smaller(most, units - call.first);
      const int64_t chunk = x86::larger(1, kPackedBytes / (image.height * image.width));
      parallel_chunks(executor, call.units * fives_, chunk, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) pack(call, i);
      });
      convolve(call, executor);
    }
  }

 private:
  static constexpr int64_t kRoundBytes = 1 << 19;  ///< of the signs of units that are convolved together
  /// Tables of a chunk, which the first-level cache holds beside sums; tables of small images are half as large.
  static constexpr int64_t kMostTables = 17, kMostSmallTables = 2 * kMostTables;
  static constexpr int64_t kTaskOutputs = 256;  ///< at most, whose sums the second-level cache holds

  static int64_t chunk_groups(int64_t groups, bool small) {
    const int64_t most = x86::smaller(kMostGroups, (small ? kMostSmallTables : kMostTables) / tables);
    const int64_t chunks = (groups + most - 1) / most;
    return (groups + chunks - 1) / chunks;
  }

  int64_t reach() const { return w_.dilation_width; }
  int64_t span() const { return SumGroup<tables>::kReaches * reach(); }

  int64_t round_units(const SumLayout& layout, const Image& image) const {
    return x86::larger(1, x86::smaller(image.batch * w_.group, kRoundBytes / (fives_ * layout.five_bytes)));
  }

  /// Whether the sign that goes out depends on the dot product alone.
  bool has_bounds() const { return w_.form.to_signs && !w_.form.add; }
  int64_t inputs() const { return w_.group_channels * kernel_; }

  struct ScratchPlan {
    int64_t values, words, bounds, signs, bytes;  ///< offsets; what meets the image comes first, by output
  };

  ScratchPlan plan_scratch(const SumLayout& layout, int64_t units) const {
    const auto bytes = [](int64_t count, size_t size) { return x86::round_up(count * static_cast<int64_t>(size), 64); };
    const int64_t positions = layout.positions + layout.tile() + kSumSlack;
    ScratchPlan plan{};
    plan.values = bytes(layout.outputs() + kValidSlack, sizeof(float));
    plan.words = plan.values + bytes(positions, sizeof(float));
    plan.bounds = plan.words + bytes(positions, sizeof(int16_t));
    plan.signs = plan.bounds + bytes(w_.out_channels, sizeof(SignBound));
    plan.bytes = plan.signs + units * fives_ * layout.five_bytes;
    return plan;
  }

  struct Call {
    const SumLayout& layout;
    const Image& image;
    const ConvOperands& operands;
    ScratchPlan plan;
    int64_t first, units;  ///< of this round; what lies in scratch is numbered from 0

    uint8_t* at(int64_t offset) const { return static_cast<uint8_t*>(operands.scratch) + offset; }
    /// How many weights meet the image, by output and by position.
    float* valid() const { return reinterpret_cast<float*>(at(0)); }
    float* values() const { return reinterpret_cast<float*>(at(plan.values)); }
    int16_t* words() const { return reinterpret_cast<int16_t*>(at(plan.words)); }
    SignBound* bounds() const { return reinterpret_cast<SignBound*>(at(plan.bounds)); }
    uint8_t* five(int64_t index) const { return at(plan.signs + index * layout.five_bytes); }
  };

  void prepare(const Call& call) const {
    const SumLayout& layout = call.layout;
    XnorLayout(w_, call.image).fill_valid(w_.group_channels, kValidSlack, call.valid());
    const int64_t width = layout.horizontal.outputs;
    for (int64_t row = 0; row < layout.vertical.outputs; ++row) {
      const float* valid = call.valid() + row * width;
      for (int64_t i = 0; i < layout.pitch; ++i) {
        const float value = i < width ? valid[i] : 0.0f;
        call.values()[row * layout.pitch + i] = value;
        call.words()[row * layout.pitch + i] = static_cast<int16_t>(value);
      }
    }
    for (int64_t i = layout.positions; i < layout.positions + layout.tile() + kSumSlack; ++i) {
      call.values()[i] = 0;
      call.words()[i] = 0;
    }
    if (has_bounds()) find_sign_bounds(w_.form, call.operands, w_.out_channels, inputs(), call.bounds());
  }

  /// Bytes of 8 times the number of an entry, 3 for each of two outputs:
  /// [group, chunk of groups of entries, pair of outputs, group of entries].
  void fill_codes() {
    std::memset(codes_.data(), 0, static_cast<size_t>(w_.group * groups_ * pairs_) * sizeof(uint64_t));
    const int64_t row_bytes = (w_.group_channels * kernel_ + 7) / 8;
    for (int64_t o = 0; o < w_.out_channels; ++o) {
      const uint8_t* row = w_.packed + o * row_bytes;
      const int64_t output = o % group_outputs_;
      auto* codes = reinterpret_cast<uint64_t*>(codes_.data()) + o / group_outputs_ * groups_ * pairs_;
      int64_t k = 0;
      for (int64_t channel = 0; channel < w_.group_channels; ++channel) {
        for (int64_t tap = 0; tap < kernel_; ++tap, ++k) {
          const int64_t column = tap % kGroupEntries, five = channel / kFive;
          const int64_t entry = tables == kGroupEntries
                                    ? tap * fives_ + five
                                    : (tap - column) * fives_ + five * kGroupEntries + SumGroup<tables>::entry(column);
          const int64_t group = entry / kGroupEntries;
          const uint64_t bit = row[k / 8] >> (k % 8) & 1;
          const int64_t byte = output % 2 * kGroupEntries + entry % kGroupEntries;
          codes[code_index(output / 2, group)] |= bit << (8 * byte + 3 + channel % kFive);
        }
      }
    }
  }

  int64_t code_index(int64_t pair, int64_t group) const {
    const int64_t first = group / chunk_groups_ * chunk_groups_;
    return first * pairs_ + pair * x86::smaller(chunk_groups_, groups_ - first) + group - first;
  }

  void pack(const Call& call, int64_t index) const {
    const int64_t unit = call.first + index / fives_;
    const int64_t first = index % fives_ * kFive;
    const Five five{unit / w_.group, unit % w_.group * w_.group_channels + first,
                    x86::smaller(kFive, w_.group_channels - first)};
    if (w_.form.from_signs) {
      pack_five(call.layout, FiveSigns(five, call.image, call.operands), call.five(index));
    } else {
      pack_five(call.layout, FiveFloats(five, call.image, call.operands), call.five(index));
    }
  }

  void convolve(const Call& call, const Executor& executor) const {
    const SumLayout& layout = call.layout;
    const int64_t tiles = layout.tiles();
    // A task finds tables of its own.
    const int64_t most = call.units * tiles < 4 ? kTaskOutputs / 2 : kTaskOutputs;
    const int64_t panels = (group_outputs_ + most - 1) / most;
    const int64_t outputs = x86::round_up((group_outputs_ + panels - 1) / panels, 8);
    parallel_for(executor, call.units * tiles * panels, [&](int64_t index) {
      const int64_t slot = index / panels / tiles;
      const int64_t position = index / panels % tiles * layout.tile();
      const int64_t channel = index % panels * outputs;
      const Task task{call, slot, position, channel, x86::smaller(outputs, group_outputs_ - channel)};
      if (task.channels <= 0) return;
      if (layout.positions - position <= 2 * layout.half(1)) {
        convolve<1>(task);
      } else {
        convolve<2>(task);
      }
    });
  }

  struct Task {
    const Call& call;
    int64_t slot, position, channel, channels;
  };

  template <int vectors>
  void convolve(const Task& task) const {
    using Sums = TileSums<vectors>;
    const Call& call = task.call;
    const TileRuns runs(call.layout, task.position, 2 * call.layout.half(vectors));
    if (runs.lanes == 0) return;
    const int64_t unit = call.first + task.slot;
    const x86::UnitOutputs outputs = x86::unit_outputs(w_, call.layout.outputs(), call.valid(), call.operands, unit);
    const TileFinish<vectors> tile(outputs, runs, call.layout.half(vectors), call.values() + task.position,
                                   call.words() + task.position);
    // Beyond the last table is read what no lane needs.
    constexpr int64_t kTables = x86::round_up((kMostSmallTables + 2) * SumTables<vectors>::kBytes + 64, 64);
    uint8_t* memory = x86::ThreadMemory::get(kTables + (task.channels + 1) * static_cast<int64_t>(sizeof(Sums)));
    Sums* sums = reinterpret_cast<Sums*>(memory + kTables);
    const auto* codes = reinterpret_cast<const uint64_t*>(codes_.data()) + unit % w_.group * groups_ * pairs_;
    SumVisit visit{false, false, false};
    int64_t in_bytes = 0;  // groups whose sums are not in words
    for (int64_t first = 0; first < groups_; first += chunk_groups_) {
      const int64_t count = x86::smaller(chunk_groups_, groups_ - first);
      const bool last = first + count == groups_;
      find_tables<vectors>(task, first, count, memory);
      visit.resume = in_bytes > 0;
      in_bytes += count;
      visit.part = last || in_bytes + chunk_groups_ > kMostGroups;
      const uint64_t* from = codes + code_index(task.channel / 2, first);
      for (int64_t c = 0; c < task.channels; c += 2, from += count) {
        count_pair<vectors>(memory, from, count, visit, sums + c);
      }
      if (!visit.part) continue;
      visit.add_words = true;
      in_bytes = 0;
    }
    const SignBound* bounds = has_bounds() ? call.bounds() + unit % w_.group * group_outputs_ : nullptr;
    for (int64_t c = 0; c < task.channels; c += 8) {
      const int64_t channel = task.channel + c;
      tile.finish(sums + c, channel, x86::smaller(8, task.channels - c), bounds == nullptr ? bounds : bounds + channel);
    }
  }

  template <int vectors>
  void count_pair(const uint8_t* table, const uint64_t* codes, int64_t groups, const SumVisit& visit,
                  TileSums<vectors>* sums) const {
    if (reach() == 1 || tables == kGroupEntries)
      return count_groups<vectors, tables, 1>(table, codes, groups, 1, visit, sums);
    count_groups<vectors, tables, 0>(table, codes, groups, reach(), visit, sums);
  }

  /// Finds the tables of groups of entries, of the last perhaps some that count nothing.
  template <int vectors>
  void find_tables(const Task& task, int64_t first, int64_t count, uint8_t* to) const {
    const SumLayout& layout = task.call.layout;
    // Taps whose tables of a five come one after the other, then those of the next five, and then other taps.
    constexpr int64_t kTaps = tables == kGroupEntries ? 1 : tables;
    constexpr int64_t kStep = tables == kGroupEntries ? 1 : kGroupEntries;
    const int64_t five_of_tap = first * tables / kTaps;
    int64_t five = five_of_tap % fives_, tap = five_of_tap / fives_ * kStep;
    for (int64_t i = 0; i < count * tables; i += kTaps) {
      for (int64_t j = 0; j < kTaps; ++j, to += SumTables<vectors>::kBytes) {
        if (tap >= kernel_) {
          std::memset(to, 0, SumTables<vectors>::kBytes);
          continue;
        }
        const uint8_t* low = task.call.five(task.slot * fives_ + five) + layout.at(tap + j) + task.position;
        SumTables<vectors>::find(low, low + layout.half(vectors), to);
      }
      if (++five < fives_) continue;
      five = 0;
      tap += kStep;
    }
  }

  ConvWeights w_;
  int64_t kernel_, group_outputs_, fives_;
  int64_t groups_;        ///< of entries that are added up before nibbles part
  int64_t chunk_groups_;  ///< whose tables are found together
  int64_t pairs_;         ///< of outputs of a group
  x86::AlignedWords codes_;
};

}  // namespace
}  // namespace edgenet::avx2
