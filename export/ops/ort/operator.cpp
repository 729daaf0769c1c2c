// An operator's description in ONNX Runtime's terms, and the C functions that ONNX Runtime calls.
#include "ort/node.h"

namespace edgenet {

namespace {

const Operator& self(const abi::CustomOp* op) { return *static_cast<const Operator*>(op); }

abi::Status* create_node(const abi::CustomOp* op, const void*, const abi::KernelInfo* handle, void** kernel) {
  return guarded([&] {
    const NodeInfo info(self(op), handle);
    std::unique_ptr<Node> node = self(op).create(self(op), info);
    node->load(info);
    *kernel = node.release();
  });
}

abi::Status* run_node(void* kernel, abi::KernelContext* context) {
  return guarded([&] { static_cast<const Node*>(kernel)->run(context); });
}

abi::Status* infer_shapes(const abi::CustomOp* op, abi::ShapeInferContext* context) {
  // A bad node is refused with its message when its kernel is made: ONNX Runtime drops what is said here.
  try {
    self(op).infer(ShapeInference(self(op), context));
  } catch (const std::exception&) {
    return nullptr;
  }
  return nullptr;
}

}  // namespace

Operator::Operator(std::string name_, std::vector<Input> inputs_, std::vector<abi::ElementType> outputs_,
                   Create create_, Infer infer_)
    : abi::CustomOp{},
      name(std::move(name_)),
      inputs(std::move(inputs_)),
      outputs(std::move(outputs_)),
      create(std::move(create_)),
      infer(std::move(infer_)) {
  version = abi::kApiVersion;
  get_name = [](const abi::CustomOp* op) { return self(op).name.c_str(); };
  get_execution_provider = [](const abi::CustomOp*) { return "CPUExecutionProvider"; };
  get_input_type = [](const abi::CustomOp* op, size_t index) { return self(op).inputs[index].type; };
  get_input_count = [](const abi::CustomOp* op) { return self(op).inputs.size(); };
  get_output_type = [](const abi::CustomOp* op, size_t index) { return self(op).outputs[index]; };
  get_output_count = [](const abi::CustomOp* op) { return self(op).outputs.size(); };
  destroy_kernel = [](void* kernel) { delete static_cast<Node*>(kernel); };
  get_input_characteristic = [](const abi::CustomOp*, size_t) { return abi::kRequired; };
  get_output_characteristic = [](const abi::CustomOp*, size_t) { return abi::kRequired; };
  get_input_memory_type = [](const abi::CustomOp*, size_t) { return abi::kDefaultMemory; };
  const auto one = [](const abi::CustomOp*) { return 1; };
  get_variadic_input_min_arity = one;
  get_variadic_input_homogeneity = one;
  get_variadic_output_min_arity = one;
  get_variadic_output_homogeneity = one;
  create_kernel_v2 = create_node;
  compute_v2 = run_node;
  infer_output_shape = infer_shapes;
  get_start_version = one;
  get_end_version = [](const abi::CustomOp*) { return 0x7fffffff; };
}

const Operator::Input* Operator::input(std::string_view input_name) const {
  for (const Input& input : inputs) {
    if (input_name == input.name) return &input;
  }
  return nullptr;
}

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = [] {
    std::vector<Operator> set;
    for (const auto part : {conv_operators, pool_operators, linear_operators, recurrence_operators}) {
      for (Operator& op : part()) set.push_back(std::move(op));
    }
    return set;
  }();
  return all;
}

}  // namespace edgenet
