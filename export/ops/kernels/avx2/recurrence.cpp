#include "kernels/x86/recurrence.h"

#include "kernels/avx2/avx2.h"
#include "kernels/avx2/field_tables.h"
#include "kernels/avx2/simd.h"
#include "kernels/avx2/xnor_slices.h"
#include "kernels/x86/byte_tables.h"
#include "kernels/x86/gates.h"

namespace edgenet::avx2 {

namespace {

template <class Slices, class Words>
std::unique_ptr<RecurrenceKernel> make_of(const LinearWeights& weights) {
  if (XnorSlices::serve(weights)) return std::make_unique<Slices>(weights);
  return std::make_unique<Words>(weights);
}

}  // namespace

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return make_of<x86::XnorRecurrence<XnorSlices>, x86::XnorRecurrence<x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::BwnRecurrence<Simd, x86::ByteTableRows<FieldTables>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights) {
  return make_of<x86::XnorLstm<Simd, XnorSlices>, x86::XnorLstm<Simd, x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_lstm(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLstm<Simd, x86::LookupStep<x86::ByteTableRows<FieldTables>>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights) {
  return make_of<x86::XnorGru<Simd, XnorSlices>, x86::XnorGru<Simd, x86::XnorStep<Simd>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_gru(const LinearWeights& weights) {
  return std::make_unique<x86::BwnGru<Simd, x86::LookupStep<x86::ByteTableRows<FieldTables>>>>(weights);
}

}  // namespace edgenet::avx2
