#include "lookup/group_table.h"

#include <algorithm>
#include <new>
#include <tuple>

namespace sluice {

namespace {

std::uint16_t lane_proto(std::int16_t proto) {
  return proto == ProtoMatch::kAll ? RuleLanes::kAnyProto : static_cast<std::uint16_t>(proto);
}

std::size_t count_peers(std::span<const KeyedRule> rules) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (i == 0 || rules[i].key != rules[i - 1].key) ++count;
  }
  return count;
}

std::size_t slot_count(std::size_t peers) { return std::bit_ceil(peers + peers / 3 + 1); }

}  // namespace

// Lays arrays of 4-byte and then of 2-byte numbers one behind the other.
class GroupTable::Writer {
 public:
  static std::size_t size_of(std::size_t rules, std::size_t peers) {
    if (rules == 0) return 0;
    return 4 * (slot_count(peers) + peers + (peers + 1) + rules) +
           2 * 3 * (rules + RuleLanes::kStride);
  }

  explicit Writer(std::byte* memory) : next_(memory) {}

  // `rules`: those of one direction, by key, then id.
  Part write(std::span<const KeyedRule> rules) {
    Part part;
    if (rules.empty()) return part;
    part.peer_count = static_cast<std::uint32_t>(count_peers(rules));
    const std::size_t slots = slot_count(part.peer_count);
    part.slot_mask = static_cast<std::uint32_t>(slots - 1);
    std::span<std::uint32_t> slot = take<std::uint32_t>(slots, kNoPeer);
    std::span<PeerKey> keys = take<PeerKey>(part.peer_count, PeerKey());
    std::span<std::uint32_t> firsts = take<std::uint32_t>(part.peer_count + std::size_t{1}, 0);
    std::span<RuleIndex> ids = take<RuleIndex>(rules.size(), RuleIndex());
    const std::size_t lanes = rules.size() + RuleLanes::kStride;
    std::span<std::uint16_t> protos = take<std::uint16_t>(lanes, RuleLanes::kNoProto);
    std::span<std::uint16_t> lows = take<std::uint16_t>(lanes, 0);
    std::span<std::uint16_t> highs = take<std::uint16_t>(lanes, 0);
    std::uint32_t peer = 0;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (i == 0 || rules[i].key != rules[i - 1].key) {
        keys[peer] = rules[i].key;
        firsts[peer] = static_cast<std::uint32_t>(i);
        enter(slot, rules[i].key, peer++);
      }
      ids[i] = rules[i].rule;
      protos[i] = lane_proto(rules[i].proto);
      lows[i] = rules[i].range.low;
      highs[i] = rules[i].range.high;
    }
    firsts[peer] = static_cast<std::uint32_t>(rules.size());
    part.slots = slot.data();
    part.keys = keys.data();
    part.firsts = firsts.data();
    part.all = {protos.data(), lows.data(), highs.data(), ids.data(),
                static_cast<std::uint32_t>(rules.size())};
    return part;
  }

 private:
  template <class T>
  std::span<T> take(std::size_t count, T value) {
    T* first = reinterpret_cast<T*>(next_);
    next_ += count * sizeof(T);
    for (std::size_t i = 0; i < count; ++i) new (first + i) T(value);
    return {first, count};
  }
  static void enter(std::span<std::uint32_t> slots, PeerKey key, std::uint32_t peer) {
    std::size_t i = hash(key) & (slots.size() - 1);
    while (slots[i] != kNoPeer) i = (i + 1) & (slots.size() - 1);
    slots[i] = peer;
  }

  std::byte* next_;
};

GroupTable::GroupTable(std::span<KeyedRule> rules) {
  std::sort(rules.begin(), rules.end(), [](const KeyedRule& a, const KeyedRule& b) {
    return std::tuple(a.direction, a.key, a.is_conditional, a.order) <
           std::tuple(b.direction, b.key, b.is_conditional, b.order);
  });
  note_reply_rules(rules);
  const auto egress = std::find_if(rules.begin(), rules.end(), [](const KeyedRule& rule) {
    return rule.direction == Direction::Egress;
  });
  const std::span<const KeyedRule> by_direction[] = {{rules.begin(), egress},
                                                     {egress, rules.end()}};
  for (const auto& part : by_direction) {
    // Each part begins at a multiple of 4.
    memory_size_ += (Writer::size_of(part.size(), count_peers(part)) + 3) / 4 * 4;
  }
  if (memory_size_ == 0) return;
  memory_ = std::make_unique<std::byte[]>(memory_size_);
  std::byte* place = memory_.get();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    parts_[i] = Writer(place).write(by_direction[i]);
    place += (Writer::size_of(by_direction[i].size(), parts_[i].peer_count) + 3) / 4 * 4;
  }
}

void GroupTable::note_reply_rules(std::span<const KeyedRule> rules) {
  std::array<RuleOrder, 8> best;
  for (const KeyedRule& rule : rules) {
    if (!rule.is_any_address || rule.is_conditional) continue;
    for (const Proto proto : {Proto::Tcp, Proto::Udp}) {
      const bool is_all = rule.proto == ProtoMatch::kAll;
      const bool is_this = rule.proto == static_cast<int>(proto) && rule.range.is_everything();
      const std::size_t place = reply_index(rule.direction, rule.family, proto);
      if ((!is_all && !is_this) || !(rule.order < best[place])) continue;
      best[place] = rule.order;
      reply_rules_[place] = rule.rule;
    }
  }
}

}  // namespace sluice
