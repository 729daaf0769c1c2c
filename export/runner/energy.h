// Energy that the machine has used: from the counters of its processor (RAPL, which Linux shows under powercap), else
// from a board's sensor of the power that it takes in (under hwmon); the same rules as edgenet/bench/energy.py.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "timer.h"

namespace edgenet {

/// Adds up what all processor packages use, or else what a board takes in; reads nothing where the kernel shows neither
/// or does not let us.
class EnergyMeter {
 public:
  /// `powercap` and `hwmon`: the kernel's folders of counters and sensors, with a slash at their ends; `clock` tells
  /// seconds.
  explicit EnergyMeter(const std::string& powercap = "/sys/class/powercap/",
                       const std::string& hwmon = "/sys/class/hwmon/", std::function<double()> clock = seconds_now);

  /// Looks at a sensor, if that is what is read and the last look was a while ago; to be called between runs.
  void sample();

  /// What was used since the last call, at first since this meter was made; nothing where it cannot be told. A counter
  /// that began anew in between is seen through if it did so once. Of a sensor it is the power at the samples, and in
  /// straight lines between them, over time.
  std::optional<double> millijoules();

 private:
  /// Where a sensor's numbers lie: its power, else volts and amperes.
  struct Supply {
    std::string power, volts, amperes;
    std::optional<int64_t> microwatts() const;
  };

  static std::optional<Supply> find_supply(const std::string& hwmon);
  std::optional<double> count();
  void add_power();
  /// Microjoules of each counter.
  std::vector<std::optional<int64_t>> readings() const;

  std::vector<std::string> counters_;
  std::vector<std::optional<int64_t>> last_;
  std::optional<Supply> supply_;
  std::function<double()> clock_;
  double time_ = 0;
  std::optional<int64_t> power_;
  std::optional<double> used_ = 0.0;  ///< millijoules since the last call, of a sensor
};

}  // namespace edgenet
