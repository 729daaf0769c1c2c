// Energy that the machine has used, from the counters of its processor (RAPL, which Linux shows under powercap); the
// same rules as edgenet/bench/energy.py.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgenet {

/// Adds up what all processor packages use; reads nothing where the kernel has no counter or does not let us.
class EnergyMeter {
 public:
  /// `powercap`: the kernel's folder of counters, with a slash at its end.
  explicit EnergyMeter(const std::string& powercap = "/sys/class/powercap/");

  /// What was used since the last call, at first since this meter was made; nothing where it cannot be told. A counter
  /// that began anew in between is seen through if it did so once.
  std::optional<double> millijoules();

 private:
  /// Microjoules of each counter.
  std::vector<std::optional<int64_t>> readings() const;

  std::vector<std::string> counters_;
  std::vector<std::optional<int64_t>> last_;
};

}  // namespace edgenet
