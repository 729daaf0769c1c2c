// Layers with 8-bit activations. The sums of a convolution are integers that a float holds exactly, so they are made in
// floats, which every CPU multiplies fast.
#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"
#include "kernels/scalar/bits.h"
#include "kernels/scalar/scalar.h"

namespace edgenet::scalar {
namespace {

constexpr int64_t kOutputsPerTask = 16;

float largest_magnitude(const float* x, int64_t count) {
  float largest = 1e-30f;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

/// Half to even; some integer for what is not finite.
float quantised(float x, float inverse_step) {
  const float rounded = std::nearbyint(x * inverse_step);
  return std::min(std::max(-127.0f, rounded), 127.0f);
}

float scaled(float scale, float step, float sum, float bias) {
  const float factor = scale * step;
  const float product = factor * sum;
  return product + bias;
}

struct SignWeights {
  static float weight(const uint8_t* packed, int64_t output, int64_t inputs, int64_t k) {
    return packed_bit(packed + output * ((inputs + 7) / 8), k) ? 1.0f : -1.0f;
  }
};

struct ByteWeights {
  static float weight(const uint8_t* packed, int64_t output, int64_t inputs, int64_t k) {
    return static_cast<float>(static_cast<int8_t>(packed[output * inputs + k]));
  }
};

/// The padded rows of a quantised image. Positions that are a stride apart are neighbours, so that every tap of a row
/// of outputs is a row of neighbours.
struct Rows {
  int64_t phases, phase_columns;

  Rows(const ConvWeights& w, const Image& image)
      : phases(w.stride_width),
        phase_columns(image.out_width + (w.kernel_width - 1) * w.dilation_width / w.stride_width + 1) {}
  int64_t columns() const { return phases * phase_columns; }
  int64_t column(int64_t position) const { return position % phases * phase_columns + position / phases; }
};

template <class Weights>
class Int8Conv2d final : public ConvKernel {
 public:
  explicit Int8Conv2d(const ConvWeights& weights) : w_(weights) {}

  size_t scratch_bytes(const Image& image) const override {
    const int64_t values = w_.form.max_pool ? image.batch * w_.out_channels * image.out_height * image.out_width : 0;
    return static_cast<size_t>(image.batch + quantised_values(image) + values) * sizeof(float);
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    auto* steps = static_cast<float*>(operands.scratch);
    float* quantised_rows = steps + image.batch;
    const int64_t pixels = image.channels * image.height * image.width;
    parallel_for(executor, image.batch,
                 [&](int64_t n) { steps[n] = largest_magnitude(operands.x + n * pixels, pixels); });
    parallel_for(executor, image.batch * image.channels, [&](int64_t plane) {
      quantise_plane(image, operands.x, plane, 127.0f / steps[plane / image.channels], quantised_rows);
    });
    float* values = w_.form.max_pool ? quantised_rows + quantised_values(image) : operands.y;
    parallel_for(executor, image.batch * w_.out_channels, [&](int64_t plane) {
      const float step = steps[plane / w_.out_channels] / 127.0f;
      float* y = values + plane * image.out_height * image.out_width;
      for (int64_t row = 0; row < image.out_height; ++row) {
        sum_row(image, quantised_rows, plane, row, y + row * image.out_width);
        finish_row(image, operands, plane % w_.out_channels, step, y + row * image.out_width);
      }
      if (w_.form.max_pool) pool_plane(image, y, plane, operands.y);
    });
  }

 private:
  int64_t quantised_values(const Image& image) const {
    return image.batch * image.channels * image.height * Rows(w_, image).columns();
  }

  void pool_plane(const Image& image, const float* values, int64_t plane, float* y) const {
    const PoolWindow& pool = w_.pool;
    y += plane * pool.rows(image.out_height) * pool.columns(image.out_width);
    for (int64_t row = 0; row < pool.rows(image.out_height); ++row) {
      for (int64_t column = 0; column < pool.columns(image.out_width); ++column) {
        float largest = 0;  // of values that are not negative
        for (int64_t tap = 0; tap < pool.kernel_height * pool.kernel_width; ++tap) {
          const int64_t r = row * pool.stride_height - pool.pad_top + tap / pool.kernel_width;
          const int64_t c = column * pool.stride_width - pool.pad_left + tap % pool.kernel_width;
          if (r < 0 || r >= image.out_height || c < 0 || c >= image.out_width) continue;
          largest = std::max(largest, values[r * image.out_width + c]);
        }
        *y++ = largest;
      }
    }
  }

  void quantise_plane(const Image& image, const float* x, int64_t plane, float inverse_step, float* rows) const {
    const Rows layout(w_, image);
    for (int64_t row = plane * image.height; row < (plane + 1) * image.height; ++row) {
      float* to = rows + row * layout.columns();
      std::fill(to, to + layout.columns(), 0.0f);
      for (int64_t column = 0; column < image.width; ++column) {
        const int64_t position = column + w_.pad_left;
        if (position / layout.phases >= layout.phase_columns) break;  // no output meets the rest
        to[layout.column(position)] = quantised(x[row * image.width + column], inverse_step);
      }
    }
  }

  void sum_row(const Image& image, const float* rows, int64_t plane, int64_t row, float* sums) const {
    const Rows layout(w_, image);
    const int64_t o = plane % w_.out_channels;
    const int64_t group = o / (w_.out_channels / w_.group);
    const int64_t first_channel = plane / w_.out_channels * image.channels + group * w_.group_channels;
    const int64_t taps = w_.kernel_height * w_.kernel_width;
    std::fill(sums, sums + image.out_width, 0.0f);
    for (int64_t k = 0; k < w_.group_channels * taps; ++k) {
      const int64_t tap = k % taps;
      const int64_t y = row * w_.stride_height - w_.pad_top + tap / w_.kernel_width * w_.dilation_height;
      if (y < 0 || y >= image.height) continue;
      const float* from = rows + ((first_channel + k / taps) * image.height + y) * layout.columns() +
                          layout.column(tap % w_.kernel_width * w_.dilation_width);
      const float weight = Weights::weight(w_.packed, o, w_.group_channels * taps, k);
      for (int64_t column = 0; column < image.out_width; ++column) sums[column] += weight * from[column];
    }
  }

  void finish_row(const Image& image, const ConvOperands& operands, int64_t o, float step, float* y) const {
    for (int64_t column = 0; column < image.out_width; ++column) {
      const float value = scaled(operands.scale[o], step, y[column], operands.bias[o]);
      y[column] = w_.form.relu && value < 0 ? 0.0f : value;
    }
  }

  ConvWeights w_;
};

class Int8Linear final : public LinearKernel {
 public:
  explicit Int8Linear(const LinearWeights& weights) : w_(weights) {}

  size_t scratch_bytes(int64_t rows) const override {
    return static_cast<size_t>(rows) * (sizeof(float) + static_cast<size_t>(w_.inputs) * sizeof(int16_t));
  }

  void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const override {
    auto* steps = static_cast<float*>(operands.scratch);
    auto* q = reinterpret_cast<int16_t*>(steps + rows);
    parallel_for(executor, rows, [&](int64_t row) {
      const float* x = operands.x + row * w_.inputs;
      const float largest = largest_magnitude(x, w_.inputs);
      const float inverse_step = 127.0f / largest;
      steps[row] = largest / 127.0f;
      for (int64_t k = 0; k < w_.inputs; ++k) {
        q[row * w_.inputs + k] = static_cast<int16_t>(quantised(x[k], inverse_step));
      }
    });
    parallel_chunks(executor, w_.outputs, kOutputsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t o = begin; o < end; ++o) {
          const auto sum = static_cast<float>(dot(q + row * w_.inputs, o));
          operands.y[row * w_.outputs + o] = scaled(operands.scale[o], steps[row], sum, operands.bias[o]);
        }
      }
    });
  }

 private:
  int32_t dot(const int16_t* q, int64_t o) const {
    const auto* weights = reinterpret_cast<const int8_t*>(w_.packed) + o * w_.inputs;
    int32_t sum = 0;
    for (int64_t k = 0; k < w_.inputs; ++k) sum += int16_t{weights[k]} * q[k];
    return sum;
  }

  LinearWeights w_;
};

}  // namespace

std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<Int8Conv2d<ByteWeights>>(weights);
}

std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights) {
  return std::make_unique<Int8Conv2d<SignWeights>>(weights);
}

std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights) {
  return std::make_unique<Int8Linear>(weights);
}

}  // namespace edgenet::scalar
