#include "profile.h"

#include <algorithm>
#include <stdexcept>

#include "files.h"
#include "timer.h"

namespace edgenet {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

void run_often(const Session& session, const Feeds& feeds, const Runs& runs) {
  session.run(feeds);
  const double start = seconds_now();
  session.run(feeds);
  const double fitting = runs.seconds / (seconds_now() - start);
  const int count = static_cast<int>(std::clamp<double>(fitting, runs.least, runs.most));
  for (int i = 1; i < count; ++i) session.run(feeds);
}

/// The events that tell of runs and nodes, which are a small part of the file; it has one a line, as a whole it may not
/// fit into a board's memory.
json::List read_events(const std::string& file, bool shapes) {
  json::List events;
  for_lines(file, [&](const std::string& line) {
    if (line.empty() || line[0] != '{') return;
    const json::Value event = json::read(line.substr(0, line.rfind('}') + 1));
    const std::string& name = event["name"].text();
    if (name != "model_run" && !ends_with(name, "_kernel_time")) return;
    json::Members told{{"name", name}, {"ts", event["ts"]}, {"dur", event["dur"]}};
    if (shapes && name != "model_run") {
      told.emplace_back("args", json::Members{{"output_type_shape", event["args"]["output_type_shape"]}});
    }
    events.emplace_back(std::move(told));
  });
  if (events.empty()) throw std::runtime_error("ONNX Runtime recorded nothing of what it ran");
  return events;
}

}  // namespace

json::Value profile(const Runtime& runtime, const std::string& model, Session::Options options, const Feeds& feeds,
                    const Runs& runs) {
  const TemporaryFolder folder(model + "-profile-");
  options.record_to = folder.path();
  const Session session(runtime, model, options);
  run_often(session, feeds, runs);
  json::List events = read_events(session.end_profiling(), runs.shapes);
  const std::string graph = read_file(folder.path() + "/" + Session::kOptimized);
  return json::Members{{"graph", base64(reinterpret_cast<const unsigned char*>(graph.data()), graph.size())},
                       {"events", std::move(events)}};
}

}  // namespace edgenet
