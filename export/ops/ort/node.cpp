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

Inputs::Inputs(const Operator& op, const std::vector<Tensor>& constants)
    : op_(op), constants_(constants), given_(constants.size()) {}

const Tensor& Inputs::operator[](std::string_view name) const {
  static const Tensor none;
  const Operator::Input* input = op_.input(name);
  return input == nullptr ? none : (*this)[static_cast<size_t>(input - op_.inputs.data())];
}

Node::Node(const Operator& op, const NodeInfo& info) : op_(op), where_(info.where()), allocator_(info.allocator()) {}

Node::~Node() { abi::release_allocator(allocator_); }

void Node::refuse(const std::string& what) const { throw Refusal(where_ + ": " + what); }

void Node::load(const NodeInfo& info) {
  if (info.input_count() != op_.inputs.size()) {
    refuse("it has " + std::to_string(info.input_count()) + " inputs, expected " + std::to_string(op_.inputs.size()));
  }
  std::vector<MaybeShape> shapes;
  for (size_t i = 0; i < op_.inputs.size(); ++i) {
    constants_.push_back(info.constant(i));
    shapes.push_back(constants_[i].data != nullptr ? MaybeShape{constants_[i].shape} : info.shape(i));
  }
  check_shapes(shapes);
  checked_first_ = shapes[0].value_or(Shape{});
  prepare(Inputs(op_, constants_));
  ++created;
}

void Node::run(abi::KernelContext* context) const {
  Inputs inputs(op_, constants_);
  for (size_t i = 0; i < op_.inputs.size(); ++i) {
    if (inputs.constant(i)) continue;
    const abi::Value* value = nullptr;
    check(abi::context_input(context, i, &value));
    if (value == nullptr) refuse("input " + std::string(op_.inputs[i].name) + " is not given");
    inputs.give(i, read_tensor(value));
  }
  const Shape& first = inputs.first().shape;
  // Sizes that are the same as at load, none of them unknown then.
  const bool checked = first == checked_first_;
  for (size_t i = 0; i < op_.inputs.size(); ++i) {
    if (!checked || !inputs.constant(i)) check_shape(i, inputs[i].shape, first);
  }
  compute(context, inputs);
  ++runs;
}

void Node::check_shapes(const std::vector<MaybeShape>& found) const {
  const Shape first = found[0].value_or(expected_shape(op_.inputs[0].name, {}));
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i]) {
      check_shape(i, *found[i], first);
    } else if (i == 0) {
      check_sizes(first);
    }
  }
}

void Node::check_shape(size_t index, const Shape& found, const Shape& first) const {
  const std::string_view name = op_.inputs[index].name;
  const Shape expected = expected_shape(name, first);
  if (!fits(found, expected)) {
    refuse("input " + std::string(name) + " has shape " + shape_text(found) + ", expected " + shape_text(expected));
  }
  if (index == 0) check_sizes(first);
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
