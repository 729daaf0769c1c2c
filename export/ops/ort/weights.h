// Nodes with weights, of which their kernels are made.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>

#include "ort/node.h"

namespace edgenet {

/// The most weights of one output: below 2^24, so that a float32 holds every sum of signs.
constexpr int64_t kMostSigns = (int64_t{1} << 24) - 1;

/// How many bytes hold so many bits.
inline int64_t packed_bytes(int64_t bits) { return (bits + 7) / 8; }

/// `Weights` is what a kernel of type `Kernel` is told of them.
template <class Weights, class Kernel>
class WeightedNode : public Node {
 public:
  /// The function of a kernel set that makes the kernel.
  using Make = std::unique_ptr<Kernel> (*KernelSet::*)(const Weights&);

 protected:
  WeightedNode(const Operator& op, const NodeInfo& info, Make make) : Node(op, info), make_(make) {}

  void prepare(const Inputs& constants) override {
    if (constants["weight"].data != nullptr) kernel_ = make(constants["weight"]);
  }

  /// The one made at load where the weights are constant, else one made of the weights given now.
  std::shared_ptr<const Kernel> kernel(const Inputs& inputs) const {
    return kernel_ != nullptr ? kernel_ : make(inputs["weight"]);
  }

  bool weights_are_packed() const { return op_.input("weight")->type == abi::kUint8; }

  /// The product of `sizes`, which is the number of weights of one output, K; refuses more than `most`.
  int64_t checked_inputs(const Shape& sizes, int64_t most) const {
    int64_t inputs = 1;
    for (const int64_t size : sizes) {
      inputs = size <= most ? inputs * size : most + 1;
      if (inputs > most) {
        refuse("attribute weight_shape gives " + list_text(sizes) + " weights an output, expected at most " +
               std::to_string(most));
      }
    }
    return inputs;
  }

  Weights weights_{};

 private:
  std::shared_ptr<const Kernel> make(const Tensor& weight) const {
    if (!weights_are_packed()) check_range(weight);
    Weights weights = weights_;
    weights.packed = weight.bytes();
    return (active_kernels().*make_)(weights);
  }

  void check_range(const Tensor& weight) const {
    size_t count = 1;
    for (const int64_t size : weight.shape) count *= static_cast<size_t>(size);
    constexpr int beyond = 0x80;  // -128
    if (std::memchr(weight.data, beyond, count) != nullptr) refuse("input weight holds -128, expected at least -127");
  }

  Make make_;
  std::shared_ptr<const Kernel> kernel_;
};

}  // namespace edgenet
