#include "kernels/x86/linear.h"

#include "kernels/avx512/avx512.h"
#include "kernels/avx512/simd.h"
#include "kernels/x86/recurrent_step.h"
#include "kernels/x86/xnor_slices.h"

namespace edgenet::avx512 {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  using Slices = x86::XnorSlices<Simd>;
  return x86::make_by_slices<Slices, LinearKernel, x86::XnorLinear<Slices>, x86::XnorLinear<x86::XnorStep<Simd>>>(
      weights);
}

std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLinear<x86::LookupRows<Simd>>>(weights);
}

}  // namespace edgenet::avx512
