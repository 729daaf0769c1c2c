#include "ort/window.h"

namespace edgenet {

int64_t WindowAxis::places(int64_t size) const {
  if (size < 0) return -1;
  const int64_t room = size + pads() - reach() - 1;
  return room < 0 ? 0 : room / stride + 1;
}

Window::Window(int64_t kernel_height, int64_t kernel_width, const std::vector<int64_t>& strides,
               const std::vector<int64_t>& pads, const std::vector<int64_t>& dilations)
    : height{kernel_height, strides[0], pads[0], pads[2], dilations[0]},
      width{kernel_width, strides[1], pads[1], pads[3], dilations[1]} {}

Window read_pooling(const NodeInfo& info, const std::string& prefix) {
  const auto kernel = info.attribute_ints((prefix + "kernel_shape").c_str(), 2, 1);
  const auto pads = info.attribute_ints((prefix + "pads").c_str(), 4, 0);
  for (size_t i = 0; i < pads.size(); ++i) {
    if (pads[i] < kernel[i % 2]) continue;
    throw Refusal(info.where() + ": attribute " + prefix + "pads is " + list_text(pads) +
                  ", expected each less than the kernel, " + list_text(kernel));
  }
  return {kernel[0], kernel[1], info.attribute_ints((prefix + "strides").c_str(), 2, 1), pads, {1, 1}};
}

PoolWindow pool_window(const Window& window) {
  const auto& [height, width] = window;
  return {height.kernel,    width.kernel,    height.stride,  width.stride,
          height.pad_begin, width.pad_begin, height.pad_end, width.pad_end};
}

void infer_image(const ShapeInference& inference, int64_t channels, const std::vector<Window>& windows) {
  const auto x = inference.input(0);
  if (!x || x->shape.size() != 4) return;
  ShapeInference::Input y = *x;
  if (channels >= 0) {
    y.shape[1] = channels;
    y.symbols[1].clear();
  }
  for (const Window& window : windows) {
    for (const size_t axis : {size_t{2}, size_t{3}}) {
      const WindowAxis& along = axis == 2 ? window.height : window.width;
      const bool keeps_size = along.stride == 1 && along.pads() == along.reach();
      if (keeps_size) continue;
      const int64_t places = along.places(y.shape[axis]);
      y.shape[axis] = places >= 1 ? places : -1;
      y.symbols[axis].clear();
    }
  }
  inference.set_output(0, y.shape, y.symbols);
}

}  // namespace edgenet
