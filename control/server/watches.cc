#include "control/server/watches.h"

#include <algorithm>
#include <utility>

#include "control/server/rpc.h"
#include "control/server/stage_report.h"

namespace sluice {
namespace {

constexpr std::size_t kEventsPerDrain = 512;
constexpr std::size_t kDrainsPerRun = 16;

std::string_view method_of(WatchRequest::Kind kind) {
  switch (kind) {
    case WatchRequest::Kind::Flows:
      return "flow.watch";
    case WatchRequest::Kind::Drops:
      return "drop.watch";
    case WatchRequest::Kind::Stats:
      return "stats.watch";
    case WatchRequest::Kind::Stages:
      return "stats.stages";
  }
  return "";
}

}  // namespace

Watches::Watches(Engine& engine, const Registry& registry,
                 std::function<nlohmann::ordered_json()> stats)
    : engine_(engine), registry_(registry), stats_(std::move(stats)), events_(kEventsPerDrain) {}

Result<std::uint64_t> Watches::add(WatchRequest request, std::uint64_t now_ms) {
  if (streams_.size() >= kStreamsMax) {
    return Error{ErrorKind::LimitExceeded, "too-many-streams",
                 std::to_string(kStreamsMax) + " streams are open, no more are taken", ""};
  }
  const auto own = std::count_if(streams_.begin(), streams_.end(), [&](const Stream& one) {
    return one.request.connection == request.connection;
  });
  if (static_cast<std::size_t>(own) >= kStreamsPerConnectionMax) {
    return Error{ErrorKind::LimitExceeded, "too-many-streams",
                 "this connection has " + std::to_string(kStreamsPerConnectionMax) +
                     " streams, no more are taken",
                 ""};
  }
  Stream stream{next_number_, std::move(request), 0, now_ms, {}};
  if (stream.request.kind == WatchRequest::Kind::Stages) {
    // The first notification tells of a whole interval.
    stream.due_ms += std::uint64_t{1'000} * stream.request.interval_s;
    stream.former = engine_.stage_times();
  }
  streams_.push_back(std::move(stream));
  tell_engine();
  return next_number_++;
}

bool Watches::stop(std::uint64_t connection, std::uint64_t stream, const Sink& sink) {
  const auto place = std::find_if(streams_.begin(), streams_.end(), [&](const Stream& one) {
    return one.number == stream && one.request.connection == connection;
  });
  if (place == streams_.end()) return false;
  end(*place, "stopped", sink);
  streams_.erase(place);
  tell_engine();
  return true;
}

void Watches::forget(std::uint64_t connection) {
  std::erase_if(streams_, [&](const Stream& one) { return one.request.connection == connection; });
  tell_engine();
}

void Watches::stop_all(const Sink& sink) {
  for (const Stream& stream : streams_) end(stream, "the appliance stops", sink);
  streams_.clear();
  tell_engine();
}

bool Watches::has_streams(std::uint64_t connection) const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [&](const Stream& one) { return one.request.connection == connection; });
}

void Watches::run(std::uint64_t now_ms, const Sink& sink) {
  if (streams_.empty()) return;
  if (watching_.flows || watching_.drops) run_events(sink);
  run_stats(now_ms, sink);
  run_stages(now_ms, sink);
  remove_finished(sink);
}

// Workers tell events only while somebody wants them.
void Watches::tell_engine() {
  const auto is_watched = [&](WatchRequest::Kind kind) {
    return std::any_of(streams_.begin(), streams_.end(),
                       [&](const Stream& one) { return one.request.kind == kind; });
  };
  const Watching wanted{is_watched(WatchRequest::Kind::Flows),
                        is_watched(WatchRequest::Kind::Drops),
                        is_watched(WatchRequest::Kind::Stages)};
  if (wanted == watching_) return;
  watching_ = wanted;
  engine_.watch(wanted);
}

void Watches::run_events(const Sink& sink) {
  for (std::size_t i = 0; i < kDrainsPerRun; ++i) {
    const std::size_t count = engine_.drain_watch(events_);
    for (std::size_t k = 0; k < count; ++k) hand_out(events_[k], sink);
    if (count < events_.size()) return;
  }
}

void Watches::hand_out(const WatchEvent& event, const Sink& sink) {
  const auto kind =
      event.kind == WatchEvent::Kind::Drop ? WatchRequest::Kind::Drops : WatchRequest::Kind::Flows;
  nlohmann::ordered_json params;
  for (Stream& stream : streams_) {
    if (stream.request.kind != kind || !stream.request.filter.matches(event)) continue;
    if (params.is_null()) params = event_to_json(event, port_id(event.nic), registry_);
    send(stream, params, sink);
  }
}

void Watches::run_stats(std::uint64_t now_ms, const Sink& sink) {
  nlohmann::ordered_json params;
  for (Stream& stream : streams_) {
    if (stream.request.kind != WatchRequest::Kind::Stats || now_ms < stream.due_ms) continue;
    stream.due_ms = now_ms + std::uint64_t{1'000} * stream.request.interval_s;
    if (params.is_null()) params = stats_();
    send(stream, params, sink);
  }
}

void Watches::run_stages(std::uint64_t now_ms, const Sink& sink) {
  for (Stream& stream : streams_) {
    if (stream.request.kind != WatchRequest::Kind::Stages || now_ms < stream.due_ms) continue;
    stream.due_ms = now_ms + std::uint64_t{1'000} * stream.request.interval_s;
    std::vector<StageTimes> now = engine_.stage_times();
    send(stream, stages_to_json(stream.former, now, engine_.cycles_per_second()), sink);
    stream.former = std::move(now);
  }
}

void Watches::send(Stream& stream, nlohmann::ordered_json params, const Sink& sink) {
  if (stream.request.limit && stream.sent >= *stream.request.limit) return;
  ++stream.sent;
  nlohmann::ordered_json all = {{"stream", stream.number}};
  all.update(params);
  sink(stream.request.connection, notification_line(method_of(stream.request.kind), all));
}

void Watches::end(const Stream& stream, std::string_view reason, const Sink& sink) {
  sink(stream.request.connection,
       notification_line(method_of(stream.request.kind),
                         {{"stream", stream.number}, {"end", true}, {"reason", reason}}));
}

void Watches::remove_finished(const Sink& sink) {
  const auto is_finished = [&](const Stream& stream) {
    if (!stream.request.limit || stream.sent < *stream.request.limit) return false;
    end(stream, "limit", sink);
    return true;
  };
  if (std::erase_if(streams_, is_finished) != 0) tell_engine();
}

std::string Watches::port_id(NicIndex nic) {
  if (nic.is_none()) return "";
  if (port_ids_.empty()) {
    for (const NicStatus& status : engine_.nics()) {
      if (status.nic.value() >= port_ids_.size()) port_ids_.resize(status.nic.value() + 1u);
      port_ids_[status.nic.value()] = status.id;
    }
  }
  return nic.value() < port_ids_.size() ? port_ids_[nic.value()] : "";
}

}  // namespace sluice
