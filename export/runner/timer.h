// Times runs in a block and tells what disturbed them; the same rules as edgenet/bench/machine.py.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "machine.h"

namespace edgenet {

struct Block {
  std::vector<double> times_ms;
  std::string disturbance;  ///< empty: nothing that matters
  double company = 0;       ///< how many other cores worked meanwhile
};

/// On one thread a run in which this process did not have its core all the time is dropped, and a block that lost more
/// than half of its runs is disturbed. On several threads, where that cannot be told, a block is disturbed when the
/// cores were busy with others. Time that the host took (steal) disturbs a block on any number.
class BlockTimer {
 public:
  BlockTimer(std::vector<int> cores, int threads) : cores_(std::move(cores)), threads_(threads) {}
  /// `between` is called, untimed, after every run.
  Block run(const std::function<void()>& once, int runs, const std::function<void()>& between) const;

 private:
  /// Of the machine: our cores' ticks, and how many of them the others were busy.
  struct MachineTicks {
    Ticks ours;
    int64_t elsewhere = 0;
  };
  MachineTicks ticks() const;
  std::string disturbance(double elapsed, double ours, const Ticks& before, const Ticks& now) const;

  std::vector<int> cores_;
  int threads_;
};

double seconds_now();

}  // namespace edgenet
