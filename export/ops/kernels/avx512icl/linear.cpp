#include "kernels/x86/linear.h"

#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/simd.h"

namespace edgenet::avx512icl {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  return std::make_unique<x86::XnorLinear<Simd>>(weights);
}

}  // namespace edgenet::avx512icl
