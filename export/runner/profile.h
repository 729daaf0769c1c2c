// Where the time goes: ONNX Runtime's own record of a model that runs in a session of its own.
#pragma once
#include <string>

#include "session.h"

namespace edgenet {

/// How often a model runs under a profile, after a first time that does not count: for some seconds, within a least and
/// a most; the same rules as edgenet/bench/recording.py.
struct Runs {
  double seconds;
  int least;
  int most;
  bool shapes;  ///< whether events say what their nodes give
};

/// {"graph": what ONNX Runtime made of the model, ONNX in base64, its larger weights left out,
///  "events": [{"name", "ts", "dur"}], its runs and the nodes in them, in microseconds}.
/// With `shapes` the event of a node also has "args": {"output_type_shape": [{type: shape}, ...]}.
/// What is written on the way lies in a folder beside the model, which is removed.
json::Value profile(const Runtime& runtime, const std::string& model, Session::Options options, const Feeds& feeds,
                    const Runs& runs);

}  // namespace edgenet
