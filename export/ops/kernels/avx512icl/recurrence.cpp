#include "kernels/x86/recurrence.h"

#include "kernels/avx512/avx512.h"
#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/simd.h"

namespace edgenet::avx512icl {

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::XnorRecurrence<Simd>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights) {
  return avx512::make_xnor_lstm(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights) { return avx512::make_xnor_gru(weights); }

}  // namespace edgenet::avx512icl
