// Signed dot products with an output to every 32-bit lane: the weights of 16 outputs are turned on their side, so that
// VPOPCNTD counts each lane for itself and no sum across a vector is left. Worth the turning where several rows, or
// several steps of a sequence, use it.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/avx512icl/simd.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/recurrent_step.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VPOPCNTDQ

using x86::round_up;
using x86::smaller;

class XnorColumns {
  using Int = Simd::Int;

 public:
  static constexpr int64_t kLanes = Simd::kLanes;
  static constexpr int64_t kOutputs = 4 * kLanes;  ///< outputs of a panel, whose words lie together
  static constexpr int64_t kRows = 4;              ///< rows counted side by side: 16 counts in flight
  static constexpr int64_t kWorthTurning = 8;      ///< rows times steps from which on turning pays

  explicit XnorColumns(const LinearWeights& weights)
      : w_(weights), row_bytes_((w_.inputs + 7) / 8), words_((w_.inputs + 31) / 32), rows_(weights) {}

  const x86::XnorRows<Simd>& rows() const { return rows_; }
  int64_t panels() const { return (w_.outputs + kOutputs - 1) / kOutputs; }
  int64_t panel_words() const { return words_ * kOutputs; }

  /// Signs as those of XnorRows with zeros beyond the inputs.
  void pack(const float* x, const float* threshold, uint8_t* signs) const {
    rows_.pack(x, threshold, signs);
    const int64_t full_bytes = w_.inputs / 8;
    if (w_.inputs % 8 != 0) signs[full_bytes] &= static_cast<uint8_t>((1 << w_.inputs % 8) - 1);
    std::memset(signs + row_bytes_, 0, static_cast<size_t>(words_ * 4 - row_bytes_));
  }

  /// The weights of a panel as [words, blocks of 16 outputs, 16].
  void turn(int64_t panel, uint32_t* columns) const {
    const int64_t blocks = panel_blocks(panel);
    for (int64_t block = 0; block < blocks; ++block) {
      for (int64_t word = 0; word < words_; word += kLanes) {
        turn_square(panel * kOutputs + block * kLanes, word, columns + (word * blocks + block) * kLanes,
                    blocks * kLanes);
      }
    }
  }

  /// y[r, o] = scale[o] * dot + addend[r, o] for the outputs of a panel, strides as in XnorRows.
  void run(int64_t panel, const uint32_t* columns, int64_t rows, const uint8_t* signs, const float* scale,
           const float* addend, int64_t addend_stride, float* y) const {
    const Panel whole{columns, panel * kOutputs, scale, addend, addend_stride, y};
    switch (panel_blocks(panel)) {
      case 1:
        return run_rows<1>(whole, rows, signs);
      case 2:
        return run_rows<2>(whole, rows, signs);
      default:
        return run_rows<4>(whole, rows, signs);
    }
  }

 private:
  struct Panel {
    const uint32_t* columns;
    int64_t o;
    const float *scale, *addend;
    int64_t addend_stride;
    float* y;
  };

  /// 1, 2 or 4: the widths that tiles exist for.
  int64_t panel_blocks(int64_t panel) const {
    const int64_t outputs = smaller(kOutputs, w_.outputs - panel * kOutputs);
    return outputs > 2 * kLanes ? 4 : outputs > kLanes ? 2 : 1;
  }

  /// 16 words of 16 outputs; outputs past the last are as the last.
  void turn_square(int64_t o, int64_t word, uint32_t* columns, int64_t stride) const {
    const int64_t bytes = row_bytes_ - word * 4;
    const __mmask64 inside = bytes >= 64 ? ~uint64_t{0} : (uint64_t{1} << bytes) - 1;
    Simd::Float square[kLanes];
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; ++i) {
      const uint8_t* row = w_.packed + smaller(o + i, w_.outputs - 1) * row_bytes_;
      square[i] = _mm512_castsi512_ps(_mm512_maskz_loadu_epi8(inside, row + word * 4));
    }
    Simd::transpose(square);
    const int64_t count = smaller(kLanes, words_ - word);
    for (int64_t i = 0; i < count; ++i) Simd::store(reinterpret_cast<float*>(columns + i * stride), square[i]);
    if (word + count == words_ && w_.inputs % 32 != 0) {
      uint32_t* last = columns + (count - 1) * stride;
      for (int64_t i = 0; i < kLanes; ++i) last[i] &= (uint32_t{1} << w_.inputs % 32) - 1;
    }
  }

  template <int kBlocks>
  void run_rows(const Panel& panel, int64_t rows, const uint8_t* signs) const {
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) run_tile<4, kBlocks>(panel, row, signs);
    if (rows - row == 3) run_tile<3, kBlocks>(panel, row, signs);
    if (rows - row == 2) run_tile<2, kBlocks>(panel, row, signs);
    if (rows - row == 1) run_tile<1, kBlocks>(panel, row, signs);
  }

  template <int kTileRows, int kBlocks>
  void run_tile(const Panel& panel, int64_t row, const uint8_t* all_signs) const {
    const int64_t sign_bytes = rows_.sign_bytes();
    const uint8_t* signs = all_signs + row * sign_bytes;
    Int counts[kTileRows][kBlocks];
#pragma GCC unroll 4
    for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 4
      for (int b = 0; b < kBlocks; ++b) counts[r][b] = Simd::zero();
    }
    for (int64_t word = 0; word < words_; ++word) {
      const uint32_t* columns = panel.columns + word * kBlocks * kLanes;
      Int sign[kTileRows];
#pragma GCC unroll 4
      for (int r = 0; r < kTileRows; ++r) sign[r] = broadcast(signs + r * sign_bytes + word * 4);
#pragma GCC unroll 4
      for (int b = 0; b < kBlocks; ++b) {
        const Int weight = _mm512_loadu_si512(columns + b * kLanes);
#pragma GCC unroll 4
        for (int r = 0; r < kTileRows; ++r) {
          counts[r][b] = _mm512_add_epi32(counts[r][b], _mm512_popcnt_epi32(_mm512_xor_si512(weight, sign[r])));
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 4
      for (int b = 0; b < kBlocks; ++b) finish(panel, row + r, panel.o + b * kLanes, counts[r][b]);
    }
  }

  static Int broadcast(const uint8_t* from) {
    int32_t word;
    std::memcpy(&word, from, sizeof word);
    return _mm512_set1_epi32(word);
  }

  void finish(const Panel& panel, int64_t row, int64_t o, Int count) const {
    if (o >= w_.outputs) return;
    rows_.finish(row, count,
                 {o, smaller(kLanes, w_.outputs - o), panel.scale, panel.addend, panel.addend_stride, panel.y});
  }

  LinearWeights w_;
  int64_t row_bytes_, words_;
  x86::XnorRows<Simd> rows_;
};

