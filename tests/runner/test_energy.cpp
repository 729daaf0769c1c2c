// What processors tell of the energy they use, from counters as the kernel shows them; tests/bench/test_energy.py in
// C++.
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "energy.h"
#include "files.h"
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

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
  EnergyMeter meter(powercap.path());
  for (const char* name : {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"}) powercap.set(name, "1004000");
  report.expect(meter.millijoules() == 8.0, "packages are added up, and what lies within them is not counted twice");
}

/// A package whose counter stands so when its meter is made.
struct Metered {
  explicit Metered(const char* microjoules) {
    powercap.set("intel-rapl:0", microjoules);
    meter.emplace(powercap.path());
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
  report.expect(!EnergyMeter(powercap.path()).millijoules(), "without a counter nothing is told");
  powercap.add("intel-rapl:0");
  report.expect(!EnergyMeter(powercap.path()).millijoules(), "of a counter that cannot be read nothing is told");
  report.expect(!EnergyMeter("/no/such/folder/").millijoules(), "without the kernel's folder nothing is told");
}

}  // namespace

int main() {
  Report report;
  adds_up_packages(report);
  goes_on_from_the_last_reading(report);
  sees_through_a_counter_that_began_anew(report);
  tells_nothing_without_a_counter(report);
  return report.finish();
}
