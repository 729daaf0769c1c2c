#include "session.h"

#include <dlfcn.h>

#include <stdexcept>

namespace edgenet {

void* const* abi::api = nullptr;

namespace {

void* open_shared(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  return handle;
}

const abi::Env* environment() {
  static abi::Env* env = [] {
    abi::Env* made = nullptr;
    check(abi::create_env(abi::kWarnings, "edgenet", &made));
    return made;
  }();
  return env;
}

abi::Allocator* allocator() {
  abi::Allocator* found = nullptr;
  check(abi::default_allocator(&found));
  return found;
}

/// A text that ONNX Runtime has allocated, and gives away.
std::string taken(char* text) {
  std::string copy(text);
  check(abi::allocator_free(allocator(), text));
  return copy;
}

void record(abi::SessionOptions* options, const std::string& folder) {
  check(abi::enable_profiling(options, (folder + "/profile").c_str()));
  check(abi::set_optimized_model_path(options, (folder + "/" + Session::kOptimized).c_str()));
  check(abi::add_session_config(options, "session.optimized_model_external_initializers_file_name", "weights.bin"));
  check(abi::add_session_config(options, "session.optimized_model_external_initializers_min_size_in_bytes", "1024"));
}

template <class Count, class Name>
std::vector<std::string> names_of(const abi::Session* session, const Count& count, const Name& name) {
  size_t number = 0;
  check(count(session, &number));
  std::vector<std::string> names;
  for (size_t i = 0; i < number; ++i) {
    char* text = nullptr;
    check(name(session, i, allocator(), &text));
    names.push_back(taken(text));
  }
  return names;
}

json::Value describe_type(const std::string& name, const abi::TypeInfo* type) {
  const abi::TensorInfo* info = nullptr;
  check(abi::cast_type_info_to_tensor_info(type, &info));
  if (info == nullptr) return json::Members{{"name", name}, {"type", {}}, {"shape", json::List()}};
  abi::ElementType element = abi::kUndefined;
  size_t rank = 0;
  check(abi::get_element_type(info, &element));
  check(abi::get_dimensions_count(info, &rank));
  std::vector<int64_t> sizes(rank);
  std::vector<const char*> symbols(rank);
  check(abi::get_dimensions(info, sizes.data(), rank));
  check(abi::get_symbolic_dimensions(info, symbols.data(), rank));
  json::List shape;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (sizes[axis] >= 0) {
      shape.emplace_back(sizes[axis]);
    } else if (symbols[axis][0] != '\0') {
      shape.emplace_back(symbols[axis]);
    } else {
      shape.emplace_back();
    }
  }
  return json::Members{{"name", name}, {"type", static_cast<int>(element)}, {"shape", std::move(shape)}};
}

}  // namespace

Runtime::Runtime(const std::string& onnxruntime) {
  void* handle = open_shared(onnxruntime);
  const auto get_base = reinterpret_cast<const abi::ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) throw std::runtime_error(onnxruntime + " is no ONNX Runtime");
  version_ = get_base()->get_version_string();
  abi::api = static_cast<void* const*>(get_base()->get_api(abi::kApiVersion));
  if (abi::api == nullptr) throw std::runtime_error("ONNX Runtime " + version_ + " is older than 1.18");
  environment();  // part of loading ONNX Runtime, so that no model is charged with it
}

void Runtime::open_library(const std::string& path) {
  library_ = open_shared(path);
  library_path_ = path;
}

std::string Runtime::library_text(const char* function) const {
  const auto call = library_ ? reinterpret_cast<const char* (*)()>(dlsym(library_, function)) : nullptr;
  return call ? call() : "";
}

uint64_t Runtime::kernels_created() const {
  const auto call = library_ ? reinterpret_cast<uint64_t (*)()>(dlsym(library_, "edgenet_kernels_created")) : nullptr;
  return call ? call() : 0;
}

Session::Session(const Runtime& runtime, const std::string& file, const Options& options) {
  abi::SessionOptions* made = nullptr;
  check(abi::create_session_options(&made));
  const std::unique_ptr<abi::SessionOptions, void (*)(abi::SessionOptions*)> held(
      made, [](abi::SessionOptions* settings) { abi::release_session_options(settings); });
  check(abi::set_intra_op_threads(made, options.threads));
  check(abi::set_inter_op_threads(made, 1));
  check(abi::set_log_severity(made, abi::kErrors));
  check(abi::set_optimization_level(made, abi::kAllOptimizations));
  if (!options.affinities.empty()) {
    check(abi::add_session_config(made, "session.intra_op_thread_affinities", options.affinities.c_str()));
  }
  if (!options.record_to.empty()) record(made, options.record_to);
  const uint64_t before = runtime.kernels_created();
  if (options.native) {
    if (runtime.library().empty()) throw std::runtime_error("there is no operator library to run natively");
    check(abi::register_library(made, runtime.library().c_str()));
  }
  abi::Session* session = nullptr;
  check(abi::create_session(environment(), file.c_str(), made, &session));
  session_.reset(session);
  kernels_ = runtime.kernels_created() - before;
  outputs_ = names_of(session, abi::output_count, abi::output_name);
  for (const std::string& name : outputs_) wanted_.push_back(name.c_str());
}

std::vector<ValueHandle> Session::run(const std::vector<const char*>& names,
                                      const std::vector<const abi::Value*>& values) const {
  std::vector<abi::Value*> results(outputs_.size());
  check(abi::run(session_.get(), nullptr, names.data(), values.data(), names.size(), wanted_.data(), wanted_.size(),
                 results.data()));
  std::vector<ValueHandle> owned;
  for (abi::Value* value : results) owned.emplace_back(value);
  return owned;
}

std::string Session::end_profiling() const {
  char* file = nullptr;
  check(abi::end_profiling(session_.get(), allocator(), &file));
  return taken(file);
}

json::Value Session::describe_inputs() const {
  json::List described;
  const std::vector<std::string> names = names_of(session_.get(), abi::input_count, abi::input_name);
  for (size_t i = 0; i < names.size(); ++i) {
    abi::TypeInfo* type = nullptr;
    check(abi::input_type(session_.get(), i, &type));
    described.push_back(describe_type(names[i], type));
    abi::release_type_info(type);
  }
  return described;
}

json::Value Session::describe_optional() const {
  json::List described;
  for (std::string& name : names_of(session_.get(), abi::optional_count, abi::optional_name)) {
    described.emplace_back(std::move(name));
  }
  return described;
}

}  // namespace edgenet
