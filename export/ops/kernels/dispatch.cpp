// Which kernels run: the sets, and the choice among them by CPU and by EDGENET_ISA.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/kernels.h"
#include "kernels/scalar/scalar.h"
#if defined(__x86_64__)
#include <cpuid.h>

#include "kernels/amx/amx.h"
#include "kernels/avx2/avx2.h"
#include "kernels/avx512/avx512.h"
#include "kernels/avx512icl/avx512icl.h"
#include "kernels/avxvnni/avxvnni.h"
#elif defined(__aarch64__)
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "kernels/neon/neon.h"
#include "kernels/neondot/neondot.h"
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
    scalar::make_xnor_lstm,
    scalar::make_bwn_lstm,
    scalar::make_xnor_gru,
    scalar::make_bwn_gru,
    scalar::make_int8_conv2d,
    scalar::make_bwn_int8_conv2d,
    scalar::make_int8_linear,
};

namespace {

#if defined(__x86_64__)
// A set with extensions is called as its family; the family's base has a name of its own where the extensions are
// there.
KernelSet avx2_kernels(const char* name) {
  return {
      name,
      avx2::make_xnor_conv2d,
      avx2::make_bwn_conv2d,
      avx2::make_xnor_linear,
      avx2::make_bwn_linear,
      avx2::make_xnor_recurrence,
      avx2::make_bwn_recurrence,
      avx2::make_xnor_lstm,
      avx2::make_bwn_lstm,
      avx2::make_xnor_gru,
      avx2::make_bwn_gru,
      avx2::make_int8_conv2d,
      avx2::make_bwn_int8_conv2d,
      avx2::make_int8_linear,
  };
}

KernelSet avxvnni_kernels() {
  return {
      "avx2",
      avx2::make_xnor_conv2d,
      avx2::make_bwn_conv2d,
      avx2::make_xnor_linear,
      avx2::make_bwn_linear,
      avx2::make_xnor_recurrence,
      avx2::make_bwn_recurrence,
      avx2::make_xnor_lstm,
      avx2::make_bwn_lstm,
      avx2::make_xnor_gru,
      avx2::make_bwn_gru,
      avxvnni::make_int8_conv2d,
      avxvnni::make_bwn_int8_conv2d,
      avxvnni::make_int8_linear,
  };
}

KernelSet avx512_kernels(const char* name) {
  return {
      name,
      avx512::make_xnor_conv2d,
      avx512::make_bwn_conv2d,
      avx512::make_xnor_linear,
      avx512::make_bwn_linear,
      avx512::make_xnor_recurrence,
      avx512::make_bwn_recurrence,
      avx512::make_xnor_lstm,
      avx512::make_bwn_lstm,
      avx512::make_xnor_gru,
      avx512::make_bwn_gru,
      avx512::make_int8_conv2d,
      avx512::make_bwn_int8_conv2d,
      avx512::make_int8_linear,
  };
}

KernelSet avx512icl_kernels(const char* name, bool slices) {
  return {
      name,
      slices ? avx512icl::make_sliced_xnor_conv2d : avx512icl::make_xnor_conv2d,
      avx512::make_bwn_conv2d,
      avx512icl::make_xnor_linear,
      avx512icl::make_bwn_linear,
      avx512icl::make_xnor_recurrence,
      avx512icl::make_bwn_recurrence,
      avx512icl::make_xnor_lstm,
      avx512icl::make_bwn_lstm,
      avx512icl::make_xnor_gru,
      avx512icl::make_bwn_gru,
      avx512icl::make_int8_conv2d,
      avx512icl::make_bwn_int8_conv2d,
      avx512icl::make_int8_linear,
  };
}

/// Those of AVX-512 but for what tiles multiply.
KernelSet amx_kernels() {
  KernelSet set = avx512icl_kernels("avx512", true);
  set.xnor_conv2d = amx::make_xnor_conv2d;
  set.int8_conv2d = amx::make_int8_conv2d;
  set.bwn_int8_conv2d = amx::make_bwn_int8_conv2d;
  return set;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("popcnt");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512icl() {
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq") &&
         __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
         __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("gfni");
}

/// Intel's cores count bits on one of the two ports that do 512-bit logic, so that convolutions by words wait for it;
/// AMD's do not.
bool slices_win() { return __builtin_cpu_is("intel"); }

bool has_amx() {
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTile) != 0 && (d & kInt8) != 0 && amx::request_tiles();
}

bool has_avxvnni() {
  // Not every compiler's __builtin_cpu_supports knows it.
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}
#elif defined(__aarch64__)
KernelSet neon_kernels() {
  return {
      "neon",
      neon::make_xnor_conv2d,
      neon::make_bwn_conv2d,
      neon::make_xnor_linear,
      neon::make_bwn_linear,
      neon::make_xnor_recurrence,
      neon::make_bwn_recurrence,
      neon::make_xnor_lstm,
      neon::make_bwn_lstm,
      neon::make_xnor_gru,
      neon::make_bwn_gru,
      neon::make_int8_conv2d,
      neon::make_bwn_int8_conv2d,
      neon::make_int8_linear,
  };
}

KernelSet neondot_kernels() {
  KernelSet set = neon_kernels();
  set.name = "neondot";
  set.int8_conv2d = neondot::make_int8_conv2d;
  set.bwn_int8_conv2d = neondot::make_bwn_int8_conv2d;
  set.int8_linear = neondot::make_int8_linear;
  return set;
}

bool has_dot_products() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__ARM_FEATURE_DOTPROD)
  return true;  // the compiler's target has them, as every Mac does
#else
  return false;
#endif
}
#endif

/// The sets that this CPU runs, the widest last.
std::vector<KernelSet> make_runnable() {
  std::vector<KernelSet> sets = {scalar_kernels};
#if defined(__x86_64__)
  if (!has_avx2()) return sets;
  sets.push_back(avx2_kernels(has_avxvnni() ? "avx2-base" : "avx2"));
  if (has_avxvnni()) sets.push_back(avxvnni_kernels());
  if (!has_avx512()) return sets;
  sets.push_back(avx512_kernels(has_avx512icl() ? "avx512-base" : "avx512"));
  if (!has_avx512icl()) return sets;
  const bool tiles = has_amx();
  if (slices_win()) sets.push_back(avx512icl_kernels("avx512-words", false));
  if (!slices_win() || tiles) sets.push_back(avx512icl_kernels("avx512-slices", true));
  sets.push_back(tiles ? amx_kernels() : avx512icl_kernels("avx512", slices_win()));
#elif defined(__aarch64__)
  sets.push_back(neon_kernels());
  if (has_dot_products()) sets.push_back(neondot_kernels());
#endif
  return sets;
}

std::string names_runnable_here() {
  std::string names;
  for (const KernelSet* set : runnable_kernels()) names += (names.empty() ? "" : ", ") + std::string(set->name);
  return names;
}

}  // namespace

std::vector<const KernelSet*> runnable_kernels() {
  static const std::vector<KernelSet> here = make_runnable();
  std::vector<const KernelSet*> sets;
  for (const KernelSet& set : here) sets.push_back(&set);
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
