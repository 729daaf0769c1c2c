#include "kernels/x86/linear.h"

#include "kernels/avx512/avx512.h"
#include "kernels/avx512/simd.h"
#include "kernels/x86/recurrent_step.h"

namespace edgenet::avx512 {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  return std::make_unique<x86::XnorLinear<x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLinear<x86::LookupRows<Simd>>>(weights);
}

}  // namespace edgenet::avx512
