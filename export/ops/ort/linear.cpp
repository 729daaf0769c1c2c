// XnorLinear and BwnLinear.
#include "ort/node.h"
#include "ort/packed.h"

namespace edgenet {

namespace {

class LinearNode final : public Node {
 public:
  LinearNode(const Operator& op, const NodeInfo& info, bool xnor) : Node(op, info), xnor_(xnor) {
    const auto shape = info.attribute_ints("weight_shape", 2, 1);
    weights_ = {shape[0], checked_row_inputs(info.where(), {shape[1]}), nullptr};
  }

 protected:
  std::vector<Shape> expected_shapes(const Shape& x) const override {
    Shape expected_x(x.empty() ? 1 : x.size(), -1);
    expected_x.back() = weights_.inputs;
    std::vector<Shape> shapes = {expected_x};
    if (xnor_) shapes.push_back({weights_.inputs});
    shapes.push_back({weights_.outputs, row_bytes(weights_.inputs)});
    shapes.push_back({weights_.outputs});
    shapes.push_back({weights_.outputs});
    return shapes;
  }

  Shape unknown_first() const override { return {-1}; }

  void check_sizes(const Shape& x) const override {
    for (const int64_t size : x) {
      if (size == 0)
        refuse("input x has shape " + shape_text(x) + ", expected at least one row: the output would be empty");
    }
  }

  void prepare(const uint8_t* packed) override { kernel_ = make(packed); }

  void compute(abi::KernelContext* context, const Inputs& inputs) const override {
    Shape y_shape = inputs[0].shape;
    y_shape.back() = weights_.outputs;
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < y_shape.size(); ++i) rows *= y_shape[i];
    const size_t first = xnor_ ? 2 : 1;
    std::unique_ptr<LinearKernel> made_now;
    if (kernel_ == nullptr) made_now = make(inputs[first].bytes());
    const LinearKernel& kernel = kernel_ != nullptr ? *kernel_ : *made_now;
    float* y = output(context, 0, y_shape);
    const Scratch memory = scratch(kernel.scratch_bytes(rows));
    const LinearOperands operands = {inputs[0].floats(),
                                     xnor_ ? inputs[1].floats() : nullptr,
                                     inputs[first + 1].floats(),
                                     inputs[first + 2].floats(),
                                     y,
                                     memory.get()};
    kernel.run(rows, operands, executor_of(context));
  }

 private:
  std::unique_ptr<LinearKernel> make(const uint8_t* packed) const {
    LinearWeights weights = weights_;
    weights.packed = packed;
    return xnor_ ? active_kernels().xnor_linear(weights) : active_kernels().bwn_linear(weights);
  }

  bool xnor_;
  LinearWeights weights_{};
  std::unique_ptr<LinearKernel> kernel_;
};

void infer(const ShapeInference& inference) {
  auto x = inference.input(0);
  const auto weight = inference.attribute_ints("weight_shape", 2);
  if (!x || x->shape.empty() || !weight) return;
  x->shape.back() = (*weight)[0];
  x->symbols.back().clear();
  inference.set_output(0, x->shape, x->symbols);
}

}  // namespace

const Operator xnor_linear(
    "XnorLinear",
    {{"x", abi::kFloat},
     {"threshold", abi::kFloat},
     {"weight", abi::kUint8},
     {"scale", abi::kFloat},
     {"bias", abi::kFloat}},
    1,
    [](const Operator& op, const NodeInfo& info) -> std::unique_ptr<Node> {
      return std::make_unique<LinearNode>(op, info, true);
    },
    infer);

const Operator bwn_linear(
    "BwnLinear", {{"x", abi::kFloat}, {"weight", abi::kUint8}, {"scale", abi::kFloat}, {"bias", abi::kFloat}}, 1,
    [](const Operator& op, const NodeInfo& info) -> std::unique_ptr<Node> {
      return std::make_unique<LinearNode>(op, info, false);
    },
    infer);

}  // namespace edgenet
