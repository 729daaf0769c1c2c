#include "tensor.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace edgenet {
namespace {

/// Bytes of an element, by ONNX's number of its type; strings and packed types are none that travel.
size_t element_bytes(int64_t type) {
  static const size_t bytes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 0, 0, 2};
  const size_t found = type >= 0 && type < 17 ? bytes[type] : 0;
  if (found == 0)
    throw std::invalid_argument("tensors of ONNX's element type " + std::to_string(type) + " cannot be sent");
  return found;
}

const abi::MemoryInfo* cpu_memory() {
  static abi::MemoryInfo* memory = [] {
    abi::MemoryInfo* made = nullptr;
    check(abi::create_cpu_memory_info(abi::kArena, abi::kDefaultMemory, &made));
    return made;
  }();
  return memory;
}

ValueHandle tensor(void* data, size_t bytes, const std::vector<int64_t>& shape, int64_t type) {
  abi::Value* value = nullptr;
  check(abi::create_tensor(cpu_memory(), data, bytes, shape.data(), shape.size(), static_cast<abi::ElementType>(type),
                           &value));
  return ValueHandle(value);
}

}  // namespace

std::string base64(const unsigned char* data, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((size + 2) / 3 * 4);
  for (size_t i = 0; i < size; i += 3) {
    const size_t left = size - i;
    const uint32_t bits = data[i] << 16 | (left > 1 ? data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
    out += digits[bits >> 18];
    out += digits[bits >> 12 & 63];
    out += left > 1 ? digits[bits >> 6 & 63] : '=';
    out += left > 2 ? digits[bits & 63] : '=';
  }
  return out;
}

Feeds::Feeds(const std::string& file, const json::List& tensors) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rb"), std::fclose);
  if (!stream) throw std::runtime_error(file + " cannot be read: " + std::strerror(errno));
  for (const json::Value& described : tensors) {
    std::vector<int64_t> shape;
    for (const json::Value& size : described["shape"].items()) shape.push_back(size.integer());
    const int64_t type = described["type"].integer();
    size_t bytes = element_bytes(type);
    for (const int64_t size : shape) bytes *= static_cast<size_t>(size);
    memory_.emplace_back(new char[bytes + 1]);
    if (std::fseek(stream.get(), static_cast<long>(described["offset"].integer()), SEEK_SET) != 0 ||
        std::fread(memory_.back().get(), 1, bytes, stream.get()) != bytes) {
      throw std::runtime_error(file + " ends before its tensors do");
    }
    own_names_.push_back(described["name"].text());
    own_values_.push_back(tensor(memory_.back().get(), bytes, shape, type));
    values_.push_back(own_values_.back().get());
  }
  for (const std::string& name : own_names_) names_.push_back(name.c_str());
}

std::vector<int64_t> shape_of(const abi::Value* value) {
  abi::TensorInfo* info = nullptr;
  check(abi::get_tensor_info(value, &info));
  size_t rank = 0;
  check(abi::get_dimensions_count(info, &rank));
  std::vector<int64_t> shape(rank);
  check(abi::get_dimensions(info, shape.data(), rank));
  abi::release_tensor_info(info);
  return shape;
}

ValueHandle tensor_over(std::vector<int64_t>& numbers, const std::vector<int64_t>& shape) {
  constexpr int64_t kInt64 = 7;
  return tensor(numbers.data(), numbers.size() * sizeof(int64_t), shape, kInt64);
}

json::Value describe_tensor(const std::string& name, abi::Value* value) {
  int tensor = 0;
  check(abi::is_tensor(value, &tensor));
  if (tensor == 0) throw std::runtime_error("output " + name + " is no tensor");
  abi::TensorInfo* info = nullptr;
  check(abi::get_tensor_info(value, &info));
  abi::ElementType type = abi::kUndefined;
  size_t count = 0;
  check(abi::get_element_type(info, &type));
  check(abi::get_element_count(info, &count));
  abi::release_tensor_info(info);
  const size_t bytes = count * element_bytes(type);
  void* data = nullptr;
  if (bytes != 0) check(abi::get_tensor_mutable_data(value, &data));
  json::List sizes;
  for (const int64_t size : shape_of(value)) sizes.emplace_back(size);
  return json::Members{{"name", name},
                       {"type", static_cast<int>(type)},
                       {"shape", std::move(sizes)},
                       {"data", base64(static_cast<const unsigned char*>(data), bytes)}};
}

}  // namespace edgenet
