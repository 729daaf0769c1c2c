// The convolutions: XnorConv2d in its 16 forms, and those of binary and of 8-bit weights.
#include <optional>

#include "ort/weights.h"
#include "ort/window.h"

namespace edgenet {

namespace {

class ConvNode final : public WeightedNode<ConvWeights, ConvKernel> {
 public:
  ConvNode(const Operator& op, const NodeInfo& info, Make make, int64_t most_inputs, const ConvForm& form)
      : WeightedNode(op, info, make),
        shape_(info.attribute_ints("weight_shape", 4, 1)),
        window_(shape_[2], shape_[3], info.attribute_ints("strides", 2, 1), info.attribute_ints("pads", 4, 0),
                info.attribute_ints("dilations", 2, 1)),
        row_inputs_(checked_inputs({shape_[1], shape_[2], shape_[3]}, most_inputs)) {
    const int64_t group = info.attribute_int("group", 1);
    if (shape_[0] % group != 0) {
      refuse("attribute group is " + std::to_string(group) + ", expected a divisor of the " +
             std::to_string(shape_[0]) + " output channels");
    }
    const auto& [height, width] = window_;
    weights_ = {shape_[0],       shape_[1],      shape_[2],     shape_[3],
                group,           height.stride,  width.stride,  height.pad_begin,
                width.pad_begin, height.pad_end, width.pad_end, height.dilation,
                width.dilation,  nullptr,        form,          {}};
    if (const MaybeShape first = info.shape(0); first && first->size() == 4) {
      const Shape y = output_shape(*first);
      if (y[2] > 0 && y[3] > 0) {
        weights_.likely_rows = y[2];
        weights_.likely_columns = y[3];
      }
    }
    if (form.max_pool) weights_.pool = pool_window(pooling_.emplace(read_pooling(info, "pool_")));
  }

 protected:
  Shape expected_shape(std::string_view input, const Shape& first) const override {
    const int64_t channels = weights_.group_channels * weights_.group;
    if (input == "x") return {-1, channels, -1, -1};
    if (input == "signs") return {-1, packed_bytes(channels), -1, -1};
    if (input == "threshold") return {channels};
    if (input == "weight") return weights_are_packed() ? Shape{shape_[0], packed_bytes(row_inputs_)} : shape_;
    if (input == "residual") return output_shape(first);
    return {weights_.out_channels};
  }

  void check_sizes(const Shape& x) const override {
    const Shape y = output_shape(x);
    if (x[0] != 0 && y[2] != 0 && y[3] != 0) return check_pooling(x, y);
    refuse("input " + std::string(op_.inputs[0].name) + " has shape " + shape_text(x) +
           ", expected a batch of at least 1 and an image of at least the " + std::to_string(shape_[2]) + " x " +
           std::to_string(shape_[3]) + " kernel (dilation and padding counted): the output would be empty");
  }

  void compute(abi::KernelContext* context, const Inputs& inputs) const override {
    const Shape& x = inputs.first().shape;
    Shape y = output_shape(x);
    const Image image = {x[0], weights_.group_channels * weights_.group, x[2], x[3], y[2], y[3]};
    const auto kernel = this->kernel(inputs);
    const Scratch memory = scratch(kernel->scratch_bytes(image));
    ConvOperands operands{};
    operands.x = inputs["x"].floats();
    operands.threshold = inputs["threshold"].floats();
    operands.signs = inputs["signs"].bytes();
    operands.scale = inputs["scale"].floats();
    operands.bias = inputs["bias"].floats();
    operands.residual = inputs["residual"].floats();
    operands.slope = inputs["slope"].floats();
    operands.next_threshold = inputs["next_threshold"].floats();
    operands.scratch = memory.get();
    if (pooling_) {
      y[2] = pooling_->height.places(y[2]);
      y[3] = pooling_->width.places(y[3]);
    }
    if (weights_.form.to_signs) {
      y[1] = packed_bytes(y[1]);
      operands.y_signs = output<uint8_t>(context, 0, y);
    } else {
      operands.y = output<float>(context, 0, y);
    }
    kernel->run(image, operands, executor_of(context));
  }

 private:
  /// Of the values, [N, O, OH, OW], also where only their signs go out.
  Shape output_shape(const Shape& x) const {
    return {x[0], shape_[0], window_.height.places(x[2]), window_.width.places(x[3])};
  }

