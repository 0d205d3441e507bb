#include "lookup/verdict_cache.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "lookup/judge.h"
#include "lookup/remote_peers.h"

namespace sluice {

namespace {

// A lane on its way into an entry.
struct Lane {
  RuleOrder order;
  PortRange range;
  RuleIndex rule;
  bool is_open;
};

// True if everything that `later` allows `earlier`, of a smaller id, allows and names already.
bool hides(const Lane& earlier, const Lane& later) {
  const bool covers =
      earlier.range.low <= later.range.low && later.range.high <= earlier.range.high;
  return covers && (earlier.is_open || !later.is_open);
}

// Keeps the lanes that matter, in the order of their ids.
class LaneList {
 public:
  void add(const Lane& lane) { lanes_.push_back(lane); }
  std::vector<Lane>& settle() {
    std::sort(lanes_.begin(), lanes_.end(),
              [](const Lane& a, const Lane& b) { return a.order < b.order; });
    std::vector<Lane> kept;
    for (const Lane& lane : lanes_) {
      const bool is_hidden = std::any_of(kept.begin(), kept.end(),
                                         [&](const Lane& other) { return hides(other, lane); });
      if (!is_hidden) kept.push_back(lane);
      if (kept.size() > CachedVerdict::kLanes) break;
    }
    lanes_ = std::move(kept);
    return lanes_;
  }

 private:
  std::vector<Lane> lanes_;
};

VerdictKey key_of(const PolicySnapshot& snapshot, const InterfaceRow& row, const Question& question,
                  const PacketKind& packet, const RemoteClass& remote) {
  unsigned kind = RuleLanes::proto_of(packet);
  if (question.direction == Direction::Egress) kind |= VerdictKey::kEgress;
  if (packet.family == Family::Ipv6) kind |= VerdictKey::kIpv6;
  return {snapshot.generation().value() + 1,
          row.policy,
          remote.prefix,
          remote.policy,
          static_cast<std::uint16_t>(kind),
          0,
          0};
}

// Bit i: lane i holds the port.
unsigned lanes_with(const CachedVerdict& entry, std::uint16_t port) {
  const __m128i ports = _mm_set1_epi16(static_cast<short>(port));
  const auto load = [](const std::array<std::uint16_t, CachedVerdict::kLanes>& lanes) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes.data()));
  };
  const __m128i is_from = _mm_cmpeq_epi16(_mm_max_epu16(load(entry.lows), ports), ports);
  const __m128i is_to = _mm_cmpeq_epi16(_mm_min_epu16(load(entry.highs), ports), ports);
  return static_cast<unsigned>(
      _mm_movemask_epi8(_mm_packs_epi16(_mm_and_si128(is_from, is_to), _mm_setzero_si128())));
}

GroupAnswer answer_of(const CachedVerdict& entry, const PacketKind& packet) {
  const unsigned hits = lanes_with(entry, packet.port);
  if (hits == 0) return {};
  const bool is_untracked =
      (hits & entry.open_lanes) != 0 && entry.has_reply != 0 && has_ports(packet.proto);
  return {entry.rules[static_cast<std::size_t>(std::countr_zero(hits))], !is_untracked};
}

void clear(CachedVerdict& entry, const VerdictKey& key) {
  entry = CachedVerdict{};
  entry.key = key;
  entry.lows.fill(1);  // with highs of 0: holds nothing
  entry.rules.fill(RuleIndex());
}

void set_lane(CachedVerdict& entry, std::size_t i, const Lane& lane) {
  entry.lows[i] = lane.range.low;
  entry.highs[i] = lane.range.high;
  entry.rules[i] = lane.rule;
  entry.open_lanes = static_cast<std::uint8_t>(entry.open_lanes | unsigned{lane.is_open} << i);
  entry.lane_count = static_cast<std::uint8_t>(i + 1);
}

// Off the fast way: as long as asking the rules themselves, and sorting what they say.
void fill(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
          const PacketKind& packet, CachedVerdict& entry) {
  const std::uint16_t proto = RuleLanes::proto_of(packet);
  LaneList list;
  const RemotePeers peers(tables, row, question.direction, question.remote);
  peers.for_each_run([&](const RuleLanes& lanes, bool is_open) {
    for (std::uint32_t i = 0; i < lanes.count; ++i) {
      if (lanes.protos[i] != proto && lanes.protos[i] != RuleLanes::kAnyProto) continue;
      list.add({tables.rules[lanes.rules[i].value()].order(),
                {lanes.lows[i], lanes.highs[i]},
                lanes.rules[i],
                is_open});
    }
  });
  const std::vector<Lane>& lanes = list.settle();
  if (lanes.size() > CachedVerdict::kLanes) {
    entry.lane_count = CachedVerdict::kTooMany;
    return;
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) set_lane(entry, i, lanes[i]);
  for_each_reply_rule(tables, row, question.direction, packet.family, question.proto,
                      [&](RuleIndex) { entry.has_reply = 1; });
}

