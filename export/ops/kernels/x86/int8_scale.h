// The largest magnitude of an image, which its step follows from, found by many threads.
#pragma once
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/x86/aligned.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

constexpr int64_t kScaleChunks = 64;  ///< parts of an image whose largest values are found side by side

/// `parts` is room for kScaleChunks floats.
template <class Isa>
float largest_magnitude(const float* x, int64_t count, float* parts, const Executor& executor) {
  const int64_t chunk = larger(4096, (count + kScaleChunks - 1) / kScaleChunks);
  parallel_chunks(executor, count, chunk,
                  [&](int64_t begin, int64_t end) { parts[begin / chunk] = Isa::largest(x + begin, end - begin); });
  float most = 1e-30f;
  for (int64_t i = 0; i * chunk < count; ++i) most = parts[i] > most ? parts[i] : most;
  return most;
}

}  // namespace
}  // namespace edgenet::x86
