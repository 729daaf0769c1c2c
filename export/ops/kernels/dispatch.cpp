// Which kernels run: the sets, and the choice among them by CPU and by EDGENET_ISA.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/kernels.h"
#include "kernels/scalar/scalar.h"
#if defined(__x86_64__)
#include "kernels/avx2/avx2.h"
#include "kernels/avx512/avx512.h"
#endif

namespace edgenet {

ConvKernel::~ConvKernel() = default;
LinearKernel::~LinearKernel() = default;
RecurrenceKernel::~RecurrenceKernel() = default;

const KernelSet scalar_kernels = {
    "scalar",
    scalar::make_xnor_conv2d,
    scalar::make_bwn_conv2d,
    scalar::make_xnor_linear,
    scalar::make_bwn_linear,
    scalar::make_xnor_recurrence,
    scalar::make_bwn_recurrence,
};

#if defined(__x86_64__)
const KernelSet avx2_kernels = {
    "avx2",
    avx2::make_xnor_conv2d,
    avx2::make_bwn_conv2d,
    avx2::make_xnor_linear,
    avx2::make_bwn_linear,
    avx2::make_xnor_recurrence,
    avx2::make_bwn_recurrence,
};

const KernelSet avx512_kernels = {
    "avx512",
    avx512::make_xnor_conv2d,
    avx512::make_bwn_conv2d,
    avx512::make_xnor_linear,
    avx512::make_bwn_linear,
    avx512::make_xnor_recurrence,
    avx512::make_bwn_recurrence,
};
#endif

namespace {

struct Candidate {
  const KernelSet* set;
  bool (*runs_here)();
};

// The widest last.
const Candidate candidates[] = {
    {&scalar_kernels, [] { return true; }},
#if defined(__x86_64__)
    {&avx2_kernels,
     [] {
       return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
              __builtin_cpu_supports("popcnt");
     }},
    {&avx512_kernels,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
              __builtin_cpu_supports("popcnt");
     }},
#endif
};

std::string names_runnable_here() {
  std::string names;
  for (const KernelSet* set : runnable_kernels()) names += (names.empty() ? "" : ", ") + std::string(set->name);
  return names;
}

}  // namespace

std::vector<const KernelSet*> runnable_kernels() {
  std::vector<const KernelSet*> sets;
  for (const Candidate& candidate : candidates) {
    if (candidate.runs_here()) sets.push_back(candidate.set);
  }
  return sets;
}

const KernelSet& active_kernels() {
  const std::vector<const KernelSet*> sets = runnable_kernels();
  const char* wanted = std::getenv("EDGENET_ISA");
  if (wanted == nullptr || *wanted == '\0') return *sets.back();
  for (const KernelSet* set : sets) {
    if (wanted == std::string(set->name)) return *set;
  }
  throw std::invalid_argument("EDGENET_ISA is \"" + std::string(wanted) +
                              "\", but this library runs here with: " + names_runnable_here());
}

}  // namespace edgenet
