// What this library needs of ONNX Runtime's C ABI. OrtApi is a table of functions that only ever grows at its end, so a
// function is its index there (the order of `struct OrtApi` in onnxruntime_c_api.h, which is fixed once released); one
// build runs on ONNX Runtime 1.18 and newer.
#pragma once
#include <cstddef>
#include <cstdint>

namespace edgenet::abi {

constexpr uint32_t kApiVersion = 18;  ///< the release that brought the last function named here

struct Status;
struct SessionOptions;
struct CustomOpDomain;
struct KernelInfo;
struct KernelContext;
struct ShapeInferContext;
struct OpAttr;
struct Value;
struct TensorInfo;
struct TypeInfo;
struct Allocator;

struct ApiBase {
  const void* (*get_api)(uint32_t version);
  const char* (*get_version_string)();
};

enum ErrorCode : int { kFail = 1, kInvalidArgument = 2 };
enum ElementType : int { kUndefined = 0, kFloat = 1, kUint8 = 2, kInt8 = 3 };
enum AttributeType : int { kInt = 1, kInts = 2 };
enum Characteristic : int { kRequired = 0 };
enum MemoryType : int { kDefaultMemory = 0 };

/// OrtCustomOp: the order of the fields is the ABI.
struct CustomOp {
  uint32_t version;
  void* (*create_kernel)(const CustomOp*, const void* api, const KernelInfo*);
  const char* (*get_name)(const CustomOp*);
  const char* (*get_execution_provider)(const CustomOp*);
  ElementType (*get_input_type)(const CustomOp*, size_t index);
  size_t (*get_input_count)(const CustomOp*);
  ElementType (*get_output_type)(const CustomOp*, size_t index);
  size_t (*get_output_count)(const CustomOp*);
  void (*compute)(void* kernel, KernelContext*);
  void (*destroy_kernel)(void* kernel);
  Characteristic (*get_input_characteristic)(const CustomOp*, size_t index);
  Characteristic (*get_output_characteristic)(const CustomOp*, size_t index);
  MemoryType (*get_input_memory_type)(const CustomOp*, size_t index);
  int (*get_variadic_input_min_arity)(const CustomOp*);
  int (*get_variadic_input_homogeneity)(const CustomOp*);
  int (*get_variadic_output_min_arity)(const CustomOp*);
  int (*get_variadic_output_homogeneity)(const CustomOp*);
  Status* (*create_kernel_v2)(const CustomOp*, const void* api, const KernelInfo*, void** kernel);
  Status* (*compute_v2)(void* kernel, KernelContext*);
  Status* (*infer_output_shape)(const CustomOp*, ShapeInferContext*);
  int (*get_start_version)(const CustomOp*);
  int (*get_end_version)(const CustomOp*);
  size_t (*get_may_inplace)(int** inputs, int** outputs);
  void (*release_may_inplace)(int* inputs, int* outputs);
  size_t (*get_alias_map)(int** inputs, int** outputs);
  void (*release_alias_map)(int* inputs, int* outputs);
};
static_assert(sizeof(CustomOp) == 26 * sizeof(void*), "OrtCustomOp has 26 fields of a pointer's size");

/// The table of the ONNX Runtime that loaded this library; null until it has registered the operators.
extern void* const* api;

/// The function at one place of the table: a callable of the signature it has there.
template <size_t index, class Signature>
struct Function;

template <size_t index, class Result, class... Arguments>
struct Function<index, Result(Arguments...)> {
  Result operator()(Arguments... arguments) const {
    return reinterpret_cast<Result (*)(Arguments...)>(api[index])(arguments...);
  }
};

constexpr Function<0, Status*(ErrorCode, const char*)> create_status;
constexpr Function<2, const char*(const Status*)> get_error_message;
constexpr Function<26, Status*(const char*, CustomOpDomain**)> create_custom_op_domain;
constexpr Function<27, Status*(CustomOpDomain*, const CustomOp*)> custom_op_domain_add;
constexpr Function<28, Status*(SessionOptions*, CustomOpDomain*)> add_custom_op_domain;
constexpr Function<51, Status*(Value*, void**)> get_tensor_mutable_data;
constexpr Function<55, Status*(const TypeInfo*, const TensorInfo**)> cast_type_info_to_tensor_info;
constexpr Function<57, Status*(TensorInfo**)> create_tensor_info;
constexpr Function<58, Status*(TensorInfo*, ElementType)> set_element_type;
constexpr Function<59, Status*(TensorInfo*, const int64_t*, size_t)> set_dimensions;
constexpr Function<60, Status*(const TensorInfo*, ElementType*)> get_element_type;
constexpr Function<61, Status*(const TensorInfo*, size_t*)> get_dimensions_count;
constexpr Function<62, Status*(const TensorInfo*, int64_t*, size_t)> get_dimensions;
constexpr Function<63, Status*(const TensorInfo*, const char**, size_t)> get_symbolic_dimensions;
constexpr Function<65, Status*(const Value*, TensorInfo**)> get_tensor_info;
constexpr Function<75, Status*(Allocator*, size_t, void**)> allocator_alloc;
constexpr Function<76, Status*(Allocator*, void*)> allocator_free;
constexpr Function<88, Status*(const KernelContext*, size_t*)> context_input_count;
constexpr Function<90, Status*(const KernelContext*, size_t, const Value**)> context_input;
constexpr Function<91, Status*(KernelContext*, size_t, const int64_t*, size_t, Value**)> context_output;
constexpr Function<93, void(Status*)> release_status;
constexpr Function<98, void(TypeInfo*)> release_type_info;
constexpr Function<99, void(TensorInfo*)> release_tensor_info;
constexpr Function<101, void(CustomOpDomain*)> release_custom_op_domain;
constexpr Function<132, void(Allocator*)> release_allocator;
constexpr Function<86, Status*(const KernelInfo*, const char*, int64_t*)> info_attribute_int;
constexpr Function<163, Status*(const KernelInfo*, const char*, int64_t*, size_t*)> info_attribute_ints;
constexpr Function<230, Status*(const KernelInfo*, size_t*)> info_input_count;
constexpr Function<234, Status*(const KernelInfo*, size_t, TypeInfo**)> info_input_type;
constexpr Function<244, Status*(const KernelInfo*, char*, size_t*)> info_node_name;
constexpr Function<249, Status*(const KernelInfo*, size_t, int*, const Value**)> info_constant_input;
constexpr Function<278, Status*(const KernelInfo*, MemoryType, Allocator**)> info_allocator;
constexpr Function<268, Status*(ShapeInferContext*, size_t, TensorInfo**)> infer_input;
constexpr Function<269, Status*(const ShapeInferContext*, const char*, const OpAttr**)> infer_attribute;
constexpr Function<270, Status*(ShapeInferContext*, size_t, const TensorInfo*)> infer_set_output;
constexpr Function<271, Status*(TensorInfo*, const char**, size_t)> set_symbolic_dimensions;
constexpr Function<272, Status*(const OpAttr*, AttributeType, void*, size_t, size_t*)> read_attribute;
constexpr Function<274, Status*(const KernelContext*, void (*)(void*, size_t), size_t total, size_t batches, void*)>
    context_parallel_for;

}  // namespace edgenet::abi
