// ONNX Runtime, loaded when the program runs, and one model in it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "json.h"
#include "tensor.h"

namespace edgenet {

/// The ONNX Runtime and the operator library of this process.
class Runtime {
 public:
  /// Throws where `onnxruntime` is no ONNX Runtime, or one older than 1.18.
  explicit Runtime(const std::string& onnxruntime);

  /// Opens the operator library; throws where it cannot be.
  void open_library(const std::string& path);

  const std::string& version() const { return version_; }
  const std::string& library() const { return library_path_; }
  /// What the operator library's function of that name returns; empty without a library.
  std::string library_text(const char* function) const;
  uint64_t kernels_created() const;

 private:
  std::string version_;
  std::string library_path_;
  void* library_ = nullptr;
};

/// A model with all graph optimisations on ONNX Runtime's CPU provider.
class Session {
 public:
  struct Options {
    int threads = 1;
    bool native = false;     ///< with the operator library's kernels
    std::string affinities;  ///< ONNX Runtime's session.intra_op_thread_affinities; empty for none
    std::string record_to;   ///< folder for ONNX Runtime's profile and the graph that it made; empty for neither
  };
  /// The graph's name in that folder.
  static constexpr const char* kOptimized = "optimized.onnx";
  Session(const Runtime& runtime, const std::string& file, const Options& options);

  std::vector<ValueHandle> run(const Feeds& feeds) const { return run(feeds.names(), feeds.values()); }
  std::vector<ValueHandle> run(const std::vector<const char*>& names,
                               const std::vector<const abi::Value*>& values) const;

  /// Ends the profile of a session that records; returns the path of its file.
  std::string end_profiling() const;

  const std::vector<std::string>& outputs() const { return outputs_; }
  /// [{"name", "type", "shape"}]; `type` is null of what is no tensor; a size is a number, a name or null.
  json::Value describe_inputs() const;
  /// Names of the inputs that may be left out.
  json::Value describe_optional() const;
  /// How many native kernels were made for it.
  uint64_t kernels() const { return kernels_; }

 private:
  struct Release {
    void operator()(abi::Session* session) const { abi::release_session(session); }
  };
  std::unique_ptr<abi::Session, Release> session_;
  std::vector<std::string> outputs_;
  std::vector<const char*> wanted_;
  uint64_t kernels_ = 0;
};

}  // namespace edgenet
