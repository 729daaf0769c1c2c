// The choice of a kernel set.
#include <stdexcept>

#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

int main() {
  Report report;
  unsetenv("EDGENET_ISA");
  const auto sets = runnable_kernels();
  for (const KernelSet* set : sets) std::printf("%s%s", set->name, set == sets.back() ? "\n" : " ");
  report.expect(!sets.empty() && std::string(sets.front()->name) == "scalar", "the scalar set runs everywhere");
  report.expect(&active_kernels() == sets.back(), "without EDGENET_ISA the widest set is active");
#if defined(__x86_64__)
  const auto runs = [&](const std::string& name) {
    for (const KernelSet* set : sets) {
      if (set->name == name) return true;
    }
    return false;
  };
  // Population counts suit AMD's CPUs, and bit slices or matrix tiles Intel's; what a CPU does not use is there to be
  // tested.
  const bool intel = __builtin_cpu_is("intel");
  const bool counts = __builtin_cpu_supports("avx512vpopcntdq") && runs("avx512-base");
  report.expect(runs("avx512-words") == (counts && intel), "Intel's CPUs take bit slices, not words");
  if (!intel) report.expect(runs("avx512-slices") == counts, "other CPUs take words, not bit slices");
#endif
  for (const KernelSet* set : sets) {
    setenv("EDGENET_ISA", set->name, 1);
    report.expect(&active_kernels() == set, "EDGENET_ISA=", set->name, " makes that set active");
    const KernelSet& s = *set;
    const bool convolutions = s.xnor_conv2d && s.bwn_conv2d && s.int8_conv2d && s.bwn_int8_conv2d;
    const bool linears = s.xnor_linear && s.bwn_linear && s.int8_linear;
    const bool elman = s.xnor_recurrence && s.bwn_recurrence;
    const bool gated = s.xnor_lstm && s.bwn_lstm && s.xnor_gru && s.bwn_gru;
    report.expect(convolutions && linears && elman && gated, set->name, " has every kernel");
  }
  setenv("EDGENET_ISA", "sse9", 1);
  std::string message;
  try {
    active_kernels();
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  report.expect(message.find("sse9") != std::string::npos && message.find("scalar") != std::string::npos,
                "a set that does not exist is refused by name, with those that do: \"", message, "\"");
  return report.finish();
}
