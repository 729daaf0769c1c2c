// edgenet-runner [--idle SECONDS] ONNXRUNTIME [LIBRARY]: holds one model and answers requests, a line of JSON each,
// until its standard input ends; what `python -m edgenet.bench.worker` is where there is Python. ONNXRUNTIME is
// libonnxruntime.so, LIBRARY the operator library. With --idle it also ends when it has waited so long for a line; an
// empty one has no reply.
//
//   {"do": "describe"}                    -> the machine (machine.h), "onnxruntime", "isa", "operators"
//   {"do": "health"}                      -> what may change on it (machine.h)
//   {"do": "quiet_cores", "count"}        -> [core, ...]
//   {"do": "load", "files", "native", "threads", "cores"}
//                                         -> {"load_ms", "rss_load_peak_bytes", "kernels", "inputs", "optional"}
//   {"do": "feed", FEEDS}                 -> null; what is timed from now on
//   {"do": "warm_up", "seconds"}          -> {"first_ms", "run_ms", "rss_run_bytes"}
//   {"do": "block", "runs"}               -> {"times_ms", "disturbed": null | sentence, "company": other cores at work,
//                                             "energy_mj": a run | null}
//   {"do": "run", FEEDS}                  -> [{"name", "type", "shape", "data"}, ...]
//   {"do": "decode", FEEDS}               -> [[token, ...], ...]
//   {"do": "profile", "model", "native", "seconds", "least", "most", "shapes", FEEDS}
//                                         -> {"graph", "events"} (profile.h), of any model on one thread
//
// FEEDS: "file" and "tensors" (tensor.h); of an encoder and its decoder, which "files" then names, "begin" and "steps"
// too. A reply is {"ok": value} or {"error": sentence}.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "energy.h"
#include "network.h"
#include "profile.h"
#include "timer.h"

namespace edgenet {
namespace {

/// The state between requests.
class Worker {
 public:
  explicit Worker(const Runtime& runtime) : runtime_(runtime), baseline_(resident_bytes()) {}

  json::Value answer(const json::Value& request) {
    const std::string& what = request["do"].text();
    if (what == "describe") return describe();
    if (what == "health") return describe_health();
    if (what == "quiet_cores") return numbers(quiet_cores(static_cast<size_t>(request["count"].integer())));
    if (what == "load") return load(request);
    if (what == "profile") return record(request);
    if (!network_) throw std::runtime_error("no model has been loaded");
    if (what == "feed") return feed(request);
    if (what == "run") return run(request);
    if (what == "decode") return decode(request);
    if (!feeds_) throw std::runtime_error("the model has been fed nothing");
    if (what == "warm_up") return warm_up(request["seconds"].number());
    if (what == "block") return block(static_cast<int>(request["runs"].integer()));
    throw std::runtime_error("there is no request '" + what + "'");
  }

 private:
  template <class Number>
  static json::Value numbers(const std::vector<Number>& values) {
    return json::List(values.begin(), values.end());
  }

  json::Value describe() const {
    json::Members machine = describe_machine();
    const std::string isa = runtime_.library_text("edgenet_isa"), version = runtime_.library_text("edgenet_version");
    machine.emplace_back("onnxruntime", runtime_.version());
    machine.emplace_back("isa", isa.empty() ? json::Value() : json::Value(isa));
    machine.emplace_back("operators", version.empty() ? json::Value() : json::Value(version));
    return machine;
  }

  json::Value load(const json::Value& request) {
    Session::Options options;
    options.threads = static_cast<int>(request["threads"].integer());
    options.native = request["native"].boolean();
    std::vector<int> cores;
    for (const json::Value& core : request["cores"].items()) cores.push_back(static_cast<int>(core.integer()));
    // Threads that share a core wait for each other; the caller, who works as well, is on the first.
    const size_t threads = static_cast<size_t>(options.threads);
    if (threads > 1 && cores.size() >= threads) {
      for (size_t i = 1; i < threads; ++i) {
        // ONNX Runtime counts cores from 1.
        options.affinities += (i > 1 ? ";" : "") + std::to_string(cores[i] + 1);
      }
      stay_on({cores[0]});
    } else {
      stay_on(cores);
    }
    std::vector<std::string> files;
    for (const json::Value& file : request["files"].items()) files.push_back(file.text());
    reset_peak();
    const double start = seconds_now();
    network_ = std::make_unique<Network>(runtime_, files, options);
    const double load_ms = (seconds_now() - start) * 1e3;
    const int64_t peak = peak_resident_bytes() - baseline_;
    timer_ = std::make_unique<BlockTimer>(cores, options.threads);
    energy_ = std::make_unique<EnergyMeter>();
    return json::Members{{"load_ms", load_ms},
                         {"rss_load_peak_bytes", peak},
                         {"kernels", network_->kernels()},
                         {"inputs", network_->first().describe_inputs()},
                         {"optional", network_->first().describe_optional()}};
  }

  Feeds read_feeds(const json::Value& request) const {
    return Feeds(request["file"].text(), request["tensors"].items());
  }

  json::Value feed(const json::Value& request) {
    // What is fed is no memory of the model.
    const int64_t before = resident_bytes();
    feeds_ = std::make_unique<Feeds>(read_feeds(request));
    not_the_model_ = baseline_ + resident_bytes() - before;
    if (network_->pair()) begin_ = request["begin"].integer(), steps_ = static_cast<int>(request["steps"].integer());
    return {};
  }

  void once() const { network_->once(*feeds_, begin_, steps_); }

  double time_one() const {
    const double start = seconds_now();
    once();
    return (seconds_now() - start) * 1e3;
  }