// What the rules themselves say of one port. Untracked is kept as an open lane with a reply.
void fill_one_port(const GroupAnswer& answer, const PacketKind& packet, CachedVerdict& entry) {
  if (answer.rule.is_none()) return;
  set_lane(entry, 0, {{}, {packet.port, packet.port}, answer.rule, !answer.tracked});
  entry.has_reply = answer.tracked ? 0 : 1;
}

}  // namespace

// Asks the cache, and the rules where it does not know.
class VerdictCache::Groups {
 public:
  // Finds the entry and asks for its memory. `match` is what the trie says of the remote address.
  Groups(VerdictCache& cache, const PolicySnapshot& snapshot, const Question& question,
         const CidrMatch& match)
      : cache_(cache) {
    const InterfaceRow* row = snapshot.find_interface(question.eni);
    CHECK(row != nullptr);
    const PacketKind packet{question.remote.family(), question.proto, question.port};
    const RemoteClass remote = class_of(snapshot.tables(), *row, question.remote, match);
    if (remote.has_more_owners) return;
    key_ = key_of(snapshot, *row, question, packet, remote);
    entry_ = &cache.place_of(key_);
    prefetch_read(entry_);
    prefetch_read(&entry_->rules);
  }
  void note(const WitnessStep&) {}

  GroupAnswer ask(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
                  const PacketKind& packet) {
    if (entry_ == nullptr) return ask_groups(tables, row, question, packet);
    if (entry_->key != key_) {
      clear(*entry_, key_);
      fill(tables, row, question, packet, *entry_);
    }
    if (entry_->lane_count != CachedVerdict::kTooMany) return answer_of(*entry_, packet);
    return ask_one_port(tables, row, question, packet);
  }

 private:
  GroupAnswer ask_one_port(const SnapshotTables& tables, const InterfaceRow& row,
                           const Question& question, const PacketKind& packet) {
    VerdictKey key = key_;
    key.kind |= VerdictKey::kOnePort;
    key.port = packet.port;
    CachedVerdict& entry = cache_.place_of(key);
    if (entry.key == key) return answer_of(entry, packet);
    const GroupAnswer answer = ask_groups(tables, row, question, packet);
    clear(entry, key);
    fill_one_port(answer, packet, entry);
    return answer;
  }

  VerdictCache& cache_;
  VerdictKey key_;
  CachedVerdict* entry_ = nullptr;  // none: such questions are not kept
};

VerdictCache::VerdictCache() : entries_(std::make_unique<CachedVerdict[]>(kEntries)) {}

CachedVerdict& VerdictCache::place_of(const VerdictKey& key) const {
  std::uint64_t x = (std::uint64_t{key.policy} << 32 | key.prefix) * 0x9e3779b97f4a7c15u;
  x ^= (std::uint64_t{key.owner_policy} << 32 | std::uint64_t{key.kind} << 16 | key.port) *
       0xc2b2ae3d27d4eb4fu;
  x ^= x >> 32;
  x *= 0xbf58476d1ce4e5b9u;
  return entries_[(x >> 40) % kEntries];
}

Decision VerdictCache::decide(const PolicySnapshot& snapshot, const Question& question) {
  const CidrTrie& trie = snapshot.tables().classes.of(question.remote.family()).trie();
  Groups groups(*this, snapshot, question, trie.match(question.remote));
  return Judge(snapshot, question, groups).decide();
}

// In steps, each for all questions: walk the trie, find the entries, judge.
void VerdictCache::decide_burst(const PolicySnapshot& snapshot, std::span<const Question> questions,
                                std::span<Decision> decisions) {
  CHECK(questions.size() == decisions.size() && questions.size() <= kBurstMax);
  std::array<IpAddr, kBurstMax> addresses;
  std::array<std::uint8_t, kBurstMax> places;
  std::array<CidrMatch, kBurstMax> matches;
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      if (questions[i].remote.family() != family) continue;
      places[count] = static_cast<std::uint8_t>(i);
      addresses[count++] = questions[i].remote;
    }
    if (count == 0) continue;
    const SnapshotTables& tables = snapshot.tables();
    tables.classes.of(family).trie().match_burst(std::span(addresses).first(count),
                                                 std::span(matches).first(count));
    std::array<std::optional<Groups>, kBurstMax> groups;
    for (std::size_t k = 0; k < count; ++k) {
      groups[k].emplace(*this, snapshot, questions[places[k]], matches[k]);
    }
    for (std::size_t k = 0; k < count; ++k) {
      decisions[places[k]] = Judge(snapshot, questions[places[k]], *groups[k]).decide();
    }
  }
}

}  // namespace sluice
