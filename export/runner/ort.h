// What the runner needs of ONNX Runtime's C ABI beyond the operator library's part of it (ort/abi.h).
#pragma once
#include "ort/abi.h"
#include "ort/error.h"

namespace edgenet::abi {

struct Env;
struct Session;
struct RunOptions;
struct MemoryInfo;

enum LoggingLevel : int { kWarnings = 2, kErrors = 3 };
enum OptimizationLevel : int { kAllOptimizations = 99 };
enum AllocatorType : int { kArena = 1 };

constexpr Function<3, Status*(LoggingLevel, const char*, Env**)> create_env;
constexpr Function<7, Status*(const Env*, const char*, const SessionOptions*, Session**)> create_session;
constexpr Function<9, Status*(Session*, const RunOptions*, const char* const* input_names, const Value* const* inputs,
                              size_t, const char* const* output_names, size_t, Value** outputs)>
    run;
constexpr Function<10, Status*(SessionOptions**)> create_session_options;
constexpr Function<11, Status*(SessionOptions*, const char*)> set_optimized_model_path;
constexpr Function<14, Status*(SessionOptions*, const char*)> enable_profiling;
constexpr Function<22, Status*(SessionOptions*, int)> set_log_severity;
constexpr Function<23, Status*(SessionOptions*, OptimizationLevel)> set_optimization_level;
constexpr Function<24, Status*(SessionOptions*, int)> set_intra_op_threads;
constexpr Function<25, Status*(SessionOptions*, int)> set_inter_op_threads;
constexpr Function<30, Status*(const Session*, size_t*)> input_count;
constexpr Function<31, Status*(const Session*, size_t*)> output_count;
constexpr Function<32, Status*(const Session*, size_t*)> optional_count;
constexpr Function<33, Status*(const Session*, size_t, TypeInfo**)> input_type;
constexpr Function<36, Status*(const Session*, size_t, Allocator*, char**)> input_name;
constexpr Function<37, Status*(const Session*, size_t, Allocator*, char**)> output_name;
constexpr Function<38, Status*(const Session*, size_t, Allocator*, char**)> optional_name;
constexpr Function<49, Status*(const MemoryInfo*, void*, size_t, const int64_t*, size_t, ElementType, Value**)>
    create_tensor;
constexpr Function<50, Status*(const Value*, int*)> is_tensor;
constexpr Function<64, Status*(const TensorInfo*, size_t*)> get_element_count;
constexpr Function<69, Status*(AllocatorType, MemoryType, MemoryInfo**)> create_cpu_memory_info;
constexpr Function<78, Status*(Allocator**)> default_allocator;
constexpr Function<95, void(Session*)> release_session;
constexpr Function<96, void(Value*)> release_value;
constexpr Function<100, void(SessionOptions*)> release_session_options;
constexpr Function<110, Status*(Session*, Allocator*, char** file)> end_profiling;
constexpr Function<130, Status*(SessionOptions*, const char*, const char*)> add_session_config;
constexpr Function<228, Status*(SessionOptions*, const char*)> register_library;

}  // namespace edgenet::abi
