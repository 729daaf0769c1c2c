// What the shared library exports.
#include <mutex>

#include "ort/node.h"

#if defined(_WIN32)
#define EDGENET_EXPORT extern "C" __declspec(dllexport)
#else
#define EDGENET_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace edgenet {

void* const* abi::api = nullptr;

namespace {

constexpr int kOperatorSet = 2;

/// The domain with all operators; ONNX Runtime wants it to outlive every session, so it lives as long as the process.
abi::CustomOpDomain* make_domain() {
  abi::CustomOpDomain* domain = nullptr;
  check(abi::create_custom_op_domain("edgenet", &domain));
  try {
    for (const Operator& op : operators()) check(abi::custom_op_domain_add(domain, &op));
  } catch (...) {
    abi::release_custom_op_domain(domain);
    throw;
  }
  return domain;
}

void register_operators(abi::SessionOptions* options, void* const* table) {
  static std::mutex mutex;
  static abi::CustomOpDomain* domain = nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  if (domain != nullptr && table != abi::api) {
    throw Refusal("edgenet: the operator library already serves another copy of ONNX Runtime in this process");
  }
  abi::api = table;
  try {
    active_kernels();  // a bad EDGENET_ISA is said here, before any model is loaded
  } catch (const std::invalid_argument& error) {
    throw Refusal(std::string("edgenet: ") + error.what());
  }
  if (domain == nullptr) domain = make_domain();
  check(abi::add_custom_op_domain(options, domain));
}

}  // namespace
}  // namespace edgenet

/// Adds the operators to the session options. Where ONNX Runtime is older than 1.18 it adds nothing and succeeds: the
/// functions in the file run.
EDGENET_EXPORT edgenet::abi::Status* RegisterCustomOps(edgenet::abi::SessionOptions* options,
                                                       const edgenet::abi::ApiBase* base) {
  const void* table = base->get_api(edgenet::abi::kApiVersion);
  if (table == nullptr) return nullptr;
  auto* const* functions = static_cast<void* const*>(table);
  if (edgenet::abi::api == nullptr) edgenet::abi::api = functions;
  return edgenet::guarded([&] { edgenet::register_operators(options, functions); });
}

/// The version of edgenet that this library belongs to.
EDGENET_EXPORT const char* edgenet_version() { return EDGENET_VERSION; }

/// The version of the operator set (export/SPEC.md).
EDGENET_EXPORT int edgenet_operator_set() { return edgenet::kOperatorSet; }

/// The kernel set that a session made now would use; "" where EDGENET_ISA names one that cannot run here.
EDGENET_EXPORT const char* edgenet_isa() {
  try {
    return edgenet::active_kernels().name;
  } catch (const std::exception&) {
    return "";
  }
}

/// The kernel sets that run on this CPU, separated by spaces, the widest last.
EDGENET_EXPORT const char* edgenet_isas() {
  static const std::string names = [] {
    std::string text;
    for (const edgenet::KernelSet* set : edgenet::runnable_kernels()) {
      text += (text.empty() ? "" : " ") + std::string(set->name);
    }
    return text;
  }();
  return names.c_str();
}

/// How many nodes have been given a native kernel in this process: the native path is used if making a session raises
/// it.
EDGENET_EXPORT uint64_t edgenet_kernels_created() { return edgenet::kernels_created(); }

/// How many times native kernels have run in this process.
EDGENET_EXPORT uint64_t edgenet_kernel_runs() { return edgenet::kernel_runs(); }
