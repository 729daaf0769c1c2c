#include "machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <thread>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "files.h"

namespace edgenet {
namespace {

const std::string kCpus = "/sys/devices/system/cpu/";

/// "key : value" of a line; false where it is no such line.
bool split(const std::string& line, std::string& key, std::string& value) {
  const size_t colon = line.find(':');
  if (colon == std::string::npos) return false;
  const size_t end = line.find_last_not_of(" \t", colon == 0 ? 0 : colon - 1);
  const size_t begin = line.find_first_not_of(" \t", colon + 1);
  key = line.substr(0, end + 1);
  value = begin == std::string::npos ? "" : line.substr(begin);
  return true;
}

/// Arm's cores by the part number of /proc/cpuinfo.
std::string part_name(const std::string& part) {
  static const std::map<std::string, const char*> names = {
      {"0xd03", "Cortex-A53"},  {"0xd04", "Cortex-A35"},  {"0xd05", "Cortex-A55"},  {"0xd07", "Cortex-A57"},
      {"0xd08", "Cortex-A72"},  {"0xd09", "Cortex-A73"},  {"0xd0a", "Cortex-A75"},  {"0xd0b", "Cortex-A76"},
      {"0xd0c", "Neoverse N1"}, {"0xd0d", "Cortex-A77"},  {"0xd40", "Neoverse V1"}, {"0xd41", "Cortex-A78"},
      {"0xd44", "Cortex-X1"},   {"0xd46", "Cortex-A510"}, {"0xd47", "Cortex-A710"}, {"0xd48", "Cortex-X2"},
      {"0xd49", "Neoverse N2"}, {"0xd4d", "Cortex-A715"}, {"0xd4e", "Cortex-X3"},   {"0xd4f", "Neoverse V2"},
  };
  const auto found = names.find(part);
  return found == names.end() ? "" : found->second;
}

json::Value text_or_null(const std::string& text) { return text.empty() ? json::Value() : json::Value(text); }

/// The number that a text begins with; null where it begins with none: kernels also write words.
json::Value number_or_null(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return end == text.c_str() ? json::Value() : json::Value(number);
}

void add_cpu(json::Members& machine) {
  std::string key, value, model, features;
  std::set<std::string> parts;
  for_lines("/proc/cpuinfo", [&](const std::string& line) {
    if (!split(line, key, value)) return;
    if (key == "model name" || key == "Model" || key == "Hardware") model = value;
    if (key == "Features" || key == "flags") features = value;
    if (key == "CPU part" && !part_name(value).empty()) parts.insert(part_name(value));
  });
  const std::string board = first_line("/proc/device-tree/model");
  if (!board.empty()) model = board;
  std::string cores;
  for (const std::string& part : parts) cores += (cores.empty() ? "" : " and ") + part;
  if (!cores.empty()) model = model.empty() ? cores : model + " (" + cores + ")";
  machine.emplace_back("cpu", text_or_null(model));
  machine.emplace_back("features", text_or_null(features));
}

int64_t memory_info(const std::string& wanted) {
  std::string key, value;
  int64_t bytes = 0;
  for_lines("/proc/meminfo", [&](const std::string& line) {
    if (split(line, key, value) && key == wanted) bytes = std::strtoll(value.c_str(), nullptr, 10) * 1024;
  });
  return bytes;
}

/// How a core's clock is set; of one of which nothing is known, the first core's.
json::Members clock_of(int core) {
  const std::string own = kCpus + "cpu" + std::to_string(core) + "/cpufreq/";
  const std::string folder = entries(own, "scaling_").empty() ? kCpus + "cpu0/cpufreq/" : own;
  return {{"core", core},
          {"governor", text_or_null(first_line(folder + "scaling_governor"))},
          {"limit_khz", number_or_null(first_line(folder + "scaling_max_freq"))},
          {"frequency_khz", number_or_null(first_line(folder + "scaling_cur_freq"))}};
}

/// Cooling devices that slow the CPU down; others, such as fans, are free to work.
std::vector<std::string> brakes() {
  std::vector<std::string> found = entries("/sys/class/thermal/", "cooling_device");
  const auto brakes_not = [](const std::string& device) {
    return first_line(device + "/type").find("cpufreq") == std::string::npos;
  };
  found.erase(std::remove_if(found.begin(), found.end(), brakes_not), found.end());
  return found;
}

/// Flags of a Raspberry Pi's firmware: what is the case (bits 0 to 3) and has been (16 to 19); 0 on other machines.
uint32_t firmware_flags() {
  const std::string flags = first_line("/sys/devices/platform/soc/soc:firmware/get_throttled");
  return static_cast<uint32_t>(std::strtoul(flags.c_str(), nullptr, 16));
}

int64_t count_throttling() {
  int64_t total = 0;
  for (const std::string& cpu : entries(kCpus, "cpu")) {
    total += std::atoll(first_line(cpu + "/thermal_throttle/core_throttle_count").c_str());
  }
  for (const std::string& device : brakes()) total += std::atoll(first_line(device + "/stats/total_trans").c_str());
  for (uint32_t flags = firmware_flags(); flags != 0; flags &= flags - 1) ++total;
  return total;
}

/// Whether the CPU is slowed down now.
bool throttled() {
  const auto works = [](const std::string& device) {
    return std::atoll(first_line(device + "/cur_state").c_str()) > 0;
  };
  const std::vector<std::string> all = brakes();
  return (firmware_flags() & 0xF) != 0 || std::any_of(all.begin(), all.end(), works);
}

json::Value hottest() {
  json::Value found;
  double most = -273;
  for (const std::string& zone : entries("/sys/class/thermal/", "thermal_zone")) {
    const std::string text = first_line(zone + "/temp");
    const double degrees = std::atof(text.c_str()) / 1e3;
    if (text.empty() || degrees <= most) continue;
    most = degrees;
    found = degrees;
  }
  return found;
}

int64_t status(const std::string& wanted) {
  std::string key, value;
  int64_t bytes = 0;
  for_lines("/proc/self/status", [&](const std::string& line) {
    if (split(line, key, value) && key == wanted) bytes = std::strtoll(value.c_str(), nullptr, 10) * 1024;
  });
  return bytes;
}

}  // namespace

json::Members describe_machine() {
  json::Members machine;
  add_cpu(machine);
  utsname system{};
  uname(&system);
  machine.emplace_back("cores", static_cast<int>(allowed_cores().size()));
  machine.emplace_back("os", std::string(system.sysname) + " " + system.release + " " + system.machine);
#ifdef __GLIBC__
  machine.emplace_back("glibc", gnu_get_libc_version());
#else
  machine.emplace_back("glibc", json::Value());
#endif
  machine.emplace_back("memory_bytes", memory_info("MemTotal"));
  machine.emplace_back("memory_available_bytes", memory_info("MemAvailable"));
  return machine;
}

json::Members describe_health() {
  json::List clocks;
  for (const int core : allowed_cores()) clocks.emplace_back(clock_of(core));
  return {{"throttle_count", count_throttling()},
          {"throttled", throttled()},
          {"temperature_c", hottest()},
          {"load", number_or_null(first_line("/proc/loadavg"))},
          {"clocks", std::move(clocks)}};
}

std::vector<int> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

std::vector<int> quiet_cores(size_t count) {
  std::vector<int> cores = allowed_cores();
  if (count >= cores.size()) return cores;
  std::map<int, Ticks> before = ticks_by_core();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::map<int, Ticks> after = ticks_by_core();
  std::reverse(cores.begin(), cores.end());
  std::stable_sort(cores.begin(), cores.end(), [&](int first, int second) {
    return after[first].busy - before[first].busy < after[second].busy - before[second].busy;
  });
  cores.resize(count);
  return cores;
}

void stay_on(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(core, &set);
  if (!cores.empty()) sched_setaffinity(0, sizeof set, &set);
}

std::map<int, Ticks> ticks_by_core() {
  std::map<int, Ticks> cores;
  for_lines("/proc/stat", [&](const std::string& line) {
    // user, nice, system, idle, iowait, irq, softirq, steal
    long long t[8] = {};
    int core = 0;
    const int found = std::sscanf(line.c_str(), "cpu%d %lld %lld %lld %lld %lld %lld %lld %lld", &core, t, t + 1, t + 2,
                                  t + 3, t + 4, t + 5, t + 6, t + 7);
    if (found == 9) cores[core] = {t[0] + t[1] + t[2] + t[5] + t[6] + t[7], t[7]};
  });
  return cores;
}

int64_t resident_bytes() { return status("VmRSS"); }

int64_t peak_resident_bytes() { return status("VmHWM"); }

void reset_peak() {
  if (std::FILE* file = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", file);
    std::fclose(file);
  }
}

}  // namespace edgenet
