#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/byte_tables.h"
#include "kernels/avx512icl/columns.h"

namespace edgenet::avx512icl {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  return std::make_unique<XnorLinear>(weights);
}

std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLinear<ByteTableRows>>(weights);
}

}  // namespace edgenet::avx512icl
