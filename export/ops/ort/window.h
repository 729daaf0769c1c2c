// Windows that slide over an image: what convolutions and pooling share.
#pragma once
#include <cstdint>
#include <vector>

#include "ort/node.h"

namespace edgenet {

/// A window along one axis of an image.
struct WindowAxis {
  int64_t kernel, stride, pad_begin, pad_end, dilation;

  int64_t pads() const { return pad_begin + pad_end; }
  int64_t reach() const { return dilation * (kernel - 1); }
  /// How many places it has along `size`: 0 where it does not fit, -1 where the size is not known.
  int64_t places(int64_t size) const;
};

struct Window {
  WindowAxis height, width;

  /// From attributes as SPEC.md orders them.
  Window(int64_t kernel_height, int64_t kernel_width, const std::vector<int64_t>& strides,
         const std::vector<int64_t>& pads, const std::vector<int64_t>& dilations);
};

/// The window of a pooling, from the attributes kernel_shape, strides and pads with `prefix` before their names;
/// refuses padding that windows could lie in.
Window read_pooling(const NodeInfo& info, const std::string& prefix);

PoolWindow pool_window(const Window& window);

/// Sets output 0 to the image that the windows, one after the other, make of input 0; `channels` of -1 stands for as
/// many as come in.
void infer_image(const ShapeInference& inference, int64_t channels, const std::vector<Window>& windows);

}  // namespace edgenet
