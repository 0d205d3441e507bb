#include "lookup/verdict_cache.h"

#include <algorithm>
#include <bit>
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

CachedVerdict key_of(const PolicySnapshot& snapshot, const InterfaceRow& row,
                     const Question& question, const PacketKind& packet,
                     const RemoteClass& remote) {
  CachedVerdict key{};
  key.generation = snapshot.generation().value() + 1;
  key.policy = row.policy;
  key.prefix = remote.prefix;
  key.owner_policy = remote.policy;
  key.kind = static_cast<std::uint16_t>(RuleLanes::proto_of(packet) |
                                        (question.direction == Direction::Egress ? 0x8000u : 0u) |
                                        (packet.family == Family::Ipv6 ? 0x4000u : 0u));
  return key;
}

bool is_of(const CachedVerdict& entry, const CachedVerdict& key) {
  return ((entry.generation ^ key.generation) | (entry.policy ^ key.policy) |
          (entry.prefix ^ key.prefix) | (entry.owner_policy ^ key.owner_policy) |
          static_cast<std::uint32_t>(entry.kind ^ key.kind)) == 0;
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

}  // namespace

// Asks the cache, and the rules where it does not know.
class VerdictCache::Groups {
 public:
  // `match`, where given, is what the trie says of the remote address.
  Groups(VerdictCache& cache, const PolicySnapshot& snapshot, const CidrMatch* match)
      : cache_(cache), snapshot_(snapshot), match_(match) {}
  void note(const WitnessStep&) {}

  GroupAnswer ask(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
                  const PacketKind& packet) {
    const CidrMatch match = match_ != nullptr
                                ? *match_
                                : tables.classes.of(packet.family).trie().match(question.remote);
    const RemoteClass remote = class_of(tables, row, question.remote, match);
    if (remote.has_more_owners) return ask_groups(tables, row, question, packet);
    const CachedVerdict key = key_of(snapshot_, row, question, packet, remote);
    CachedVerdict& entry = cache_.place_of(key);
    if (!is_of(entry, key)) {
      entry = key;
      cache_.fill(tables, row, question, packet, entry);
    }
    if (entry.lane_count == CachedVerdict::kUnkept) {
      return ask_groups(tables, row, question, packet);
    }
    return answer_of(entry, packet);
  }

 private:
  VerdictCache& cache_;
  const PolicySnapshot& snapshot_;
  const CidrMatch* match_;
};

VerdictCache::VerdictCache() : entries_(std::make_unique<CachedVerdict[]>(kEntries)) {}

CachedVerdict& VerdictCache::place_of(const CachedVerdict& key) const {
  std::uint64_t x = (std::uint64_t{key.policy} << 32 | key.prefix) * 0x9e3779b97f4a7c15u;
  x ^= (std::uint64_t{key.owner_policy} << 16 | key.kind) * 0xc2b2ae3d27d4eb4fu;
  x ^= x >> 32;
  x *= 0xbf58476d1ce4e5b9u;
  return entries_[(x >> 40) % kEntries];
}

// Off the fast way: as long as asking the rules themselves, and sorting what they say.
void VerdictCache::fill(const SnapshotTables& tables, const InterfaceRow& row,
                        const Question& question, const PacketKind& packet, CachedVerdict& entry) {
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
  entry.lows.fill(1);  // holds nothing
  entry.highs.fill(0);
  entry.rules.fill(RuleIndex());
  if (lanes.size() > CachedVerdict::kLanes) {
    entry.lane_count = CachedVerdict::kUnkept;
    return;
  }
  entry.lane_count = static_cast<std::uint8_t>(lanes.size());
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    entry.lows[i] = lanes[i].range.low;
    entry.highs[i] = lanes[i].range.high;
    entry.rules[i] = lanes[i].rule;
    entry.open_lanes =
        static_cast<std::uint8_t>(entry.open_lanes | unsigned{lanes[i].is_open} << i);
  }
  for_each_reply_rule(tables, row, question.direction, packet.family, question.proto,
                      [&](RuleIndex) { entry.has_reply = 1; });
}

Decision VerdictCache::decide(const PolicySnapshot& snapshot, const Question& question) {
  Groups groups(*this, snapshot, nullptr);
  return Judge(snapshot, question, groups).decide();
}

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
    for (std::size_t k = 0; k < count; ++k) {
      const Question& question = questions[places[k]];
      Groups groups(*this, snapshot, &matches[k]);
      decisions[places[k]] = Judge(snapshot, question, groups).decide();
    }
  }
}

}  // namespace sluice
