#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/simd.h"
#include "kernels/x86/gates.h"

namespace edgenet::avx512icl {

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::XnorRecurrence<Simd>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights) {
  return std::make_unique<x86::XnorLstm<Simd>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights) {
  return std::make_unique<x86::XnorGru<Simd>>(weights);
}

}  // namespace edgenet::avx512icl
