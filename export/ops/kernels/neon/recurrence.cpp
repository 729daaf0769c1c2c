#include "kernels/x86/recurrence.h"

#include "kernels/neon/neon.h"
#include "kernels/neon/simd.h"
#include "kernels/x86/gates.h"

namespace edgenet::neon {

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::XnorRecurrence<x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::BwnRecurrence<Simd, x86::LookupRows<Simd>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights) {
  return std::make_unique<x86::XnorLstm<Simd, x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_lstm(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLstm<Simd, x86::LookupStep<x86::LookupRows<Simd>>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights) {
  return std::make_unique<x86::XnorGru<Simd, x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_gru(const LinearWeights& weights) {
  return std::make_unique<x86::BwnGru<Simd, x86::LookupStep<x86::LookupRows<Simd>>>>(weights);
}

}  // namespace edgenet::neon
