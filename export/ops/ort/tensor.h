// Shapes and tensors as the operators see them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ort/abi.h"

namespace edgenet {

/// Dimensions; -1 is one that is not known before the run. No value at all: not even the rank is known.
using Shape = std::vector<int64_t>;
using MaybeShape = std::optional<Shape>;

std::string list_text(const std::vector<int64_t>& values);
/// The same with "?" for what is not known.
std::string shape_text(const Shape& shape);

struct Tensor {
  Shape shape;
  const void* data = nullptr;

  const float* floats() const { return static_cast<const float*>(data); }
  const uint8_t* bytes() const { return static_cast<const uint8_t*>(data); }
};

Tensor read_tensor(const abi::Value* value);

/// The dimensions of an ONNX Runtime shape.
Shape read_shape(const abi::TensorInfo* info);

/// Memory of ONNX Runtime's own allocator, for the time of one call; 64-byte aligned.
class Scratch {
 public:
  Scratch(abi::Allocator* allocator, size_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* get() const { return aligned_; }

 private:
  abi::Allocator* allocator_;
  void* memory_ = nullptr;
  void* aligned_ = nullptr;
};

}  // namespace edgenet