/// XnorLinear that turns the weights of a panel where many rows use it. Those of a small layer are turned once, for any
/// number of rows: sums across vectors would take most of its time.
class XnorLinear final : public LinearKernel {
 public:
  explicit XnorLinear(const LinearWeights& weights) : w_(weights), columns_(weights), turned_(words_held()) {
    if (words_held() == 0) return;
    for (int64_t panel = 0; panel < columns_.panels(); ++panel) {
      columns_.turn(panel, turned_.data() + panel * columns_.panel_words());
    }
  }

  size_t scratch_bytes(int64_t rows) const override { return static_cast<size_t>(rows * columns_.rows().sign_bytes()); }

  void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const override {
    auto* signs = static_cast<uint8_t*>(operands.scratch);
    for (int64_t row = 0; row < rows; ++row) {
      columns_.pack(operands.x + row * w_.inputs, operands.threshold, signs + row * columns_.rows().sign_bytes());
    }
    const bool held = words_held() != 0;
    if (!held && (rows < XnorColumns::kWorthTurning || columns_.panel_words() > kPanelWords)) {
      x86::parallel_work(executor, w_.outputs, rows * w_.inputs, x86::kXnorTaskProducts, Simd::kLanes,
                         [&](int64_t begin, int64_t end) {
                           columns_.rows().run(rows, signs, begin, end, operands.scale, operands.bias, 0, operands.y);
                         });
      return;
    }
    x86::parallel_work(executor, columns_.panels(), rows * w_.inputs * XnorColumns::kOutputs, x86::kXnorTaskProducts, 1,
                       [&](int64_t begin, int64_t end) {
                         alignas(64) uint32_t panel_columns[kPanelWords];
                         for (int64_t panel = begin; panel < end; ++panel) {
                           const uint32_t* columns = turned_.data() + panel * columns_.panel_words();
                           if (!held) {
                             columns_.turn(panel, panel_columns);
                             columns = panel_columns;
                           }
                           columns_.run(panel, columns, rows, signs, operands.scale, operands.bias, 0, operands.y);
                         }
                       });
  }

 private:
  static constexpr int64_t kPanelWords = 8192;  ///< of K to 4096: sums across vectors are few beyond
  static constexpr int64_t kHeldWords = 32768;  ///< 128 KiB

  int64_t words_held() const {
    const int64_t words = columns_.panels() * columns_.panel_words();
    return words <= kHeldWords && columns_.panel_words() <= kPanelWords ? words : 0;
  }

  LinearWeights w_;
  XnorColumns columns_;
  x86::AlignedWords turned_;
};

/// The linear half of a recurrent step, with the weights turned once for a sequence that is long enough.
class XnorColumnStep {
 public:
  static constexpr int64_t kGroup = XnorColumns::kRows;
  static constexpr int64_t kTaskProducts = x86::kXnorTaskProducts;
  static constexpr int64_t kPiece = XnorColumns::kOutputs;

  explicit XnorColumnStep(const LinearWeights& weights) : outputs_(weights.outputs), columns_(weights) {}

  int64_t pieces() const { return columns_.panels(); }
  int64_t row_bytes() const { return columns_.rows().sign_bytes(); }
  int64_t sequence_bytes() const { return columns_.panels() * columns_.panel_words() * 4; }

  const uint8_t* begin_sequence(int64_t uses, uint8_t* memory) const {
    if (uses < XnorColumns::kWorthTurning) return nullptr;
    for (int64_t panel = 0; panel < columns_.panels(); ++panel) {
      columns_.turn(panel, reinterpret_cast<uint32_t*>(memory) + panel * columns_.panel_words());
    }
    return memory;
  }

  void prepare(const float* x, const float* threshold, uint8_t* signs) const { columns_.pack(x, threshold, signs); }

  void run(const uint8_t* sequence, int64_t rows, const uint8_t* signs, int64_t begin, int64_t end, const float* scale,
           const float* addend, int64_t addend_stride, float* y) const {
    if (sequence == nullptr) {
      columns_.rows().run(rows, signs, begin * kPiece, smaller(end * kPiece, outputs_), scale, addend, addend_stride,
                          y);
      return;
    }
    for (int64_t panel = begin; panel < end; ++panel) {
      columns_.run(panel, reinterpret_cast<const uint32_t*>(sequence) + panel * columns_.panel_words(), rows, signs,
                   scale, addend, addend_stride, y);
    }
  }

 private:
  int64_t outputs_;
  XnorColumns columns_;
};

}  // namespace
}  // namespace edgenet::avx512icl
