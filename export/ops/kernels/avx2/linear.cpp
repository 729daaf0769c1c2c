#include "kernels/x86/linear.h"

#include "kernels/avx2/avx2.h"
#include "kernels/avx2/field_tables.h"
#include "kernels/avx2/simd.h"
#include "kernels/x86/byte_tables.h"
#include "kernels/x86/xnor_slices.h"

namespace edgenet::avx2 {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  using Slices = x86::XnorSlices<Simd>;
  return x86::make_by_slices<Slices, LinearKernel, x86::XnorLinear<Slices>, x86::XnorLinear<x86::XnorStep<Simd>>>(
      weights);
}

std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights) {
  // Of few outputs the tables take the time, and those of floats are made faster.
  if (weights.outputs <= FieldTables::kFewOutputs)
    return std::make_unique<x86::BwnLinear<x86::LookupRows<Simd>>>(weights);
  return std::make_unique<x86::BwnLinear<x86::ByteTableRows<FieldTables>>>(weights);
}

}  // namespace edgenet::avx2
