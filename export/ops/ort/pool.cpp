// SignMaxPool2d.
#include <algorithm>

#include "ort/window.h"

namespace edgenet {

namespace {

class PoolNode final : public Node {
 public:
  PoolNode(const Operator& op, const NodeInfo& info) : Node(op, info), window_(read_pooling(info, "")) {}

 protected:
  Shape expected_shape(std::string_view, const Shape&) const override { return {-1, -1, -1, -1}; }

  void check_sizes(const Shape& signs) const override {
    const Shape y = output_shape(signs);
    if (std::find(y.begin(), y.end(), 0) == y.end()) return;
    refuse("input signs has shape " + shape_text(signs) +
           ", expected at least one image of at least one channel and of at least the " +
           std::to_string(window_.height.kernel) + " x " + std::to_string(window_.width.kernel) +
           " kernel (padding counted): the output would be empty");
  }

  void compute(abi::KernelContext* context, const Inputs& inputs) const override {
    const Tensor& signs = inputs["signs"];
    const Shape y = output_shape(signs.shape);
    const Image image = {y[0], y[1], signs.shape[2], signs.shape[3], y[2], y[3]};
    sign_max_pool2d(pool_window(window_), image, signs.bytes(), output<uint8_t>(context, 0, y), executor_of(context));
  }

 private:
  Shape output_shape(const Shape& signs) const {
    return {signs[0], signs[1], window_.height.places(signs[2]), window_.width.places(signs[3])};
  }

  Window window_;
};

void infer(const ShapeInference& inference) {
  const auto kernel = inference.attribute_ints("kernel_shape", 2, 1);
  const auto strides = inference.attribute_ints("strides", 2, 1);
  const auto pads = inference.attribute_ints("pads", 4, 0);
  if (!kernel || !strides || !pads) return;
  infer_image(inference, -1, {Window((*kernel)[0], (*kernel)[1], *strides, *pads, {1, 1})});
}

}  // namespace

std::vector<Operator> pool_operators() {
  return {{"SignMaxPool2d",
           {{"signs", abi::kUint8}},
           {abi::kUint8},
           [](const Operator& op, const NodeInfo& info) { return std::make_unique<PoolNode>(op, info); },
           infer}};
}

}  // namespace edgenet
