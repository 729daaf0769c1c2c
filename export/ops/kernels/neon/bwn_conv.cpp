// BwnConv2d of SPEC.md as a matrix product: piece by piece of the weights of an output, the values that they meet are
// laid out for a tile of positions, and all outputs of a task go over them.
#include <atomic>
#include <cstring>

#include "kernels/neon/bwn_block.h"
#include "kernels/neon/neon.h"
#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"

namespace edgenet::neon {
namespace {

using x86::larger;
using x86::smaller;

constexpr int64_t kTaskOutputs = 64;
constexpr int64_t kWorkers = 8;  // each has memory of its own

class BwnConv2d final : public ConvKernel {
 public:
  explicit BwnConv2d(const ConvWeights& weights)
      : w_(weights),
        group_outputs_(w_.out_channels / w_.group),
        taps_(w_.kernel_height * w_.kernel_width),
        inputs_(w_.group_channels * taps_),
        panels_((group_outputs_ + kOutputs - 1) / kOutputs),
        words_((w_.group * panels_ * inputs_ + 3) / 4) {
    auto* bytes = reinterpret_cast<uint8_t*>(words_.data());
    std::memset(bytes, 0, static_cast<size_t>(w_.group * panels_ * inputs_));
    for (int64_t o = 0; o < w_.out_channels; ++o) {
      const int64_t output = o % group_outputs_;
      const uint8_t* row = w_.packed + o * ((inputs_ + 7) / 8);
      uint8_t* to = bytes + (o / group_outputs_ * panels_ + output / kOutputs) * inputs_;
      for (int64_t k = 0; k < inputs_; ++k) {
        to[k] = static_cast<uint8_t>(to[k] | (row[k / 8] >> (k % 8) & 1) << (output % kOutputs));
      }
    }
  }

  size_t scratch_bytes(const Image&) const override { return kWorkers * sizeof(Room); }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const int64_t area = image.out_height * image.out_width;
    const int64_t tiles = (area + kTilePositions - 1) / kTilePositions;
    const int64_t parts = (group_outputs_ + kTaskOutputs - 1) / kTaskOutputs;
    const int64_t tasks = image.batch * w_.group * tiles * parts;
    std::atomic<int64_t> next{0};
    parallel_for(executor, smaller(kWorkers, tasks), [&](int64_t worker) {
      Room& room = static_cast<Room*>(operands.scratch)[worker];
      for (int64_t task = next++; task < tasks; task = next++) {
        const int64_t tile = task / parts % tiles;
        // Tiles of nearly equal size: a last one of one position would waste most of its work.
        const int64_t first = area * tile / tiles;
        convolve(image, operands,
                 Task{task / parts / tiles, first, area * (tile + 1) / tiles - first,
                      task % parts * kTaskOutputs / kOutputs},
                 room);
      }
    });
  }

 private:
  /// What a worker needs for itself.
  struct Room {
    float x[kPiece][kTilePositions];
    float weights[kPiece * kOutputs];
    float sums[kTaskOutputs][kTilePositions];
  };

  /// A tile of positions of a unit (a group of an image), and the outputs of some panels.
  struct Task {
    int64_t unit, first, positions, panel;
  };

  void convolve(const Image& image, const ConvOperands& operands, const Task& task, Room& room) const {
    const int64_t panels = smaller(kTaskOutputs / kOutputs, panels_ - task.panel);
    std::memset(room.sums, 0, sizeof room.sums);
    const float* x = operands.x + task.unit * w_.group_channels * image.height * image.width;
    const auto* bits =
        reinterpret_cast<const uint8_t*>(words_.data()) + (task.unit % w_.group * panels_ + task.panel) * inputs_;
    for (int64_t first = 0; first < inputs_; first += kPiece) {
      const int64_t count = smaller(kPiece, inputs_ - first);
      for (int64_t i = 0; i < count; ++i) lay_values(image, x, first + i, task, room.x[i]);
      for (int64_t panel = 0; panel < panels; ++panel) {
        expand(bits + panel * inputs_ + first, count, room.weights);
        add_tile(room.x[0], room.weights, count, task.positions, room.sums[panel * kOutputs]);
      }
    }
    finish(image, operands, task, room);
  }

  /// The values that weight k meets at the task's positions, rounded up to whole vectors.
  void lay_values(const Image& image, const float* x, int64_t k, const Task& task, float* to) const {
    const float* plane = x + k / taps_ * image.height * image.width;
    const int64_t row_offset = k % taps_ / w_.kernel_width * w_.dilation_height - w_.pad_top;
    const int64_t column_offset = k % w_.kernel_width * w_.dilation_width - w_.pad_left;
    for (int64_t i = task.positions; i % 4 != 0; ++i) to[i] = 0;
    for (int64_t i = 0; i < task.positions;) {
      const int64_t column = (task.first + i) % image.out_width;
      const int64_t count = smaller(image.out_width - column, task.positions - i);
      const int64_t y = (task.first + i) / image.out_width * w_.stride_height + row_offset;
      const int64_t start = column * w_.stride_width + column_offset;
      if (y < 0 || y >= image.height) {
        for (int64_t j = 0; j < count; ++j) to[i + j] = 0;
      } else {
        lay_line(plane + y * image.width, image.width, start, count, to + i);
      }
      i += count;
    }
  }

  /// to[j] = line[start + j * stride], 0 outside the line.
  void lay_line(const float* line, int64_t width, int64_t start, int64_t count, float* to) const {
    const int64_t stride = w_.stride_width;
    int64_t begin = 0;
    int64_t end = count;
    if (start < 0) begin = smaller(count, (-start + stride - 1) / stride);
    if (start + (count - 1) * stride >= width) end = larger(begin, (width - start + stride - 1) / stride);
    for (int64_t j = 0; j < begin; ++j) to[j] = 0;
    if (stride == 1) {
      for (int64_t j = begin; j < end; ++j) to[j] = line[start + j];
    } else {
      for (int64_t j = begin; j < end; ++j) to[j] = line[start + j * stride];
    }
    for (int64_t j = end; j < count; ++j) to[j] = 0;
  }

  void finish(const Image& image, const ConvOperands& operands, const Task& task, const Room& room) const {
    const int64_t area = image.out_height * image.out_width;
    const int64_t output = task.panel * kOutputs;
    const int64_t channel = task.unit % w_.group * group_outputs_ + output;
    float* y = operands.y + (task.unit * group_outputs_ + output) * area + task.first;
    for (int64_t o = 0; o < smaller(kTaskOutputs, group_outputs_ - output); ++o) {
      const float scale = operands.scale[channel + o];
      const float bias = operands.bias[channel + o];
      for (int64_t i = 0; i < task.positions; ++i) y[o * area + i] = room.sums[o][i] * scale + bias;
    }
  }

  ConvWeights w_;
  int64_t group_outputs_, taps_, inputs_;
  int64_t panels_;           ///< of 8 outputs, in a group
  x86::AlignedWords words_;  ///< bytes [group, panel, weight], a bit an output
};

}  // namespace

std::unique_ptr<ConvKernel> make_bwn_conv2d(const ConvWeights& weights) { return std::make_unique<BwnConv2d>(weights); }

}  // namespace edgenet::neon
