// What all operators have in common: how a node is described to ONNX Runtime, read, checked and run.
#pragma once
#include <memory>
#include <string>
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
  explicit ShapeInference(abi::ShapeInferContext* context) : context_(context) {}

  struct Input {
    Shape shape;
    std::vector<std::string> symbols;  ///< the names of unknown dimensions, "" where they have none
  };
  std::optional<Input> input(size_t index) const;
  /// The attribute's entries, if it is there and has `count` of them.
  std::optional<std::vector<int64_t>> attribute_ints(const char* name, size_t count) const;
  void set_output(size_t index, const Shape& shape, const std::vector<std::string>& symbols) const;

 private:
  abi::ShapeInferContext* context_;
};

/// One node of one session.
class Node {
 public:
  Node(const Operator& op, const NodeInfo& info);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Checks what is known when the model is loaded and makes the kernel if the weights are there.
  void load(const NodeInfo& info);
  void run(abi::KernelContext* context) const;

 protected:
  /// A call's inputs in the order of the operator; their shapes are checked.
  using Inputs = std::vector<Tensor>;

  /// What each input must look like, given the first one's shape; -1 stands for any size.
  virtual std::vector<Shape> expected_shapes(const Shape& first) const = 0;
  /// The least that is known of the first input.
  virtual Shape unknown_first() const = 0;
  /// Throws Refusal where sizes that fit one by one make no output.
  virtual void check_sizes(const Shape& first) const = 0;
  /// Makes the kernel of constant weights, which outlive the node.
  virtual void prepare(const uint8_t* packed) = 0;
  virtual void compute(abi::KernelContext* context, const Inputs& inputs) const = 0;

  [[noreturn]] void refuse(const std::string& what) const;
  Scratch scratch(size_t bytes) const { return Scratch(allocator_, bytes); }
  float* output(abi::KernelContext* context, size_t index, const Shape& shape) const;

  const Operator& op_;

 private:
  void check_shapes(const std::vector<MaybeShape>& found) const;

  std::string where_;  ///< operator and node, for messages
  abi::Allocator* allocator_ = nullptr;
  Inputs constants_;  ///< by input; no data where the input is not a constant
};

/// One operator as ONNX Runtime sees it.
struct Operator : abi::CustomOp {
  struct Input {
    const char* name;
    abi::ElementType type;
  };
  const char* name;
  std::vector<Input> inputs;
  size_t outputs;
  std::unique_ptr<Node> (*create)(const Operator& op, const NodeInfo& info);
  void (*infer)(const ShapeInference& inference);

  Operator(const char* name, std::vector<Input> inputs, size_t outputs,
           std::unique_ptr<Node> (*create)(const Operator&, const NodeInfo&), void (*infer)(const ShapeInference&));
};

/// ONNX Runtime's threads, for the time of one call.
Executor executor_of(abi::KernelContext* context);

/// Counters of this process, for edgenet_kernels_created() and edgenet_kernel_runs().
uint64_t kernels_created();
uint64_t kernel_runs();

/// All operators of the set.
const std::vector<const Operator*>& operators();
extern const Operator xnor_conv2d, bwn_conv2d, xnor_linear, bwn_linear, xnor_recurrence, bwn_recurrence;

}  // namespace edgenet
