#include "kernels/x86/linear.h"

#include "kernels/neon/neon.h"
#include "kernels/neon/simd.h"
#include "kernels/x86/recurrent_step.h"

namespace edgenet::neon {

std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights) {
  return std::make_unique<x86::XnorLinear<x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLinear<x86::LookupRows<Simd>>>(weights);
}

}  // namespace edgenet::neon
