#include <algorithm>
#include <type_traits>

#include "kernels/kernels.h"
#include "kernels/parallel.h"

namespace edgenet {
namespace {

/// to[c] |= from[c * stride]
template <class Stride>
void merge(const uint8_t* from, Stride stride, uint8_t* to, int64_t count) {
  for (int64_t c = 0; c < count; ++c) to[c] = static_cast<uint8_t>(to[c] | from[c * stride]);
}

/// The same; the usual strides are constants that the compiler makes vectors of.
void merge_strided(const uint8_t* from, int64_t stride, uint8_t* to, int64_t count) {
  if (stride == 1) {
    merge(from, std::integral_constant<int64_t, 1>(), to, count);
  } else if (stride == 2) {
    merge(from, std::integral_constant<int64_t, 2>(), to, count);
  } else {
    merge(from, stride, to, count);
  }
}

/// One output row of a plane. The maximum of bits is their OR.
void pool_row(const PoolWindow& window, const Image& image, const uint8_t* plane, int64_t row, uint8_t* to) {
  std::fill(to, to + image.out_width, uint8_t{0});
  const int64_t top = row * window.stride_height - window.pad_top;
  const int64_t bottom = std::min(top + window.kernel_height, image.height);
  for (int64_t r = std::max<int64_t>(top, 0); r < bottom; ++r) {
    for (int64_t tap = 0; tap < window.kernel_width; ++tap) {
      // Output column c reads input column c * stride + offset.
      const int64_t offset = tap - window.pad_left;
      const int64_t stride = window.stride_width;
      const int64_t begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
      const int64_t end = std::min(image.out_width, (image.width - offset + stride - 1) / stride);
      const uint8_t* from = plane + r * image.width + begin * stride + offset;
      merge_strided(from, stride, to + begin, end - begin);
    }
  }
}

bool halves(const PoolWindow& window) {
  return window.kernel_height == 2 && window.kernel_width == 2 && window.stride_height == 2 &&
         window.stride_width == 2 && window.pad_top == 0 && window.pad_left == 0 && window.pad_bottom == 0 &&
         window.pad_right == 0;
}

/// The same for a window that halves(): both columns of both rows in one pass.
void halve_row(const uint8_t* upper, const uint8_t* lower, uint8_t* to, int64_t count) {
  for (int64_t c = 0; c < count; ++c) {
    to[c] = static_cast<uint8_t>(upper[2 * c] | upper[2 * c + 1] | lower[2 * c] | lower[2 * c + 1]);
  }
}

}  // namespace

void sign_max_pool2d(const PoolWindow& window, const Image& image, const uint8_t* signs, uint8_t* y,
                     const Executor& executor) {
  const bool halving = halves(window);
  parallel_for(executor, image.batch * image.channels, [&](int64_t plane) {
    const uint8_t* from = signs + plane * image.height * image.width;
    uint8_t* to = y + plane * image.out_height * image.out_width;
    for (int64_t row = 0; row < image.out_height; ++row, to += image.out_width) {
      if (halving) {
        const uint8_t* upper = from + 2 * row * image.width;
        halve_row(upper, upper + image.width, to, image.out_width);
      } else {
        pool_row(window, image, from, row, to);
      }
    }
  });
}

}  // namespace edgenet
