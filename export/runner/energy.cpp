#include "energy.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "files.h"

namespace edgenet {
namespace {

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

}  // namespace

EnergyMeter::EnergyMeter(const std::string& powercap) {
  for (const std::string& path : entries(powercap, "")) {
    if (is_package(path.substr(powercap.size())) && read_number(path + "/energy_uj")) counters_.push_back(path);
  }
  last_ = readings();
}

std::optional<double> EnergyMeter::millijoules() {
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

std::vector<std::optional<int64_t>> EnergyMeter::readings() const {
  std::vector<std::optional<int64_t>> found;
  for (const std::string& counter : counters_) found.push_back(read_number(counter + "/energy_uj"));
  return found;
}

}  // namespace edgenet
