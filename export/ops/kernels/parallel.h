// Calling the host's threads with a lambda.
#pragma once
#include "kernels/kernels.h"

namespace edgenet {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Body>
void parallel_for(const Executor& executor, int64_t count, const Body& body) {
  executor.parallel_for(
      executor.host, static_cast<size_t>(count),
      [](void* argument, size_t index) { (*static_cast<const Body*>(argument))(static_cast<int64_t>(index)); },
      const_cast<Body*>(&body));
}

/// Runs body(begin, end) over [0, count) in chunks of `chunk`.
template <class Body>
void parallel_chunks(const Executor& executor, int64_t count, int64_t chunk, const Body& body) {
  parallel_for(executor, (count + chunk - 1) / chunk, [&](int64_t index) {
    const int64_t begin = index * chunk;
    body(begin, begin + chunk < count ? begin + chunk : count);
  });
}

}  // namespace
}  // namespace edgenet
