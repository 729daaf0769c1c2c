// The linear layers: of binary, binary-weight and 8-bit arithmetic.
#include <algorithm>

#include "ort/weights.h"

namespace edgenet {

namespace {

class LinearNode final : public WeightedNode<LinearWeights, LinearKernel> {
 public:
  LinearNode(const Operator& op, const NodeInfo& info, Make make, int64_t most_inputs) : WeightedNode(op, info, make) {
    const auto shape = info.attribute_ints("weight_shape", 2, 1);
    weights_ = {shape[0], checked_inputs({shape[1]}, most_inputs), nullptr};
  }

 protected:
  Shape expected_shape(std::string_view input, const Shape& x) const override {
    const auto [outputs, inputs, packed] = weights_;
    if (input == "x") {
      Shape expected(x.empty() ? 1 : x.size(), -1);
      expected.back() = inputs;
      return expected;
    }
    if (input == "threshold") return {inputs};
    if (input == "weight") return {outputs, weights_are_packed() ? packed_bytes(inputs) : inputs};
    return {outputs};
  }

  void check_sizes(const Shape& x) const override {
    if (std::find(x.begin(), x.end(), 0) == x.end()) return;
    refuse("input x has shape " + shape_text(x) + ", expected at least one row: the output would be empty");
  }

  void compute(abi::KernelContext* context, const Inputs& inputs) const override {
    Shape y = inputs["x"].shape;
    y.pop_back();
    int64_t rows = 1;
    for (const int64_t size : y) rows *= size;
    y.push_back(weights_.outputs);
    const auto kernel = this->kernel(inputs);
    const Scratch memory = scratch(kernel->scratch_bytes(rows));
    LinearOperands operands{};
    operands.x = inputs["x"].floats();
    operands.threshold = inputs["threshold"].floats();
    operands.scale = inputs["scale"].floats();
    operands.bias = inputs["bias"].floats();
    operands.y = output<float>(context, 0, y);
    operands.scratch = memory.get();
    kernel->run(rows, operands, executor_of(context));
  }
};

void infer(const ShapeInference& inference) {
  auto x = inference.input(0);
  const auto weight = inference.attribute_ints("weight_shape", 2, 1);
  if (!x || x->shape.empty() || !weight) return;
  x->shape.back() = (*weight)[0];
  x->symbols.back().clear();
  inference.set_output(0, x->shape, x->symbols);
}

Operator linear(const char* name, std::vector<Operator::Input> inputs, LinearNode::Make make, int64_t most_inputs) {
  return {name,
          std::move(inputs),
          {abi::kFloat},
          [=](const Operator& op, const NodeInfo& info) {
            return std::make_unique<LinearNode>(op, info, make, most_inputs);
          },
          infer};
}

}  // namespace

std::vector<Operator> linear_operators() {
  const Operator::Input x = {"x", abi::kFloat}, threshold = {"threshold", abi::kFloat};
  const Operator::Input packed = {"weight", abi::kUint8}, int8 = {"weight", abi::kInt8};
  const Operator::Input scale = {"scale", abi::kFloat}, bias = {"bias", abi::kFloat};
  return {
      linear("XnorLinear", {x, threshold, packed, scale, bias}, &KernelSet::xnor_linear, kMostSigns),
      linear("BwnLinear", {x, packed, scale, bias}, &KernelSet::bwn_linear, kMostSigns),
      linear("Int8Linear", {x, int8, scale, bias}, &KernelSet::int8_linear, (int64_t{1} << 31) / (127 * 127)),
  };
}

}  // namespace edgenet
