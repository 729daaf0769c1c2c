// What processors and boards tell of the energy they use, from files as the kernel shows them;
// tests/bench/test_energy.py in C++.
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "energy.h"
#include "files.h"
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

constexpr char kNoSensors[] = "/no/such/folder/";

/// A kernel's folder of counters that begin anew at 10 J.
class Powercap {
 public:
  ~Powercap() {
    for (const std::string& counter : entries(path(), "intel")) {
      unlink((counter + "/energy_uj").c_str());
      unlink((counter + "/max_energy_range_uj").c_str());
      rmdir(counter.c_str());
    }
  }

  std::string path() const { return folder_.path() + "/"; }

  void add(const std::string& counter) const { mkdir((path() + counter).c_str(), 0700); }

  void set(const std::string& counter, const std::string& microjoules) const {
    add(counter);
    write(counter + "/energy_uj", microjoules);
    write(counter + "/max_energy_range_uj", "10000000");
  }

 private:
  void write(const std::string& file, const std::string& text) const {
    std::FILE* stream = std::fopen((path() + file).c_str(), "w");
    std::fprintf(stream, "%s\n", text.c_str());
    std::fclose(stream);
  }

  TemporaryFolder folder_{"/tmp/edgenet-powercap-"};
};

void adds_up_packages(Report& report) {
  const Powercap powercap;
  for (const char* name : {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"}) powercap.set(name, "1000000");
  EnergyMeter meter(powercap.path(), kNoSensors);
  for (const char* name : {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"}) powercap.set(name, "1004000");
  report.expect(meter.millijoules() == 8.0, "packages are added up, and what lies within them is not counted twice");
}

/// A package whose counter stands so when its meter is made.
struct Metered {
  explicit Metered(const char* microjoules) {
    powercap.set("intel-rapl:0", microjoules);
    meter.emplace(powercap.path(), kNoSensors);
  }
  std::optional<double> at(const char* microjoules) {
    powercap.set("intel-rapl:0", microjoules);
    return meter->millijoules();
  }

  Powercap powercap;
  std::optional<EnergyMeter> meter;
};

void goes_on_from_the_last_reading(Report& report) {
  Metered package("0");
  report.expect(package.at("5000") == 5.0, "a reading begins with the meter");
  report.expect(package.at("12000") == 7.0, "a reading begins where the last one ended");
  report.expect(!package.at("12000"), "a counter that does not move tells nothing");
  report.expect(!package.at("no number"), "a counter that cannot be read any more tells nothing");
}

void sees_through_a_counter_that_began_anew(Report& report) {
  Metered package("9999000");
  report.expect(package.at("2000") == 3.0, "a counter that began anew is seen through");
}

void tells_nothing_without_a_counter(Report& report) {
  const Powercap powercap;
  report.expect(!EnergyMeter(powercap.path(), kNoSensors).millijoules(), "without a counter nothing is told");
  powercap.add("intel-rapl:0");
  report.expect(!EnergyMeter(powercap.path(), kNoSensors).millijoules(),
                "of a counter that cannot be read nothing is told");
  report.expect(!EnergyMeter(kNoSensors, kNoSensors).millijoules(), "without the kernel's folder nothing is told");
}

/// A kernel's folder of sensors, one of which tells 5 V and some current of the whole board, and a clock.
class Board {
 public:
  Board() {
    mkdir(sensors().c_str(), 0700);
    for (const auto& [number, label] : {std::pair{"1", "VDD_CPU"}, {"2", "VDD_IN"}}) {
      tell(std::string("in") + number + "_label", label);
      tell(std::string("in") + number + "_input", "5000");
      tell(std::string("curr") + number + "_input", "1000");
    }
    meter.emplace(kNoSensors, folder_.path() + "/", [this] { return seconds_; });
  }
  ~Board() {
    for (const std::string& file : entries(sensors() + "/", "")) unlink(file.c_str());
    rmdir(sensors().c_str());
  }

  void tell(const std::string& file, const std::string& content) const {
    std::FILE* stream = std::fopen((sensors() + "/" + file).c_str(), "w");
    std::fprintf(stream, "%s\n", content.c_str());
    std::fclose(stream);
  }
  void pass_time(double seconds, int milliamperes) {
    seconds_ += seconds;
    tell("curr2_input", std::to_string(milliamperes));
  }
  bool used(double millijoules) {
    const std::optional<double> found = meter->millijoules();
    return found && std::abs(*found - millijoules) < 1e-6;
  }

  std::optional<EnergyMeter> meter;

 private:
  std::string sensors() const { return folder_.path() + "/hwmon3"; }

  TemporaryFolder folder_{"/tmp/edgenet-hwmon-"};
  double seconds_ = 0;
};

void adds_up_the_power_of_a_whole_board(Report& report) {
  Board board;
  board.pass_time(0.1, 1000);
  board.meter->sample();
  board.pass_time(0.2, 3000);
  report.expect(board.used(0.1 * 5000 + 0.2 * 10000), "power is added up over time, in straight lines between samples");
  board.pass_time(0.001, 9000);
  board.meter->sample();
  board.pass_time(0.099, 3000);
  report.expect(board.used(1500), "a sensor is not read again at once");
}

void tells_nothing_while_a_sensor_cannot_be_read(Report& report) {
  Board board;
  board.tell("in2_input", "no number");
  board.pass_time(0.1, 1000);
  report.expect(!board.meter->millijoules(), "a sensor that cannot be read any more tells nothing");
  board.tell("in2_input", "5000");
  board.pass_time(0.1, 1000);
  report.expect(!board.meter->millijoules(), "one sample alone tells nothing");
  board.pass_time(0.1, 1000);
  report.expect(board.used(500), "a sensor that can be read again tells again");
}

}  // namespace

int main() {
  Report report;
  adds_up_packages(report);
  goes_on_from_the_last_reading(report);
  sees_through_a_counter_that_began_anew(report);
  tells_nothing_without_a_counter(report);
  adds_up_the_power_of_a_whole_board(report);
  tells_nothing_while_a_sensor_cannot_be_read(report);
  return report.finish();
}
