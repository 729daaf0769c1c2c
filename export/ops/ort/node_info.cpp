// Reading a node: attributes, constants and inferred shapes.
#include <atomic>

#include "ort/node.h"

namespace edgenet {

namespace {

constexpr int64_t kAttributeLimit = int64_t{1} << 31;

bool in_range(int64_t value, int64_t least) { return least <= value && value < kAttributeLimit; }

struct TypeInfo {
  abi::TypeInfo* handle = nullptr;
  ~TypeInfo() {
    if (handle != nullptr) abi::release_type_info(handle);
  }
};

struct TensorInfo {
  abi::TensorInfo* handle = nullptr;
  ~TensorInfo() {
    if (handle != nullptr) abi::release_tensor_info(handle);
  }
};

}  // namespace

std::string NodeInfo::where() const {
  std::string text = std::string("edgenet ") + op_.name;
  size_t size = 0;
  if (!succeeded(abi::info_node_name(info_, nullptr, &size)) || size < 2) return text;
  std::string node(size, '\0');
  if (!succeeded(abi::info_node_name(info_, &node[0], &size))) return text;
  return text + " node \"" + node.c_str() + "\"";
}

int64_t NodeInfo::attribute_int(const char* name, int64_t least) const {
  int64_t value = 0;
  if (!succeeded(abi::info_attribute_int(info_, name, &value))) {
    throw Refusal(where() + ": attribute " + name + " is missing or is not an integer");
  }
  if (!in_range(value, least)) {
    throw Refusal(where() + ": attribute " + name + " is " + std::to_string(value) + ", expected at least " +
                  std::to_string(least) + " and less than 2^31");
  }
  return value;
}

std::vector<int64_t> NodeInfo::attribute_ints(const char* name, size_t count, int64_t least) const {
  const std::string expected = ", expected " + std::to_string(count) + " integers";
  size_t found = 0;
  if (!succeeded(abi::info_attribute_ints(info_, name, nullptr, &found))) {
    throw Refusal(where() + ": attribute " + name + " is missing or is not a list of integers" + expected);
  }
  std::vector<int64_t> values(found);
  if (found > 0) check(abi::info_attribute_ints(info_, name, values.data(), &found));
  const std::string text = where() + ": attribute " + name + " is " + list_text(values);
  if (found != count) throw Refusal(text + expected);
  for (const int64_t value : values) {
    if (!in_range(value, least)) {
      throw Refusal(text + expected + " of at least " + std::to_string(least) + " and less than 2^31");
    }
  }
  return values;
}

Tensor NodeInfo::constant(size_t index) const {
  int is_constant = 0;
  const abi::Value* value = nullptr;
  if (!succeeded(abi::info_constant_input(info_, index, &is_constant, &value))) return {};
  return is_constant != 0 && value != nullptr ? read_tensor(value) : Tensor{};
}

MaybeShape NodeInfo::shape(size_t index) const {
  TypeInfo type;
  const abi::TensorInfo* tensor = nullptr;
  if (!succeeded(abi::info_input_type(info_, index, &type.handle))) return {};
  if (!succeeded(abi::cast_type_info_to_tensor_info(type.handle, &tensor)) || tensor == nullptr) return {};
  const Shape shape = read_shape(tensor);
  // ONNX Runtime shows an unknown rank as rank 0. No operator takes a scalar, and the run would refuse one.
  return shape.empty() ? MaybeShape{} : MaybeShape{shape};
}

size_t NodeInfo::input_count() const {
  size_t count = 0;
  check(abi::info_input_count(info_, &count));
  return count;
}

abi::Allocator* NodeInfo::allocator() const {
  abi::Allocator* allocator = nullptr;
  check(abi::info_allocator(info_, abi::kDefaultMemory, &allocator));
  return allocator;
}

std::optional<ShapeInference::Input> ShapeInference::input(size_t index) const {
  abi::TensorInfo* info = nullptr;  // the context's own
  if (!succeeded(abi::infer_input(context_, index, &info)) || info == nullptr) return {};
  Input input;
  input.shape = read_shape(info);
  std::vector<const char*> names(input.shape.size(), "");
  if (!succeeded(abi::get_symbolic_dimensions(info, names.data(), names.size()))) return {};
  for (const char* name : names) input.symbols.emplace_back(name == nullptr ? "" : name);
  return input;
}

std::optional<std::vector<int64_t>> ShapeInference::attribute_ints(const char* name, size_t count,
                                                                   int64_t least) const {
  const abi::OpAttr* attribute = nullptr;
  if (!succeeded(abi::infer_attribute(context_, name, &attribute)) || attribute == nullptr) return {};
  std::vector<int64_t> values(count);
  size_t bytes = 0;
  if (!succeeded(abi::read_attribute(attribute, abi::kInts, values.data(), count * sizeof(int64_t), &bytes))) return {};
  if (bytes != count * sizeof(int64_t)) return {};
  for (const int64_t value : values) {
    if (!in_range(value, least)) return {};
  }
  return values;
}

void ShapeInference::set_output(size_t index, const Shape& shape, const std::vector<std::string>& symbols) const {
  TensorInfo info;
  check(abi::create_tensor_info(&info.handle));
  check(abi::set_element_type(info.handle, op_.outputs[index]));
  check(abi::set_dimensions(info.handle, shape.data(), shape.size()));
  // ONNX Runtime takes two dimensions of one name, or of the value -1, to be equal and shares buffers on the strength
  // of it: an unknown dimension must have a name of its own.
  static std::atomic<uint64_t> unnamed{0};
  std::vector<std::string> unique = symbols;
  std::vector<const char*> names;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0 && unique[i].empty()) unique[i] = "edgenet_unknown_" + std::to_string(unnamed++);
    names.push_back(unique[i].c_str());
  }
  check(abi::set_symbolic_dimensions(info.handle, names.data(), names.size()));
  check(abi::infer_set_output(context_, index, info.handle));
}

}  // namespace edgenet
