// What is measured: a file that runs once a sample, or an encoder and its decoder that say one string together.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "session.h"

namespace edgenet {

class Network {
 public:
  /// One file, or an encoder and its decoder.
  Network(const Runtime& runtime, const std::vector<std::string>& files, const Session::Options& options);

  /// Runs the file once. Of an encoder and its decoder: the encoder, then the decoder for `steps` steps, each fed the
  /// most likely token of the one before.
  void once(const Feeds& feeds, int64_t begin, int steps) const;

  /// Outputs of the one file; throws where there are two.
  std::vector<ValueHandle> run(const Feeds& feeds) const;
  const std::vector<std::string>& outputs() const { return sessions_.back()->outputs(); }

  /// The most likely tokens, [samples][steps], past an end mark too.
  std::vector<std::vector<int64_t>> decode(const Feeds& feeds, int64_t begin, int steps) const;

  bool pair() const { return sessions_.size() == 2; }
  const Session& first() const { return *sessions_.front(); }
  uint64_t kernels() const;

 private:
  std::vector<std::unique_ptr<Session>> sessions_;
};

}  // namespace edgenet
