#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/columns.h"
#include "kernels/avx512icl/field_tables.h"
#include "kernels/x86/byte_tables.h"
#include "kernels/x86/xnor_slices.h"

namespace edgenet::avx512icl {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  using Slices = x86::XnorSlices<Simd>;
  return x86::make_by_slices<Slices, LinearKernel, x86::XnorLinear<Slices>, XnorLinear>(weights);
}

std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLinear<x86::ByteTableRows<FieldTables>>>(weights);
}

}  // namespace edgenet::avx512icl
