#include "ort/tensor.h"

#include "ort/error.h"

namespace edgenet {

std::string list_text(const std::vector<int64_t>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(values[i]);
  return text + "]";
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + (shape[i] < 0 ? std::string("?") : std::to_string(shape[i]));
  }
  return text + "]";
}

Shape read_shape(const abi::TensorInfo* info) {
  size_t rank = 0;
  check(abi::get_dimensions_count(info, &rank));
  Shape shape(rank);
  check(abi::get_dimensions(info, shape.data(), rank));
  return shape;
}

Tensor read_tensor(const abi::Value* value) {
  abi::TensorInfo* info = nullptr;
  check(abi::get_tensor_info(value, &info));
  Tensor tensor;
  try {
    tensor.shape = read_shape(info);
  } catch (...) {
    abi::release_tensor_info(info);
    throw;
  }
  abi::release_tensor_info(info);
  void* data = nullptr;
  check(abi::get_tensor_mutable_data(const_cast<abi::Value*>(value), &data));
  tensor.data = data;
  return tensor;
}

Scratch::Scratch(abi::Allocator* allocator, size_t bytes) : allocator_(allocator) {
  if (bytes == 0) return;
  constexpr size_t alignment = 64;
  check(abi::allocator_alloc(allocator_, bytes + alignment, &memory_));
  if (memory_ == nullptr) throw std::runtime_error("edgenet: no memory for " + std::to_string(bytes) + " bytes");
  const auto address = reinterpret_cast<uintptr_t>(memory_);
  aligned_ = reinterpret_cast<void*>((address + alignment - 1) / alignment * alignment);
}

Scratch::~Scratch() {
  if (memory_ != nullptr) succeeded(abi::allocator_free(allocator_, memory_));
}

}  // namespace edgenet
