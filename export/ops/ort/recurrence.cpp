// XnorRecurrence and BwnRecurrence.
#include <cstring>

#include "ort/node.h"
#include "ort/packed.h"

namespace edgenet {

namespace {

class RecurrenceNode final : public Node {
 public:
  RecurrenceNode(const Operator& op, const NodeInfo& info, bool xnor) : Node(op, info), xnor_(xnor) {
    const auto shape = info.attribute_ints("weight_shape", 2, 1);
    if (shape[0] != shape[1]) refuse("attribute weight_shape is " + list_text(shape) + ", expected [H, H]");
    weights_ = {shape[0], checked_row_inputs(info.where(), {shape[1]}), nullptr};
  }

 protected:
  std::vector<Shape> expected_shapes(const Shape& u) const override {
    const int64_t size = weights_.outputs;
    std::vector<Shape> shapes = {{-1, -1, size}};
    if (xnor_) shapes.push_back({size});
    shapes.push_back({size, row_bytes(size)});
    shapes.push_back({size});
    shapes.push_back({u.size() == 3 ? u[1] : -1, size});
    return shapes;
  }

  Shape unknown_first() const override { return {-1, -1, -1}; }

  void check_sizes(const Shape& u) const override {
    if (u[0] == 0 || u[1] == 0) {
      refuse("input u has shape " + shape_text(u) + ", expected at least one step and a batch of at least 1");
    }
  }

  void prepare(const uint8_t* packed) override { kernel_ = make(packed); }

  void compute(abi::KernelContext* context, const Inputs& inputs) const override {
    const Shape& u = inputs[0].shape;
    const int64_t steps = u[0];
    const int64_t batch = u[1];
    const int64_t state = batch * weights_.outputs;
    const size_t first = xnor_ ? 2 : 1;
    std::unique_ptr<RecurrenceKernel> made_now;
    if (kernel_ == nullptr) made_now = make(inputs[first].bytes());
    const RecurrenceKernel& kernel = kernel_ != nullptr ? *kernel_ : *made_now;
    float* p = output(context, 0, u);
    float* last = output(context, 1, {batch, weights_.outputs});
    const Scratch memory = scratch(kernel.scratch_bytes(batch));
    RecurrenceOperands operands{};
    operands.u = inputs[0].floats();
    operands.threshold = xnor_ ? inputs[1].floats() : nullptr;
    operands.scale = inputs[first + 1].floats();
    operands.initial = inputs[first + 2].floats();
    operands.y = p;
    operands.scratch = memory.get();
    kernel.run(steps, batch, operands, executor_of(context));
    std::memcpy(last, p + (steps - 1) * state, static_cast<size_t>(state) * sizeof(float));
  }

 private:
  std::unique_ptr<RecurrenceKernel> make(const uint8_t* packed) const {
    LinearWeights weights = weights_;
    weights.packed = packed;
    return xnor_ ? active_kernels().xnor_recurrence(weights) : active_kernels().bwn_recurrence(weights);
  }

  bool xnor_;
  LinearWeights weights_{};
  std::unique_ptr<RecurrenceKernel> kernel_;
};

void infer(const ShapeInference& inference) {
  const auto u = inference.input(0);
  const auto weight = inference.attribute_ints("weight_shape", 2);
  if (!u || u->shape.size() != 3 || !weight) return;
  const int64_t size = (*weight)[0];
  inference.set_output(0, {u->shape[0], u->shape[1], size}, {u->symbols[0], u->symbols[1], ""});
  inference.set_output(1, {u->shape[1], size}, {u->symbols[1], ""});
}

}  // namespace

const Operator xnor_recurrence(
    "XnorRecurrence",
    {{"u", abi::kFloat},
     {"threshold", abi::kFloat},
     {"weight", abi::kUint8},
     {"scale", abi::kFloat},
     {"initial", abi::kFloat}},
    2,
    [](const Operator& op, const NodeInfo& info) -> std::unique_ptr<Node> {
      return std::make_unique<RecurrenceNode>(op, info, true);
    },
    infer);

const Operator bwn_recurrence(
    "BwnRecurrence", {{"u", abi::kFloat}, {"weight", abi::kUint8}, {"scale", abi::kFloat}, {"initial", abi::kFloat}}, 2,
    [](const Operator& op, const NodeInfo& info) -> std::unique_ptr<Node> {
      return std::make_unique<RecurrenceNode>(op, info, false);
    },
    infer);

}  // namespace edgenet