  void check_pooling(const Shape& x, const Shape& y) const {
    if (!pooling_ || (pooling_->height.places(y[2]) != 0 && pooling_->width.places(y[3]) != 0)) return;
    refuse("input x has shape " + shape_text(x) + " and its convolution " + shape_text(y) +
           ", expected at least the window of the pooling (padding counted): the output would be empty");
  }

  Shape shape_;
  Window window_;
  std::optional<Window> pooling_;
  int64_t row_inputs_;
};

void infer(const ShapeInference& inference, const ConvForm& form) {
  const auto weight = inference.attribute_ints("weight_shape", 4, 1);
  const auto strides = inference.attribute_ints("strides", 2, 1);
  const auto pads = inference.attribute_ints("pads", 4, 0);
  const auto dilations = inference.attribute_ints("dilations", 2, 1);
  if (!weight || !strides || !pads || !dilations) return;
  const int64_t channels = form.to_signs ? packed_bytes((*weight)[0]) : (*weight)[0];
  std::vector<Window> windows = {Window((*weight)[2], (*weight)[3], *strides, *pads, *dilations)};
  if (form.max_pool) {
    const auto kernel = inference.attribute_ints("pool_kernel_shape", 2, 1);
    const auto pool_strides = inference.attribute_ints("pool_strides", 2, 1);
    const auto pool_pads = inference.attribute_ints("pool_pads", 4, 0);
    if (!kernel || !pool_strides || !pool_pads) return;
    windows.emplace_back((*kernel)[0], (*kernel)[1], *pool_strides, *pool_pads, std::vector<int64_t>{1, 1});
  }
  infer_image(inference, channels, windows);
}

Operator conv(std::string name, std::vector<Operator::Input> inputs, ConvNode::Make make, int64_t most_inputs,
              const ConvForm& form = {}) {
  return {std::move(name),
          std::move(inputs),
          {form.to_signs ? abi::kUint8 : abi::kFloat},
          [=](const Operator& op, const NodeInfo& info) {
            return std::make_unique<ConvNode>(op, info, make, most_inputs, form);
          },
          [=](const ShapeInference& inference) { infer(inference, form); }};
}

Operator xnor_conv(const ConvForm& form) {
  std::string name = "XnorConv2d";
  std::vector<Operator::Input> inputs;
  if (form.from_signs) {
    name += "FromSigns";
    inputs = {{"signs", abi::kUint8}};
  } else {
    inputs = {{"x", abi::kFloat}, {"threshold", abi::kFloat}};
  }
  inputs.insert(inputs.end(), {{"weight", abi::kUint8}, {"scale", abi::kFloat}, {"bias", abi::kFloat}});
  const auto add = [&](bool present, const char* part, const char* input) {
    if (!present) return;
    name += part;
    inputs.push_back({input, abi::kFloat});
  };
  add(form.add, "Add", "residual");
  add(form.prelu, "Prelu", "slope");
  add(form.to_signs, "ToSigns", "next_threshold");
  return conv(name, inputs, &KernelSet::xnor_conv2d, kMostSigns, form);
}

}  // namespace

std::vector<Operator> conv_operators() {
  std::vector<Operator> all;
  for (const bool from_signs : {false, true}) {
    for (const bool add : {false, true}) {
      for (const bool prelu : {false, true}) {
        for (const bool to_signs : {false, true})
          all.push_back(xnor_conv({from_signs, add, prelu, to_signs, false, false}));
      }
    }
  }
  const auto inputs = [](abi::ElementType weight) -> std::vector<Operator::Input> {
    return {{"x", abi::kFloat}, {"weight", weight}, {"scale", abi::kFloat}, {"bias", abi::kFloat}};
  };
  ConvForm relu;
  relu.relu = true;
  constexpr int64_t most_int8 = (int64_t{1} << 24) / (127 * 127);
  all.push_back(conv("BwnConv2d", inputs(abi::kUint8), &KernelSet::bwn_conv2d, kMostSigns));
  all.push_back(conv("BwnConv2dInt8", inputs(abi::kUint8), &KernelSet::bwn_int8_conv2d, (int64_t{1} << 24) / 127));
  all.push_back(conv("Int8Conv2d", inputs(abi::kInt8), &KernelSet::int8_conv2d, most_int8));
  all.push_back(conv("Int8Conv2dRelu", inputs(abi::kInt8), &KernelSet::int8_conv2d, most_int8, relu));
  relu.max_pool = true;
  all.push_back(conv("Int8Conv2dReluMaxPool", inputs(abi::kInt8), &KernelSet::int8_conv2d, most_int8, relu));
  return all;
}

}  // namespace edgenet
