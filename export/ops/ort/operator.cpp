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
    self(op).infer(ShapeInference(context));
  } catch (const std::exception&) {
    return nullptr;
  }
  return nullptr;
}

}  // namespace

Operator::Operator(const char* name_, std::vector<Input> inputs_, size_t outputs_,
                   std::unique_ptr<Node> (*create_)(const Operator&, const NodeInfo&),
                   void (*infer_)(const ShapeInference&))
    : abi::CustomOp{}, name(name_), inputs(std::move(inputs_)), outputs(outputs_), create(create_), infer(infer_) {
  version = abi::kApiVersion;
  get_name = [](const abi::CustomOp* op) { return self(op).name; };
  get_execution_provider = [](const abi::CustomOp*) { return "CPUExecutionProvider"; };
  get_input_type = [](const abi::CustomOp* op, size_t index) { return self(op).inputs[index].type; };
  get_input_count = [](const abi::CustomOp* op) { return self(op).inputs.size(); };
  get_output_type = [](const abi::CustomOp*, size_t) { return abi::kFloat; };
  get_output_count = [](const abi::CustomOp* op) { return self(op).outputs; };
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

const std::vector<const Operator*>& operators() {
  static const std::vector<const Operator*> all = {&xnor_conv2d, &bwn_conv2d,      &xnor_linear,
                                                   &bwn_linear,  &xnor_recurrence, &bwn_recurrence};
  return all;
}

}  // namespace edgenet
