#include "network.h"

#include <algorithm>
#include <stdexcept>

namespace edgenet {
namespace {

/// The most likely token of the last step of each sample; logits float32 [samples, steps, tokens].
std::vector<int64_t> most_likely(abi::Value* logits) {
  const std::vector<int64_t> shape = shape_of(logits);
  if (shape.size() != 3) throw std::runtime_error("a decoder's logits have three axes");
  void* data = nullptr;
  check(abi::get_tensor_mutable_data(logits, &data));
  std::vector<int64_t> tokens;
  for (int64_t sample = 0; sample < shape[0]; ++sample) {
    const float* scores = static_cast<const float*>(data) + ((sample + 1) * shape[1] - 1) * shape[2];
    tokens.push_back(std::max_element(scores, scores + shape[2]) - scores);
  }
  return tokens;
}

}  // namespace

Network::Network(const Runtime& runtime, const std::vector<std::string>& files, const Session::Options& options) {
  for (const std::string& file : files) sessions_.push_back(std::make_unique<Session>(runtime, file, options));
}

void Network::once(const Feeds& feeds, int64_t begin, int steps) const {
  if (pair()) {
    decode(feeds, begin, steps);
  } else {
    first().run(feeds);
  }
}

std::vector<ValueHandle> Network::run(const Feeds& feeds) const {
  if (pair()) throw std::runtime_error("an encoder and its decoder have no outputs of their own");
  return first().run(feeds);
}

std::vector<std::vector<int64_t>> Network::decode(const Feeds& feeds, int64_t begin, int steps) const {
  // memory, state, memory_lengths
  const std::vector<ValueHandle> encoded = first().run(feeds);
  if (encoded.size() != 3) throw std::runtime_error("an encoder has three outputs");
  const int64_t samples = shape_of(encoded[0].get())[0];
  std::vector<std::vector<int64_t>> said(static_cast<size_t>(samples));
  std::vector<int64_t> tokens(said.size(), begin);
  std::vector<ValueHandle> before;
  for (int step = 0; step < steps; ++step) {
    const ValueHandle input = tensor_over(tokens, {samples, 1});
    const abi::Value* state = before.empty() ? encoded[1].get() : before[1].get();
    std::vector<ValueHandle> now = sessions_.back()->run({"input", "state", "memory", "memory_lengths"},
                                                         {input.get(), state, encoded[0].get(), encoded[2].get()});
    tokens = most_likely(now[0].get());
    for (size_t sample = 0; sample < said.size(); ++sample) said[sample].push_back(tokens[sample]);
    before = std::move(now);
  }
  return said;
}

uint64_t Network::kernels() const {
  uint64_t total = 0;
  for (const auto& session : sessions_) total += session->kernels();
  return total;
}

}  // namespace edgenet
