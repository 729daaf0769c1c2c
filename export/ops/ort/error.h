// Failures inside the adapter are exceptions; none crosses the C boundary.
#pragma once
#include <exception>
#include <stdexcept>
#include <string>

#include "ort/abi.h"

namespace edgenet {

/// A node, a tensor or a setting that cannot be used; the message names the operator, what was found and what expected.
struct Refusal : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// Turns a failure that ONNX Runtime reports into an exception.
inline void check(abi::Status* status) {
  if (status == nullptr) return;
  const std::string message = abi::get_error_message(status);
  abi::release_status(status);
  throw std::runtime_error(message);
}

/// True unless ONNX Runtime reports a failure, which is dropped.
inline bool succeeded(abi::Status* status) {
  if (status != nullptr) abi::release_status(status);
  return status == nullptr;
}

/// Runs `body`; what it throws becomes a status.
template <class Body>
abi::Status* guarded(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Refusal& refusal) {
    return abi::create_status(abi::kInvalidArgument, refusal.what());
  } catch (const std::exception& error) {
    return abi::create_status(abi::kFail, error.what());
  } catch (...) {
    return abi::create_status(abi::kFail, "edgenet: an unknown failure");
  }
}

}  // namespace edgenet
