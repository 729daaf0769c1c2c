#include "timer.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace edgenet {
namespace {

// A run or a block is disturbed when more than this share of its time went to somebody else.
constexpr double kTolerance = 0.02;
constexpr double kClockNoise = 5e-6;

double read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double processor_seconds() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

double tick_seconds() { return 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK)); }

std::string milliseconds(const char* sentence, double seconds) {
  char text[64];
  std::snprintf(text, sizeof text, "%s %.0f ms", sentence, seconds * 1e3);
  return text;
}

}  // namespace

double seconds_now() { return read_clock(CLOCK_MONOTONIC); }

Block BlockTimer::run(const std::function<void()>& once, int runs, const std::function<void()>& between) const {
  std::vector<double> walls(static_cast<size_t>(runs)), processors(walls.size());
  const MachineTicks before = ticks();
  const std::vector<int> allowed = allowed_cores();
  const double start = seconds_now(), processor = processor_seconds();
  for (size_t i = 0; i < walls.size(); ++i) {
    const double processor_before = processor_seconds(), wall = seconds_now();
    once();
    walls[i] = seconds_now() - wall;
    processors[i] = processor_seconds() - processor_before;
    between();
  }
  Block block;
  const double elapsed = seconds_now() - start;
  const MachineTicks now = ticks();
  block.disturbance = disturbance(elapsed, processor_seconds() - processor, before.ours, now.ours);
  block.company = static_cast<double>(now.elsewhere - before.elsewhere) * tick_seconds() / elapsed;
  if (allowed_cores() != allowed) block.disturbance = "the process was moved to other cores";
  std::vector<double> kept;
  for (size_t i = 0; i < walls.size(); ++i) {
    if (walls[i] - processors[i] <= std::max(kTolerance * walls[i], kClockNoise)) kept.push_back(walls[i]);
  }
  if (threads_ == 1 && 2 * kept.size() < walls.size() && block.disturbance.empty()) {
    block.disturbance = "other work broke into " + std::to_string(walls.size() - kept.size()) + " of " +
                        std::to_string(walls.size()) + " runs";
  }
  const bool drop = threads_ == 1 && 2 * kept.size() >= walls.size();
  for (const double wall : drop ? kept : walls) block.times_ms.push_back(wall * 1e3);
  return block;
}

BlockTimer::MachineTicks BlockTimer::ticks() const {
  MachineTicks total;
  for (const auto& [core, ticks] : ticks_by_core()) {
    if (std::find(cores_.begin(), cores_.end(), core) == cores_.end()) {
      total.elsewhere += ticks.busy;
      continue;
    }
    total.ours.busy += ticks.busy;
    total.ours.stolen += ticks.stolen;
  }
  return total;
}

std::string BlockTimer::disturbance(double elapsed, double ours, const Ticks& before, const Ticks& now) const {
  const double tick = tick_seconds();
  const double stolen = static_cast<double>(now.stolen - before.stolen);
  // The kernel counts in ticks of 10 ms, so that one of them is within its own rounding.
  if ((stolen - 1) * tick > kTolerance * elapsed || (stolen > 0 && elapsed < 10 * tick)) {
    return milliseconds("the host took", stolen * tick);
  }
  const double cores = static_cast<double>(cores_.size());
  const double others = (static_cast<double>(now.busy - before.busy) - cores) * tick - ours;
  if (threads_ > 1 && others > kTolerance * elapsed * cores) return milliseconds("other work took", others);
  return {};
}

}  // namespace edgenet
