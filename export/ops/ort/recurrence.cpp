// The recurrent layers: Elman, LSTM and GRU of binary and binary-weight arithmetic.
#include <cstring>

#include "ort/weights.h"

namespace edgenet {

namespace {

class RecurrenceNode final : public WeightedNode<LinearWeights, RecurrenceKernel> {
 public:
  RecurrenceNode(const Operator& op, const NodeInfo& info, Make make, int64_t gates) : WeightedNode(op, info, make) {
    const auto shape = info.attribute_ints("weight_shape", 2, 1);
    if (shape[0] != gates * shape[1]) {
      const std::string rows = gates == 1 ? "H" : std::to_string(gates) + " * H";
      refuse("attribute weight_shape is " + list_text(shape) + ", expected [" + rows + ", H]");
    }
    weights_ = {shape[0], checked_inputs({shape[1]}, kMostSigns), nullptr};
  }

 protected:
  Shape expected_shape(std::string_view input, const Shape& u) const override {
    const auto [gate_values, size, packed] = weights_;
    if (input == "u") return {-1, -1, gate_values};
    if (input == "weight") return {gate_values, packed_bytes(size)};
    if (input == "scale") return {gate_values};
    if (input == "initial" || input == "initial_cell") return {u[1], size};
    return {size};
  }

  void check_sizes(const Shape& u) const override {
    if (u[0] != 0 && u[1] != 0) return;
    refuse("input u has shape " + shape_text(u) + ", expected at least one step and a batch of at least 1");
  }

  void compute(abi::KernelContext* context, const Inputs& inputs) const override {
    const Shape& u = inputs["u"].shape;
    const int64_t steps = u[0], batch = u[1], size = weights_.inputs;
    const auto kernel = this->kernel(inputs);
    const Scratch memory = scratch(kernel->scratch_bytes(batch));
    RecurrenceOperands operands{};
    operands.u = inputs["u"].floats();
    operands.threshold = inputs["threshold"].floats();
    operands.scale = inputs["scale"].floats();
    operands.bias = inputs["bias"].floats();
    operands.initial = inputs["initial"].floats();
    operands.initial_cell = inputs["initial_cell"].floats();
    operands.y = output<float>(context, 0, {steps, batch, size});
    if (operands.initial_cell != nullptr) operands.final_cell = output<float>(context, 2, {batch, size});
    operands.scratch = memory.get();
    kernel->run(steps, batch, operands, executor_of(context));
    const int64_t state = batch * size;
    std::memcpy(output<float>(context, 1, {batch, size}), operands.y + (steps - 1) * state,
                static_cast<size_t>(state) * sizeof(float));
  }
};

void infer(const ShapeInference& inference, size_t outputs) {
  const auto u = inference.input(0);
  const auto weight = inference.attribute_ints("weight_shape", 2, 1);
  if (!u || u->shape.size() != 3 || !weight) return;
  const int64_t size = (*weight)[1];
  inference.set_output(0, {u->shape[0], u->shape[1], size}, {u->symbols[0], u->symbols[1], ""});
  for (size_t state = 1; state < outputs; ++state) {
    inference.set_output(state, {u->shape[1], size}, {u->symbols[1], ""});
  }
}

/// `outputs` counts the sequence and the final states.
Operator recurrence(const char* name, int64_t gates, std::vector<Operator::Input> inputs, size_t outputs,
                    RecurrenceNode::Make make) {
  return {
      name, std::move(inputs), std::vector<abi::ElementType>(outputs, abi::kFloat),
      [=](const Operator& op, const NodeInfo& info) { return std::make_unique<RecurrenceNode>(op, info, make, gates); },
      [=](const ShapeInference& inference) { infer(inference, outputs); }};
}

}  // namespace

std::vector<Operator> recurrence_operators() {
  const Operator::Input u = {"u", abi::kFloat}, threshold = {"threshold", abi::kFloat};
  const Operator::Input weight = {"weight", abi::kUint8}, scale = {"scale", abi::kFloat}, bias = {"bias", abi::kFloat};
  const Operator::Input initial = {"initial", abi::kFloat}, cell = {"initial_cell", abi::kFloat};
  return {
      recurrence("XnorRecurrence", 1, {u, threshold, weight, scale, initial}, 2, &KernelSet::xnor_recurrence),
      recurrence("BwnRecurrence", 1, {u, weight, scale, initial}, 2, &KernelSet::bwn_recurrence),
      recurrence("XnorLstm", 4, {u, threshold, weight, scale, initial, cell}, 3, &KernelSet::xnor_lstm),
      recurrence("BwnLstm", 4, {u, weight, scale, initial, cell}, 3, &KernelSet::bwn_lstm),
      recurrence("XnorGru", 3, {u, threshold, weight, scale, bias, initial}, 2, &KernelSet::xnor_gru),
      recurrence("BwnGru", 3, {u, weight, scale, bias, initial}, 2, &KernelSet::bwn_gru),
  };
}

}  // namespace edgenet
