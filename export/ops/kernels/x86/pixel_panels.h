// Weights of a panel of outputs, two vectors of them: for every word of an image's values the weights of each output,
// so that lanes are outputs and no lane waits for positions that a small image lacks.
//
// `Products` has the vector operations, multiplies words and says which values they hold.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/x86/pixel_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// How the outputs of every group are cut into panels.
struct PanelShape {
  PanelShape(const ConvWeights& w, int64_t outputs_of_a_panel)
      : outputs(w.out_channels / w.group),
        most(outputs_of_a_panel),
        group_panels((outputs + most - 1) / most),
        count(w.group * group_panels) {}

  int64_t group(int64_t panel) const { return panel / group_panels; }
  int64_t first_output(int64_t panel) const { return group(panel) * outputs + panel % group_panels * most; }
  int64_t panel_outputs(int64_t panel) const { return smaller(most, outputs - panel % group_panels * most); }

  int64_t outputs, most, group_panels, count;
};

/// What it takes to sum positions for a panel.
template <class Products>
struct PanelTask {
  static constexpr int64_t kOutputs = 2 * Products::kLanes;

  const uint8_t* weights;
  const uint8_t* image;  ///< of the panel's group
  const int64_t* runs;   ///< where they begin, from a position's first byte on
  int64_t run_count, run_words, position_bytes;
  const uint8_t* tails;
  int64_t tail_words, tail_step;  ///< bytes from one of a position's tail words to the next
  bool relu;
  int32_t offset[kOutputs];
  float factor[kOutputs], bias[kOutputs];
};

/// Makes values of the sums of a vector of outputs.
template <class Products>
class PanelValues {
  using Int = typename Products::Int;
  using Float = typename Products::Float;

 public:
  using Word = float;

  PanelValues(const PanelTask<Products>& task, int64_t half)
      : offset_(Products::load_words(task.offset + Products::kLanes * half)),
        factor_(Products::load(task.factor + Products::kLanes * half)),
        bias_(Products::load(task.bias + Products::kLanes * half)),
        floor_(Products::set(task.relu ? 0 : -std::numeric_limits<float>::infinity())) {}

  Float value(Int sums) const {
    const Float exact = Products::to_float(Products::subtract_words(sums, offset_));
    return Products::maximum(floor_, Products::add(Products::multiply(factor_, exact), bias_));
  }
  void store(Int sums, float* to) const { Products::store(to, value(sums)); }

 private:
  Int offset_;
  Float factor_, bias_, floor_;
};

/// Orders the sums of a vector of outputs as their values are: flipped where the scale is negative.
template <class Products>
class PanelSums {
  using Int = typename Products::Int;

 public:
  using Word = int32_t;

  PanelSums(const PanelTask<Products>& task, int64_t half)
      : flips_(Products::ones_where_negative(Products::load(task.factor + Products::kLanes * half))) {}

  Int flipped(Int sums) const { return Products::exclusive_or(sums, flips_); }
  void store(Int sums, int32_t* to) const { Products::store_words(to, flipped(sums)); }

 private:
  Int flips_;
};

/// A word of positions that are a step apart.
template <class Products, int kPositions>
inline void add_products(typename Products::Int (&sums)[kPositions][2], const typename Products::Int (&weight)[2],
                         const uint8_t* x, int64_t step) {
#pragma GCC unroll 12
  for (int p = 0; p < kPositions; ++p) {
    int32_t word;
    std::memcpy(&word, x + p * step, sizeof word);
    const auto activations = Products::set_words(word);
    sums[p][0] = Products::add_products(sums[p][0], activations, weight[0]);
    sums[p][1] = Products::add_products(sums[p][1], activations, weight[1]);
  }
}

/// to[position][output] for neighbouring positions, the first at `x` and its tail words at `tails`.
template <class Products, class Panels, class Stored, int kPositions>
__attribute__((noinline)) void sum_positions(const PanelTask<Products>& task, const uint8_t* x, const uint8_t* tails,
                                             typename Stored::Word* to) {
  typename Products::Int sums[kPositions][2];
#pragma GCC unroll 12
  for (int p = 0; p < kPositions; ++p) sums[p][0] = sums[p][1] = Products::zero();
  const uint8_t* weights = task.weights;
  const int64_t step = task.position_bytes;
  for (int64_t run = 0; run < task.run_count; ++run) {
    const uint8_t* from = x + task.runs[run];
    for (int64_t word = 0; word < task.run_words; ++word, from += 4, weights += Panels::kWordBytes) {
      typename Products::Int weight[2];
      Panels::load(weights, weight);
      add_products<Products>(sums, weight, from, step);
    }
  }
  for (int64_t word = 0; word < task.tail_words; ++word, tails += task.tail_step, weights += Panels::kWordBytes) {
    typename Products::Int weight[2];
    Panels::load(weights, weight);
    add_products<Products>(sums, weight, tails, 4);
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const Stored stored(task, half);
#pragma GCC unroll 12
    for (int p = 0; p < kPositions; ++p) {
      stored.store(sums[p][half], to + p * PanelTask<Products>::kOutputs + Products::kLanes * half);
    }
  }
}

/// What multiplies by vectors: the sums of some positions in registers.
template <class Products>
struct VectorSums {
  static constexpr int64_t kReadPositions = 0;  ///< beyond those that are summed, whose values may be read

  /// What a thread needs while it sums.
  struct Thread {
    explicit Thread(const PixelRuns&) {}
  };

  static int64_t rows_of_a_pixel(const ConvWeights&) { return 0; }

  template <class Panels, class Stored>
  static void sum_tile(int64_t positions, const PanelTask<Products>& panel, const uint8_t* x, const uint8_t* tails,
                       typename Stored::Word* to) {
    sum_of<Panels, Stored>(positions, std::make_integer_sequence<int, Products::kTilePositions>())(panel, x, tails, to);
  }

 private:
  template <class Stored>
  using Sum = void (*)(const PanelTask<Products>&, const uint8_t*, const uint8_t*, typename Stored::Word*);

  /// The function that sums so many positions.
  template <class Panels, class Stored, int... kFewer>
  static Sum<Stored> sum_of(int64_t positions, std::integer_sequence<int, kFewer...>) {
    static constexpr Sum<Stored> all[] = {sum_positions<Products, Panels, Stored, kFewer + 1>...};
    return all[positions - 1];
  }
};

}  // namespace
}  // namespace edgenet::x86
