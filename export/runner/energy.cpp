#include "energy.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "files.h"

namespace edgenet {
namespace {

// Sensors measure anew every few milliseconds, and to read one over its bus takes about as long.
constexpr double kBetweenSamples = 0.01;

std::optional<int64_t> read_number(const std::string& path) {
  const std::string text = first_line(path);
  char* end = nullptr;
  const int64_t number = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') return {};
  return number;
}

/// Packages alone (intel-rapl:0): what lies within them (intel-rapl:0:0) is counted there already.
bool is_package(const std::string& name) {
  return name.find("-rapl:") != std::string::npos && std::count(name.begin(), name.end(), ':') == 1;
}

/// How kernels label the supply from which a board makes all others (NVIDIA's Jetson boards).
bool is_whole_board(const std::string& label) { return label == "VDD_IN" || label == "POM_5V_IN"; }

}  // namespace

EnergyMeter::EnergyMeter(const std::string& powercap, const std::string& hwmon, std::function<double()> clock)
    : clock_(std::move(clock)) {
  for (const std::string& path : entries(powercap, "")) {
    if (is_package(path.substr(powercap.size())) && read_number(path + "/energy_uj")) counters_.push_back(path);
  }
  last_ = readings();
  if (counters_.empty()) supply_ = find_supply(hwmon);
  time_ = clock_();
  if (supply_) power_ = supply_->microwatts();
}

void EnergyMeter::sample() {
  if (supply_ && clock_() - time_ >= kBetweenSamples) add_power();
}

std::optional<double> EnergyMeter::millijoules() {
  if (!supply_) return count();
  add_power();
  const std::optional<double> used = std::exchange(used_, 0.0);
  return used && *used > 0 ? used : std::nullopt;
}

std::optional<double> EnergyMeter::count() {
  const std::vector<std::optional<int64_t>> before = std::exchange(last_, readings());
  int64_t used = 0;
  for (size_t i = 0; i < counters_.size(); ++i) {
    if (!before[i] || !last_[i]) return {};
    used += *last_[i] - *before[i];
    if (*last_[i] < *before[i]) used += read_number(counters_[i] + "/max_energy_range_uj").value_or(0);
  }
  if (used <= 0) return {};
  return static_cast<double>(used) / 1e3;
}

void EnergyMeter::add_power() {
  const double then = std::exchange(time_, clock_());
  const std::optional<int64_t> power = std::exchange(power_, supply_->microwatts());
  if (used_ && power && power_) {
    *used_ += static_cast<double>(*power + *power_) / 2e3 * (time_ - then);
  } else {
    used_.reset();
  }
}

std::optional<EnergyMeter::Supply> EnergyMeter::find_supply(const std::string& hwmon) {
  for (const std::string& folder : entries(hwmon, "hwmon")) {
    for (const std::string& label : entries(folder + "/", "in")) {
      const size_t begin = folder.size() + 3, end = label.find("_label", begin);
      if (end == std::string::npos || !is_whole_board(first_line(label))) continue;
      const std::string number = label.substr(begin, end - begin);
      Supply supply{folder + "/power" + number + "_input", folder + "/in" + number + "_input",
                    folder + "/curr" + number + "_input"};
      if (supply.microwatts()) return supply;
    }
  }
  return {};
}

std::optional<int64_t> EnergyMeter::Supply::microwatts() const {
  if (const std::optional<int64_t> told = read_number(power)) return told;
  const std::optional<int64_t> millivolts = read_number(volts), milliamperes = read_number(amperes);
  if (!millivolts || !milliamperes) return {};
  return *millivolts * *milliamperes;
}

std::vector<std::optional<int64_t>> EnergyMeter::readings() const {
  std::vector<std::optional<int64_t>> found;
  for (const std::string& counter : counters_) found.push_back(read_number(counter + "/energy_uj"));
  return found;
}

}  // namespace edgenet
