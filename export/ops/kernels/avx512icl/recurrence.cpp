#include "kernels/x86/recurrence.h"

#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avx512icl/columns.h"
#include "kernels/avx512icl/field_tables.h"
#include "kernels/avx512icl/simd.h"
#include "kernels/x86/byte_tables.h"
#include "kernels/x86/gates.h"
#include "kernels/x86/xnor_slices.h"

namespace edgenet::avx512icl {

namespace {

using Slices = x86::XnorSlices<Simd>;
using Words = XnorColumnStep;

}  // namespace

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return x86::make_by_slices<Slices, RecurrenceKernel, x86::XnorRecurrence<Slices>, x86::XnorRecurrence<Words>>(
      weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights) {
  return x86::make_by_slices<Slices, RecurrenceKernel, x86::XnorLstm<Simd, Slices>, x86::XnorLstm<Simd, Words>>(
      weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights) {
  return x86::make_by_slices<Slices, RecurrenceKernel, x86::XnorGru<Simd, Slices>, x86::XnorGru<Simd, Words>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_recurrence(const LinearWeights& weights) {
  return std::make_unique<x86::BwnRecurrence<Simd, x86::ByteTableRows<FieldTables>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_lstm(const LinearWeights& weights) {
  return std::make_unique<x86::BwnLstm<Simd, x86::LookupStep<x86::ByteTableRows<FieldTables>>>>(weights);
}

std::unique_ptr<RecurrenceKernel> make_bwn_gru(const LinearWeights& weights) {
  return std::make_unique<x86::BwnGru<Simd, x86::LookupStep<x86::ByteTableRows<FieldTables>>>>(weights);
}

}  // namespace edgenet::avx512icl
