#include "kernels/avx512/avx512.h"
#include "kernels/avx512icl/avx512icl.h"

namespace edgenet::avx512icl {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  return avx512::make_xnor_linear(weights);
}

}  // namespace edgenet::avx512icl
