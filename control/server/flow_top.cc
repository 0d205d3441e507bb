#include "control/server/flow_top.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "control/explain/query.h"

namespace sluice {
namespace {

// What the interface was asked for, or asks for: the port that the initiator named.
std::string service_of(const FlowView& flow) {
  const FlowTuple& tuple = flow.tuple;
  std::string text = protocol_word(tuple.proto);
  if (!has_ports(tuple.proto)) return text;
  const bool is_asked = flow.initiator == Direction::Ingress;
  return text + "/" + std::to_string(is_asked ? tuple.local_port : tuple.remote_port);
}

}  // namespace

TalkerKind talker_kind(std::string_view word) {
  if (word == "local") return TalkerKind::Local;
  if (word == "interface") return TalkerKind::Interface;
  if (word == "service") return TalkerKind::Service;
  return TalkerKind::Remote;
}

TalkerRank talker_rank(std::string_view word) {
  if (word == "packets") return TalkerRank::Packets;
  if (word == "bytes") return TalkerRank::Bytes;
  return TalkerRank::Flows;
}

std::string FlowTop::name_of_talker(const FlowView& flow) const {
  switch (kind_) {
    case TalkerKind::Remote:
      return flow.tuple.remote.to_string();
    case TalkerKind::Local:
      return flow.tuple.local.to_string();
    case TalkerKind::Interface:
      return registry_.interfaces.name_of(flow.tuple.eni);
    case TalkerKind::Service:
      return service_of(flow);
  }
  return "";
}

void FlowTop::add(const FlowView& flow) {
  ++flow_count_;
  Sums& sums = talkers_[name_of_talker(flow)];
  ++sums.flows;
  const bool is_half_open =
      flow.phase == FlowPhase::SynSent || flow.phase == FlowPhase::SynReceived;
  sums.half_open += is_half_open ? 1 : 0;
  sums.packets += std::uint64_t{flow.packets[0]} + flow.packets[1];
  sums.bytes += flow.bytes[0] + flow.bytes[1];
}

nlohmann::ordered_json FlowTop::to_json(TalkerRank rank, std::size_t limit) const {
  using Entry = std::pair<const std::string, Sums>;
  std::vector<const Entry*> all;
  all.reserve(talkers_.size());
  for (const Entry& entry : talkers_) all.push_back(&entry);
  const auto weight = [rank](const Sums& sums) {
    if (rank == TalkerRank::Packets) return sums.packets;
    return rank == TalkerRank::Bytes ? sums.bytes : sums.flows;
  };
  const auto shown = static_cast<std::ptrdiff_t>(std::min(limit, all.size()));
  std::partial_sort(all.begin(), all.begin() + shown, all.end(),
                    [&](const Entry* one, const Entry* other) {
                      const std::uint64_t first = weight(one->second);
                      const std::uint64_t second = weight(other->second);
                      return first != second ? first > second : one->first < other->first;
                    });
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (auto entry = all.begin(); entry != all.begin() + shown; ++entry) {
    const Sums& sums = (*entry)->second;
    out.push_back({{"talker", (*entry)->first},
                   {"flows", sums.flows},
                   {"half_open", sums.half_open},
                   {"packets", sums.packets},
                   {"bytes", sums.bytes}});
  }
  return out;
}

}  // namespace sluice
