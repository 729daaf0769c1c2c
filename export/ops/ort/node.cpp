// What every node does when it is loaded and run.
#include "ort/node.h"

#include <atomic>

namespace edgenet {

namespace {

std::atomic<uint64_t> created{0};
std::atomic<uint64_t> runs{0};

void run_on_host(const void* host, size_t count, void (*body)(void*, size_t), void* argument) {
  // A batch count of 0 lets ONNX Runtime balance the load.
  check(abi::context_parallel_for(static_cast<const abi::KernelContext*>(host), body, count, 0, argument));
}

bool fits(const Shape& found, const Shape& expected) {
  if (found.size() != expected.size()) return false;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] >= 0 && expected[i] >= 0 && found[i] != expected[i]) return false;
  }
  return true;
}

}  // namespace

uint64_t kernels_created() { return created; }
uint64_t kernel_runs() { return runs; }

Executor executor_of(abi::KernelContext* context) { return {run_on_host, context}; }

Inputs::Inputs(const Operator& op) : op_(&op), tensors_(op.inputs.size()) {}

const Tensor& Inputs::operator[](std::string_view name) const {
  static const Tensor none;
  const Operator::Input* input = op_->input(name);
  return input == nullptr ? none : tensors_[static_cast<size_t>(input - op_->inputs.data())];
}

Node::Node(const Operator& op, const NodeInfo& info)
    : op_(op), where_(info.where()), allocator_(info.allocator()), constants_(op) {}

Node::~Node() { abi::release_allocator(allocator_); }

void Node::refuse(const std::string& what) const { throw Refusal(where_ + ": " + what); }

void Node::load(const NodeInfo& info) {
  if (info.input_count() != op_.inputs.size()) {
    refuse("it has " + std::to_string(info.input_count()) + " inputs, expected " + std::to_string(op_.inputs.size()));
  }
  std::vector<MaybeShape> shapes;
  for (size_t i = 0; i < op_.inputs.size(); ++i) {
    const Tensor constant = info.constant(i);
    shapes.push_back(constant.data != nullptr ? MaybeShape{constant.shape} : info.shape(i));
    constants_.at(i) = constant;
  }
  check_shapes(shapes);
  prepare(constants_);
  ++created;
}

void Node::run(abi::KernelContext* context) const {
  Inputs inputs = constants_;
  std::vector<MaybeShape> shapes;
  for (size_t i = 0; i < op_.inputs.size(); ++i) {
    if (inputs.at(i).data == nullptr) {
      const abi::Value* value = nullptr;
      check(abi::context_input(context, i, &value));
      if (value == nullptr) refuse(std::string("input ") + op_.inputs[i].name + " is not given");
      inputs.at(i) = read_tensor(value);
    }
    shapes.emplace_back(inputs.at(i).shape);
  }
  check_shapes(shapes);
  compute(context, inputs);
  ++runs;
}

void Node::check_shapes(const std::vector<MaybeShape>& found) const {
  const Shape first = found[0].value_or(expected_shape(op_.inputs[0].name, {}));
  for (size_t i = 0; i < found.size(); ++i) {
    const Shape expected = expected_shape(op_.inputs[i].name, first);
    if (found[i] && !fits(*found[i], expected)) {
      refuse(std::string("input ") + op_.inputs[i].name + " has shape " + shape_text(*found[i]) + ", expected " +
             shape_text(expected));
    }
    if (i == 0) check_sizes(first);
  }
}

void* Node::output_data(abi::KernelContext* context, size_t index, const Shape& shape) const {
  abi::Value* value = nullptr;
  check(abi::context_output(context, index, shape.data(), shape.size(), &value));
  if (value == nullptr) refuse("output " + std::to_string(index) + " is not given");
  void* data = nullptr;
  check(abi::get_tensor_mutable_data(value, &data));
  return data;
}

}  // namespace edgenet
