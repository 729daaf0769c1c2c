#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/parallel.h"

namespace edgenet {

void sign_max_pool2d(const PoolWindow& window, const Image& image, const uint8_t* signs, uint8_t* y,
                     const Executor& executor) {
  parallel_for(executor, image.batch * image.channels, [&](int64_t plane) {
    const uint8_t* from = signs + plane * image.height * image.width;
    uint8_t* to = y + plane * image.out_height * image.out_width;
    for (int64_t row = 0; row < image.out_height; ++row, to += image.out_width) {
      std::fill(to, to + image.out_width, uint8_t{0});
      const int64_t top = row * window.stride_height - window.pad_top;
      const int64_t bottom = std::min(top + window.kernel_height, image.height);
      for (int64_t r = std::max<int64_t>(top, 0); r < bottom; ++r) {
        for (int64_t tap = 0; tap < window.kernel_width; ++tap) {
          const int64_t offset = tap - window.pad_left;
          const int64_t first = offset >= 0 ? 0 : (-offset + window.stride_width - 1) / window.stride_width;
          const uint8_t* line = from + r * image.width + offset;
          for (int64_t c = first; c < image.out_width && c * window.stride_width + offset < image.width; ++c) {
            to[c] = static_cast<uint8_t>(to[c] | line[c * window.stride_width]);
          }
        }
      }
    }
  });
}

}  // namespace edgenet
