#pragma once

// The streams that clients have asked for: `flow.watch`, `drop.watch`, `stats.watch`,
// `stats.stages`. While nobody watches, workers are told so and nobody pays.
//
// Each stream begins with the answer to its request, which carries its number, and ends with a
// notification of its own ({"stream":N,"end":true,"reason":…}). Control thread only.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "control/policy/registry.h"
#include "control/server/flow_filter.h"
#include "dataplane/engine.h"

namespace sluice {

inline constexpr std::size_t kStreamsMax = 256;  // of all clients together
inline constexpr std::size_t kStreamsPerConnectionMax = 8;

struct WatchRequest {
  enum class Kind : std::uint8_t { Flows, Drops, Stats, Stages };
  Kind kind = Kind::Flows;
  std::uint64_t connection = 0;
  EventFilter filter;
  std::optional<std::uint64_t> limit;  // notifications before the end
  std::uint32_t interval_s = 1;        // of stats and stages
};

class Watches {
 public:
  // Takes a line for a connection; the line is complete but for its newline.
  using Sink = std::function<void(std::uint64_t connection, const std::string& line)>;

  // All outlive this. `stats` makes the answer of the request of that name.
  Watches(Engine& engine, const Registry& registry, std::function<nlohmann::ordered_json()> stats);

  // The number of the new stream. LimitExceeded beyond kStreamsMax and
  // kStreamsPerConnectionMax.
  Result<std::uint64_t> add(WatchRequest request, std::uint64_t now_ms);
  // Ends one stream of the connection; false if it has none of that number.
  bool stop(std::uint64_t connection, std::uint64_t stream, const Sink& sink);
  // The client is gone.
  void forget(std::uint64_t connection);
  // The appliance stops: ends every stream.
  void stop_all(const Sink& sink);

  bool has_streams() const { return !streams_.empty(); }
  bool has_streams(std::uint64_t connection) const;
  // Hands out what has happened since the last call. Bounded work.
  void run(std::uint64_t now_ms, const Sink& sink);

 private:
  struct Stream {
    std::uint64_t number = 0;
    WatchRequest request;
    std::uint64_t sent = 0;
    std::uint64_t due_ms = 0;        // of stats and stages
    std::vector<StageTimes> former;  // of stages: at the last notification
  };

  void tell_engine();
  void run_events(const Sink& sink);
  void run_stats(std::uint64_t now_ms, const Sink& sink);
  void run_stages(std::uint64_t now_ms, const Sink& sink);
  void hand_out(const WatchEvent& event, const Sink& sink);
  void send(Stream& stream, nlohmann::ordered_json params, const Sink& sink);
  void end(const Stream& stream, std::string_view reason, const Sink& sink);
  void remove_finished(const Sink& sink);
  std::string port_id(NicIndex nic);

  Engine& engine_;
  const Registry& registry_;
  std::function<nlohmann::ordered_json()> stats_;
  std::vector<Stream> streams_;
  std::uint64_t next_number_ = 1;
  Watching watching_;
  std::vector<std::string> port_ids_;
  std::vector<WatchEvent> events_;
};

}  // namespace sluice
