#include "kernels/x86/recurrence.h"

#include "kernels/avx512/avx512.h"
#include "kernels/avx512/simd.h"

namespace edgenet::avx512 {

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::XnorRecurrence<Simd>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::BwnRecurrence<Simd>>(weights);
}

}  // namespace edgenet::avx512
