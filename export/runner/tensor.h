// Tensors as requests describe them, and how their bytes travel: in from a file, out as base64.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "json.h"
#include "ort.h"

namespace edgenet {

struct ReleaseValue {
  void operator()(abi::Value* value) const { abi::release_value(value); }
};
using ValueHandle = std::unique_ptr<abi::Value, ReleaseValue>;

/// Named tensors with the memory that they lie in.
class Feeds {
 public:
  /// `tensors`: [{"name", "type", "shape", "offset"}], `type` as ONNX numbers element types, `offset` in bytes in
  /// `file`.
  Feeds(const std::string& file, const json::List& tensors);

  /// As ONNX Runtime takes them.
  const std::vector<const char*>& names() const { return names_; }
  const std::vector<const abi::Value*>& values() const { return values_; }

 private:
  std::vector<std::string> own_names_;
  std::vector<std::unique_ptr<char[]>> memory_;
  std::vector<ValueHandle> own_values_;
  std::vector<const char*> names_;
  std::vector<const abi::Value*> values_;
};

std::string base64(const unsigned char* data, size_t size);

std::vector<int64_t> shape_of(const abi::Value* value);

/// An int64 tensor over memory that must outlive it.
ValueHandle tensor_over(std::vector<int64_t>& numbers, const std::vector<int64_t>& shape);

/// {"name", "type", "shape", "data"}.
json::Value describe_tensor(const std::string& name, abi::Value* value);

}  // namespace edgenet
