// XnorConv2d and BwnConv2d.
#include "ort/node.h"
#include "ort/packed.h"

namespace edgenet {

namespace {

int64_t output_size(int64_t size, int64_t pad_sum, int64_t kernel, int64_t dilation, int64_t stride) {
  const int64_t room = size + pad_sum - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

class ConvNode final : public Node {
 public:
  ConvNode(const Operator& op, const NodeInfo& info, bool xnor) : Node(op, info), xnor_(xnor) {
    const auto shape = info.attribute_ints("weight_shape", 4, 1);
    const auto strides = info.attribute_ints("strides", 2, 1);
    const auto pads = info.attribute_ints("pads", 4, 0);
    const auto dilations = info.attribute_ints("dilations", 2, 1);
    weights_ = {shape[0],   shape[1],     shape[2],     shape[3], info.attribute_int("group", 1),
                strides[0], strides[1],   pads[0],      pads[1],  pads[2],
                pads[3],    dilations[0], dilations[1], nullptr};
    if (shape[0] % weights_.group != 0) {
      refuse("attribute group is " + std::to_string(weights_.group) + ", expected a divisor of the " +
             std::to_string(shape[0]) + " output channels");
    }
    row_inputs_ = checked_row_inputs(info.where(), {shape[1], shape[2], shape[3]});
  }

 protected:
  std::vector<Shape> expected_shapes(const Shape&) const override {
    const int64_t channels = weights_.group_channels * weights_.group;
    std::vector<Shape> shapes = {{-1, channels, -1, -1}};
    if (xnor_) shapes.push_back({channels});
    shapes.push_back({weights_.out_channels, row_bytes(row_inputs_)});
    shapes.push_back({weights_.out_channels});
    shapes.push_back({weights_.out_channels});
    return shapes;
  }

  Shape unknown_first() const override { return {-1, -1, -1, -1}; }

  void check_sizes(const Shape& x) const override {
    const bool empty = x[0] == 0 || (x[2] >= 0 && out_height(x) < 1) || (x[3] >= 0 && out_width(x) < 1);
    if (empty) {
      refuse("input x has shape " + shape_text(x) + ", expected a batch of at least 1 and an image of at least the " +
             std::to_string(weights_.kernel_height) + " x " + std::to_string(weights_.kernel_width) +
             " kernel (dilation and padding counted): the output would be empty");
    }
  }

  void prepare(const uint8_t* packed) override { kernel_ = make(packed); }

  void compute(abi::KernelContext* context, const Inputs& inputs) const override {
    const Shape& x = inputs[0].shape;
    const Image image = {x[0], x[1], x[2], x[3], out_height(x), out_width(x)};
    const size_t first = xnor_ ? 2 : 1;
    std::unique_ptr<ConvKernel> made_now;
    if (kernel_ == nullptr) made_now = make(inputs[first].bytes());
    const ConvKernel& kernel = kernel_ != nullptr ? *kernel_ : *made_now;
    float* y = output(context, 0, {image.batch, weights_.out_channels, image.out_height, image.out_width});
    const Scratch memory = scratch(kernel.scratch_bytes(image));
    ConvOperands operands{};
    operands.x = inputs[0].floats();
    operands.threshold = xnor_ ? inputs[1].floats() : nullptr;
    operands.scale = inputs[first + 1].floats();
    operands.bias = inputs[first + 2].floats();
    operands.y = y;
    operands.scratch = memory.get();
    kernel.run(image, operands, executor_of(context));
  }

 private:
  std::unique_ptr<ConvKernel> make(const uint8_t* packed) const {
    ConvWeights weights = weights_;
    weights.packed = packed;
    return xnor_ ? active_kernels().xnor_conv2d(weights) : active_kernels().bwn_conv2d(weights);
  }

  int64_t out_height(const Shape& x) const {
    return output_size(x[2], weights_.pad_top + weights_.pad_bottom, weights_.kernel_height, weights_.dilation_height,
                       weights_.stride_height);
  }

  int64_t out_width(const Shape& x) const {
    return output_size(x[3], weights_.pad_left + weights_.pad_right, weights_.kernel_width, weights_.dilation_width,
                       weights_.stride_width);
  }

  bool xnor_;
  ConvWeights weights_{};
  int64_t row_inputs_ = 0;
  std::unique_ptr<ConvKernel> kernel_;
};

void infer(const ShapeInference& inference) {
  const auto x = inference.input(0);
  const auto weight = inference.attribute_ints("weight_shape", 4);
  const auto strides = inference.attribute_ints("strides", 2);
  const auto pads = inference.attribute_ints("pads", 4);
  const auto dilations = inference.attribute_ints("dilations", 2);
  if (!x || x->shape.size() != 4 || !weight || !strides || !pads || !dilations) return;
  Shape y = {x->shape[0], (*weight)[0], -1, -1};
  std::vector<std::string> symbols = {x->symbols[0], "", "", ""};
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t size = x->shape[2 + axis];
    const int64_t pad = (*pads)[axis] + (*pads)[axis + 2];
    const int64_t reach = (*dilations)[axis] * ((*weight)[2 + axis] - 1);
    const int64_t stride = (*strides)[axis];
    if (size >= 0 && stride >= 1) {
      const int64_t out_size = output_size(size, pad, (*weight)[2 + axis], (*dilations)[axis], stride);
      if (out_size >= 1) y[2 + axis] = out_size;
    } else if (size < 0 && stride == 1 && pad == reach) {
      symbols[2 + axis] = x->symbols[2 + axis];
    }
  }
  inference.set_output(0, y, symbols);
}

}  // namespace

const Operator xnor_conv2d(
    "XnorConv2d",
    {{"x", abi::kFloat},
     {"threshold", abi::kFloat},
     {"weight", abi::kUint8},
     {"scale", abi::kFloat},
     {"bias", abi::kFloat}},
    1,
    [](const Operator& op, const NodeInfo& info) -> std::unique_ptr<Node> {
      return std::make_unique<ConvNode>(op, info, true);
    },
    infer);

const Operator bwn_conv2d(
    "BwnConv2d", {{"x", abi::kFloat}, {"weight", abi::kUint8}, {"scale", abi::kFloat}, {"bias", abi::kFloat}}, 1,
    [](const Operator& op, const NodeInfo& info) -> std::unique_ptr<Node> {
      return std::make_unique<ConvNode>(op, info, false);
    },
    infer);

}  // namespace edgenet
