#include "lookup/group_rules.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/check.h"

namespace sluice {

PolicyId GroupRules::add_policy(std::span<const GroupIndex> groups, std::vector<KeyedRule> rules) {
  Policy policy;
  policy.groups_first = static_cast<std::uint32_t>(groups_.size());
  policy.groups_count = static_cast<std::uint32_t>(groups.size());
  groups_.insert(groups_.end(), groups.begin(), groups.end());
  for (const KeyedRule& rule : rules) note_reply_rule(policy, rule);
  const auto egress = std::partition(rules.begin(), rules.end(), [](const KeyedRule& rule) {
    return rule.direction == Direction::Ingress;
  });
  policy.tables[0] = build_table({rules.begin(), egress});
  policy.tables[1] = build_table({egress, rules.end()});
  policies_.push_back(policy);
  return static_cast<PolicyId>(policies_.size() - 1);
}

void GroupRules::seal() {
  port_sets_.seal();
  policies_.shrink_to_fit();
  groups_.shrink_to_fit();
  entries_.shrink_to_fit();
  others_.shrink_to_fit();
}

GroupRules::Table GroupRules::build_table(std::span<KeyedRule> rules) {
  Table table;
  table.first = static_cast<std::uint32_t>(entries_.size());
  if (rules.empty()) return table;
  std::sort(rules.begin(), rules.end(), [](const KeyedRule& a, const KeyedRule& b) {
    return std::tuple(a.key, a.proto, a.slot) < std::tuple(b.key, b.proto, b.slot);
  });
  std::vector<PeerRules> peers;
  for (std::size_t first = 0; first < rules.size();) {
    std::size_t last = first + 1;
    while (last < rules.size() && rules[last].key == rules[first].key) ++last;
    peers.push_back(build_peer(rules.subspan(first, last - first)));
    first = last;
  }
  const std::size_t slots = std::bit_ceil(2 * peers.size());
  entries_.resize(entries_.size() + slots);
  table.mask = static_cast<std::uint32_t>(slots - 1);
  table.entry_count = static_cast<std::uint32_t>(peers.size());
  for (const PeerRules& peer : peers) {
    std::uint32_t i = hash(peer.key);
    while (!entries_[table.first + (i & table.mask)].key.is_none()) ++i;
    entries_[table.first + (i & table.mask)] = peer;
  }
  return table;
}

// `rules`: all of one peer, ordered by protocol, then slot.
PeerRules GroupRules::build_peer(std::span<const KeyedRule> rules) {
  PeerRules peer;
  peer.key = rules.front().key;
  peer.others_first = static_cast<std::uint32_t>(others_.size());
  std::vector<PortRule> ranges;
  std::vector<OtherProto> any_proto;
  for (std::size_t first = 0; first < rules.size();) {
    const int proto = rules[first].proto;
    ranges.clear();
    std::size_t last = first;
    for (; last < rules.size() && rules[last].proto == proto; ++last) {
      ranges.push_back({rules[last].slot, rules[last].range});
    }
    if (proto == ProtoMatch::kAll) {
      peer.any_proto = rules[first].slot;
      for (const PortRule& any : ranges) any_proto.push_back({kAnyProto, any.rule});
    } else if (proto == static_cast<int>(Proto::Tcp)) {
      peer.tcp = port_sets_.add(ranges);
    } else if (proto == static_cast<int>(Proto::Udp)) {
      peer.udp = port_sets_.add(ranges);
    } else if (proto == static_cast<int>(Proto::Icmp)) {
      peer.icmp = port_sets_.add(ranges);
    } else if (proto == static_cast<int>(Proto::Icmpv6)) {
      peer.icmpv6 = port_sets_.add(ranges);
    } else {
      for (const PortRule& other : ranges) {
        others_.push_back({static_cast<std::uint32_t>(proto), other.rule});
      }
    }
    first = last;
  }
  others_.insert(others_.end(), any_proto.begin(), any_proto.end());
  peer.others_count = static_cast<std::uint32_t>(others_.size()) - peer.others_first;
  return peer;
}

void GroupRules::note_reply_rule(Policy& policy, const KeyedRule& rule) const {
  if (!rule.is_any_address) return;
  for (const Proto proto : {Proto::Tcp, Proto::Udp}) {
    const bool is_all = rule.proto == ProtoMatch::kAll;
    const bool is_this = rule.proto == static_cast<int>(proto) && rule.range.is_everything();
    if (!is_all && !is_this) continue;
    RuleSlot& known = policy.reply_rules[reply_index(rule.direction, rule.family, proto)];
    known = std::min(known, rule.slot);
  }
}

std::span<const GroupRules::OtherProto> GroupRules::other_rules(const PeerRules& peer,
                                                                std::uint32_t proto) const {
  const auto first = others_.begin() + peer.others_first;
  const auto last = first + peer.others_count;
  const auto [from, to] =
      std::equal_range(first, last, OtherProto{proto, 0},
                       [](const OtherProto& a, const OtherProto& b) { return a.proto < b.proto; });
  return {from, to};
}

std::size_t GroupRules::size() const {
  return policies_.capacity() * sizeof(Policy) + groups_.capacity() * sizeof(GroupIndex) +
         entries_.capacity() * sizeof(PeerRules) + others_.capacity() * sizeof(OtherProto) +
         port_sets_.size();
}

}  // namespace sluice
