// The machine that measures, as Linux tells of it; what it does not tell is null.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "json.h"

namespace edgenet {

/// {"cpu", "features", "cores", "os", "glibc", "memory_bytes", "memory_available_bytes"}.
json::Members describe_machine();

/// {"throttle_count", "throttled", "temperature_c", "load", "clocks": [{"core", "governor", "limit_khz",
/// "frequency_khz"}, ...]}: what may change while a machine works. The count is of throttling for heat or low power
/// since boot, as far as the kernel or a Raspberry Pi's firmware tells, and `throttled` whether it is so now; clocks
/// are of the cores that this process may use, and a limit is the highest clock that the system allows.
json::Members describe_health();

/// The cores that this process may use.
std::vector<int> allowed_cores();

/// The `count` least busy of them, watched for a tenth of a second; of equally quiet ones the last, as the first serves
/// most interrupts.
std::vector<int> quiet_cores(size_t count);

/// Runs this thread, and those that it starts, on these cores; nothing where there are none.
void stay_on(const std::vector<int>& cores);

/// Ticks of the cores so far: busy in all, and stolen by the host.
struct Ticks {
  int64_t busy = 0;
  int64_t stolen = 0;
};
/// By core; empty where the system does not say.
std::map<int, Ticks> ticks_by_core();

/// Resident memory of this process in bytes: now, and its highest since `reset_peak`.
int64_t resident_bytes();
int64_t peak_resident_bytes();
void reset_peak();

}  // namespace edgenet