  json::Value warm_up(double seconds) const {
    const double first_ms = time_one();
    // ResNet-18 takes some three runs until its memory pattern and caches stand.
    std::vector<double> times;
    for (const double end = seconds_now() + seconds; times.size() < 3 || seconds_now() < end;)
      times.push_back(time_one());
    std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
    return json::Members{{"first_ms", first_ms},
                         {"run_ms", times[times.size() / 2]},
                         {"rss_run_bytes", resident_bytes() - not_the_model_}};
  }

  json::Value block(int runs) const {
    // The model before us in the round has emptied the caches.
    once();
    energy_->millijoules();
    const Block block = timer_->run([this] { once(); }, runs, [this] { energy_->sample(); });
    const std::optional<double> used = energy_->millijoules();
    return json::Members{{"times_ms", numbers(block.times_ms)},
                         {"disturbed", block.disturbance.empty() ? json::Value() : json::Value(block.disturbance)},
                         {"company", block.company},
                         {"energy_mj", used ? json::Value(*used / runs) : json::Value()}};
  }

  json::Value record(const json::Value& request) const {
    Session::Options options;
    options.native = request["native"].boolean();
    const Runs runs{request["seconds"].number(), static_cast<int>(request["least"].integer()),
                    static_cast<int>(request["most"].integer()), request["shapes"].boolean()};
    return profile(runtime_, request["model"].text(), options, read_feeds(request), runs);
  }

  json::Value run(const json::Value& request) const {
    const std::vector<ValueHandle> results = network_->run(read_feeds(request));
    json::List outputs;
    for (size_t i = 0; i < results.size(); ++i) {
      outputs.push_back(describe_tensor(network_->outputs()[i], results[i].get()));
    }
    return outputs;
  }

  json::Value decode(const json::Value& request) const {
    json::List samples;
    const Feeds feeds = read_feeds(request);
    const int steps = static_cast<int>(request["steps"].integer());
    for (const std::vector<int64_t>& tokens : network_->decode(feeds, request["begin"].integer(), steps)) {
      samples.push_back(numbers(tokens));
    }
    return samples;
  }

  const Runtime& runtime_;
  const int64_t baseline_;  ///< memory of a process that has only loaded ONNX Runtime
  int64_t not_the_model_ = 0;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Feeds> feeds_;
  std::unique_ptr<BlockTimer> timer_;
  std::unique_ptr<EnergyMeter> energy_;
  int64_t begin_ = 0;
  int steps_ = 0;
};

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  }
  return text;
}

/// Ends this process as soon as nobody reads its replies any more, whatever it is working on: a connection that broke
/// must leave nothing running.
void end_with_reader(int replies) {
  std::thread([replies] {
    pollfd reader{replies, 0, 0};
    while (poll(&reader, 1, -1) <= 0) {
    }
    _exit(1);
  }).detach();
}

/// Ends this process where who asks has vanished with the network, of which neither its input nor its output tells for
/// hours.
void end_forgotten(int) {
  constexpr char kSentence[] = "edgenet-runner was asked nothing for as long as --idle says, and has ended\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kSentence, sizeof kSentence - 1);
  _exit(1);
}

struct Arguments {
  unsigned idle_seconds = 0;  ///< 0: waits for ever
  const char* onnxruntime = nullptr;
  const char* library = nullptr;
};

constexpr long kMostIdleSeconds = 1000000;

/// What the command line says; nothing where that is not how it is called.
std::optional<Arguments> read_arguments(int argc, char** argv) {
  Arguments read;
  if (argc > 2 && std::strcmp(argv[1], "--idle") == 0) {
    char* end = nullptr;
    const long seconds = std::strtol(argv[2], &end, 10);
    if (*end != '\0' || seconds <= 0 || seconds > kMostIdleSeconds) return {};
    read.idle_seconds = static_cast<unsigned>(seconds);
    argc -= 2, argv += 2;
  }
  if (argc < 2 || argc > 3) return {};
  read.onnxruntime = argv[1], read.library = argv[2];  // null at the end
  return read;
}

int serve(int argc, char** argv) {
  const std::optional<Arguments> arguments = read_arguments(argc, argv);
  if (!arguments) {
    std::fputs(
        "usage: edgenet-runner [--idle SECONDS] ONNXRUNTIME [LIBRARY] (libonnxruntime.so and libedgenet_ops.so)\n",
        stderr);
    return 2;
  }
  // Whatever a library prints must not get between the replies.
  const int replies = dup(STDOUT_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  std::FILE* out = fdopen(replies, "w");
  end_with_reader(replies);
  Runtime runtime(arguments->onnxruntime);
  Worker worker(runtime);
  if (arguments->library) runtime.open_library(arguments->library);
  std::signal(SIGALRM, end_forgotten);
  alarm(arguments->idle_seconds);
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) {  // only says that somebody is there
      alarm(arguments->idle_seconds);
      continue;
    }
    alarm(0);
    json::Members reply;
    try {
      reply.emplace_back("ok", worker.answer(json::read(line)));
    } catch (const std::exception& error) {
      reply.emplace_back("error", one_line(error.what()));
    }
    const std::string text = json::Value(std::move(reply)).write() + "\n";
    // Who is not there does not take the reply either.
    alarm(arguments->idle_seconds);
    if (std::fwrite(text.data(), 1, text.size(), out) != text.size() || std::fflush(out) != 0) return 1;
  }
  // Not through destructors: a library that tidies up at exit may find another one gone.
  std::fflush(nullptr);
  _exit(0);
}

}  // namespace
}  // namespace edgenet

int main(int argc, char** argv) {
  try {
    return edgenet::serve(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
