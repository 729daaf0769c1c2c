// What all operators have in common: how a node is described to ONNX Runtime, read, checked and run.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "ort/abi.h"
#include "ort/error.h"
#include "ort/tensor.h"

namespace edgenet {

struct Operator;

/// The attributes and constants of a node while its kernel is made.
class NodeInfo {
 public:
  NodeInfo(const Operator& op, const abi::KernelInfo* info) : op_(op), info_(info) {}

  /// The operator's name and the node's, as a message begins.
  std::string where() const;
  /// The attribute; throws Refusal if it is missing or outside [least, 2^31).
  int64_t attribute_int(const char* name, int64_t least) const;
  /// The same for a list, which must have `count` entries.
  std::vector<int64_t> attribute_ints(const char* name, size_t count, int64_t least) const;
  /// The tensor if the input is a constant of the model, else no data.
  Tensor constant(size_t index) const;
  /// What shape inference found.
  MaybeShape shape(size_t index) const;
  size_t input_count() const;
  abi::Allocator* allocator() const;

 private:
  const Operator& op_;
  const abi::KernelInfo* info_;
};

/// The inputs and outputs of a node while shapes are inferred. Nothing here fails: what is not known stays unknown.
class ShapeInference {
 public:
  ShapeInference(const Operator& op, abi::ShapeInferContext* context) : op_(op), context_(context) {}

  struct Input {
    Shape shape;
    std::vector<std::string> symbols;  ///< the names of unknown dimensions, "" where they have none
  };
  std::optional<Input> input(size_t index) const;
  /// The attribute's entries, if it is there and has `count` of them in [least, 2^31).
  std::optional<std::vector<int64_t>> attribute_ints(const char* name, size_t count, int64_t least) const;
  void set_output(size_t index, const Shape& shape, const std::vector<std::string>& symbols) const;

 private:
  const Operator& op_;
  abi::ShapeInferContext* context_;
};

/// The tensors that a node is given, by the operator's names for them: constants of the model, and those of a run.
class Inputs {
 public:
  /// `constants` are in the operator's order, without data where they are not constant; they must outlive this.
  Inputs(const Operator& op, const std::vector<Tensor>& constants);
  /// No data where the operator has no such input, or where it is not known yet.
  const Tensor& operator[](std::string_view name) const;
  const Tensor& operator[](size_t index) const { return constant(index) ? constants_[index] : given_[index]; }
  const Tensor& first() const { return (*this)[size_t{0}]; }
  bool constant(size_t index) const { return constants_[index].data != nullptr; }
  void give(size_t index, Tensor tensor) { given_[index] = std::move(tensor); }

 private:
  const Operator& op_;
  const std::vector<Tensor>& constants_;
  std::vector<Tensor> given_;
};

/// One node of one session.
class Node {
 public:
  Node(const Operator& op, const NodeInfo& info);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Checks what is known when the model is loaded and prepares for the runs.
  void load(const NodeInfo& info);
  void run(abi::KernelContext* context) const;

 protected:
  /// What an input must look like, given the first one's shape if that is known; -1 stands for any size.
  virtual Shape expected_shape(std::string_view input, const Shape& first) const = 0;
  /// Throws Refusal where the first input makes no output although its shape is as expected.
  virtual void check_sizes(const Shape& first) const = 0;
  /// Makes what can be made of the inputs that are constants of the model, which outlive the node.
  virtual void prepare(const Inputs& /*constants*/) {}
  virtual void compute(abi::KernelContext* context, const Inputs& inputs) const = 0;

  [[noreturn]] void refuse(const std::string& what) const;
  Scratch scratch(size_t bytes) const { return Scratch(allocator_, bytes); }
  template <class Element>
  Element* output(abi::KernelContext* context, size_t index, const Shape& shape) const {
    return static_cast<Element*>(output_data(context, index, shape));
  }

  const Operator& op_;

 private:
  void check_shapes(const std::vector<MaybeShape>& found) const;
  void check_shape(size_t index, const Shape& found, const Shape& first) const;
  void* output_data(abi::KernelContext* context, size_t index, const Shape& shape) const;

  std::string where_;  ///< operator and node, for messages
  abi::Allocator* allocator_ = nullptr;
  std::vector<Tensor> constants_;  ///< in the operator's order, without data where they are not constant
  Shape checked_first_;            ///< the first input's at load: the constants fit it
};

/// One operator as ONNX Runtime sees it.
struct Operator : abi::CustomOp {
  struct Input {
    std::string_view name;
    abi::ElementType type;
  };
  using Create = std::function<std::unique_ptr<Node>(const Operator& op, const NodeInfo& info)>;
  using Infer = std::function<void(const ShapeInference& inference)>;

  std::string name;
  std::vector<Input> inputs;
  std::vector<abi::ElementType> outputs;
  Create create;
  Infer infer;

  Operator(std::string name, std::vector<Input> inputs, std::vector<abi::ElementType> outputs, Create create,
           Infer infer);
  /// The input of that name; null if there is none.
  const Input* input(std::string_view input_name) const;
};

/// ONNX Runtime's threads, for the time of one call.
Executor executor_of(abi::KernelContext* context);

/// Counters of this process, for edgenet_kernels_created() and edgenet_kernel_runs().
uint64_t kernels_created();
uint64_t kernel_runs();

/// All operators of the set, and the parts of it.
const std::vector<Operator>& operators();
std::vector<Operator> conv_operators();
std::vector<Operator> pool_operators();
std::vector<Operator> linear_operators();
std::vector<Operator> recurrence_operators();

}  // namespace edgenet
