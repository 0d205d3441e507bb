#include "lookup/verdict_cache.h"

#include <algorithm>
#include <bit>
#include <new>
#include <tuple>

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
  GroupIndex group;
  bool is_open;
  bool is_conditional;
};

// True if everything that `later` allows `earlier`, which comes before it, allows already.
bool hides(const Lane& earlier, const Lane& later) {
  const bool covers =
      earlier.range.low <= later.range.low && later.range.high <= earlier.range.high;
  return covers && (earlier.is_open || !later.is_open);
}

// Keeps the lanes that matter: plain ones first, then in the order of their ids. Of more than kMost
// it says no more than that they are too many, so that filling an entry is bounded, whatever the
// rules are.
class LaneList {
 public:
  static constexpr std::size_t kMost = 128;

  // False: there is no more room.
  bool add(const Lane& lane) {
    if (count_ == kMost) return false;
    lanes_[count_++] = lane;
    return true;
  }
  // At most kLanes and one.
  std::span<const Lane> settle() {
    std::sort(lanes_.begin(), lanes_.begin() + count_, [](const Lane& a, const Lane& b) {
      return std::tuple(a.is_conditional, a.order) < std::tuple(b.is_conditional, b.order);
    });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_ && kept <= CachedVerdict::kLanes; ++i) {
      const Lane lane = lanes_[i];
      const bool is_hidden = std::any_of(lanes_.begin(), lanes_.begin() + kept,
                                         [&](const Lane& other) { return hides(other, lane); });
      if (!is_hidden) lanes_[kept++] = lane;
    }
    return std::span(lanes_).first(kept);
  }

 private:
  std::size_t count_ = 0;
  std::array<Lane, kMost> lanes_;
};

VerdictKey key_of(const PolicySnapshot& snapshot, const InterfaceRow& row, const Question& question,
                  const PacketKind& packet, const RemoteClass& remote) {
  unsigned kind = RuleLanes::proto_of(packet);
  if (question.direction == Direction::Egress) kind |= VerdictKey::kEgress;
  if (packet.family == Family::Ipv6) kind |= VerdictKey::kIpv6;
  return {std::uint64_t{snapshot.generation().value() + 1} << 32 | row.policy,
          std::uint64_t{remote.prefix} << 32 | remote.policy, kind};
}

std::uint64_t hash_of(const VerdictKey& key) {
  std::uint64_t x = (key.policy ^ key.kind << 16) * 0x9e3779b97f4a7c15u;
  x ^= key.remote * 0xc2b2ae3d27d4eb4fu;
  x ^= x >> 32;
  return x * 0xbf58476d1ce4e5b9u;
}
std::size_t set_of(std::uint64_t hash) { return (hash >> 40) % (VerdictCache::kEntries / 4); }
std::uint16_t tag_of(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 24 | 1); }

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

[[gnu::always_inline]] inline GroupAnswer answer_of(const CachedVerdict& entry,
                                                    const PacketKind& packet) {
  const unsigned hits = lanes_with(entry, packet.port);
  if (hits == 0) return {};
  const bool is_untracked =
      (hits & entry.open_lanes) != 0 && entry.has_reply != 0 && has_ports(packet.proto);
  // Conditional lanes come last, so the first one that holds the port is so only if all are.
  const auto first = static_cast<unsigned>(std::countr_zero(hits));
  return {entry.rules[first], entry.groups[first], !is_untracked,
          (entry.conditional_lanes >> first & 1u) != 0};
}

void clear(CachedVerdict& entry, const VerdictKey& key) {
  entry = CachedVerdict{};
  entry.key = key;
  entry.lows.fill(1);  // with highs of 0: holds nothing
  entry.rules.fill(RuleIndex());
  entry.groups.fill(GroupIndex());
}

void set_lane(CachedVerdict& entry, std::size_t i, const Lane& lane) {
  entry.lows[i] = lane.range.low;
  entry.highs[i] = lane.range.high;
  entry.rules[i] = lane.rule;
  entry.groups[i] = lane.group;
  entry.open_lanes = static_cast<std::uint8_t>(entry.open_lanes | unsigned{lane.is_open} << i);
  entry.conditional_lanes =
      static_cast<std::uint8_t>(entry.conditional_lanes | unsigned{lane.is_conditional} << i);
  entry.lane_count = static_cast<std::uint8_t>(i + 1);
}

// Off the fast way: as long as asking the rules themselves, and sorting what they say.
void fill(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
          const PacketKind& packet, CachedVerdict& entry) {
  const std::uint16_t proto = RuleLanes::proto_of(packet);
  LaneList list;
  bool has_room = true;
  const RemotePeers peers(tables, row, question.direction, question.remote);
  peers.for_each_run([&](const RuleLanes& lanes, bool is_open) {
    for (std::uint32_t i = 0; has_room && i < lanes.count; ++i) {
      if (lanes.protos[i] != proto && lanes.protos[i] != RuleLanes::kAnyProto) continue;
      const RuleRow& rule = tables.rules[lanes.rules[i].value()];
      has_room = list.add({rule.order(),
                           {lanes.lows[i], lanes.highs[i]},
                           lanes.rules[i],
                           rule.group,
                           is_open && !rule.is_conditional,
                           rule.is_conditional});
    }
  });
  const std::span<const Lane> lanes = has_room ? list.settle() : std::span<const Lane>();
  if (!has_room || lanes.size() > CachedVerdict::kLanes) {
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
  set_lane(entry, 0,
           {{},
            {packet.port, packet.port},
            answer.rule,
            answer.group,
            !answer.tracked,
            answer.conditional});
  entry.has_reply = answer.tracked ? 0 : 1;
}

}  // namespace

// Asks the cache, and the rules where it does not know.
class VerdictCache::Groups {
 public:
  // Asks for the memory of its set. `match` is what the trie says of the remote address.
  Groups(VerdictCache& cache, const PolicySnapshot& snapshot, const Question& question,
         const CidrMatch& match)
      : cache_(cache), row_(required_row(snapshot, question.eni)) {
    const PacketKind packet{question.remote.family(), question.proto, question.port};
    const RemoteClass remote = class_of(snapshot.tables(), row_, question.remote, match);
    if (remote.has_more_owners) return;
    key_ = key_of(snapshot, row_, question, packet, remote);
    hash_ = hash_of(key_);
    prefetch_read(&cache.tags_[set_of(hash_)]);
    is_kept_ = true;
  }
  // Finds where the entry is, if it is there, and asks for its memory.
  void find() {
    entry_ = &cache_.find(hash_);
    prefetch_read(entry_);
    prefetch_read(&entry_->rules);
  }
  const InterfaceRow& row() const { return row_; }
  void note(const WitnessStep&) {}

  [[gnu::always_inline]] GroupAnswer ask(const SnapshotTables& tables, const InterfaceRow& row,
                                         const Question& question, const PacketKind& packet) {
    if (!is_kept_) return ask_groups(tables, row, question, packet);
    if (entry_->key != key_) find_or_fill(tables, row, question, packet);
    if (entry_->lane_count != CachedVerdict::kTooMany) return answer_of(*entry_, packet);
    return ask_one_port(tables, row, question, packet);
  }

 private:
  [[gnu::noinline]] void find_or_fill(const SnapshotTables& tables, const InterfaceRow& row,
                                      const Question& question, const PacketKind& packet) {
    find();  // whoever was asked between may have filled it, or taken its place
    if (entry_->key == key_) return;
    entry_ = &cache_.make_room(key_, hash_);
    fill(tables, row, question, packet, *entry_);
  }
  GroupAnswer ask_one_port(const SnapshotTables& tables, const InterfaceRow& row,
                           const Question& question, const PacketKind& packet) {
    VerdictKey key = key_;
    key.kind |= VerdictKey::kOnePort | std::uint64_t{packet.port} << 16;
    const std::uint64_t hash = hash_of(key);
    const CachedVerdict& known = cache_.find(hash);
    if (known.key == key) return answer_of(known, packet);
    const GroupAnswer answer = ask_groups(tables, row, question, packet);
    fill_one_port(answer, packet, cache_.make_room(key, hash));
    return answer;
  }

  VerdictCache& cache_;
  const InterfaceRow& row_;
  VerdictKey key_;
  std::uint64_t hash_ = 0;
  CachedVerdict* entry_ = nullptr;
  bool is_kept_ = false;  // else such questions are asked the long way
};

VerdictCache::VerdictCache()
    : entries_(std::make_unique<CachedVerdict[]>(kEntries)),
      tags_(std::make_unique<Tags[]>(kEntries / kWays)) {}

// The entry whose key may have this hash; any of the set if there is none.
inline CachedVerdict& VerdictCache::find(std::uint64_t hash) const {
  const std::size_t set = set_of(hash);
  const __m128i tags = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(tags_[set].data()));
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag_of(hash)));
  const int found = _mm_movemask_epi8(_mm_cmpeq_epi16(tags, wanted)) | 1 << 2 * (kWays - 1);
  return entries_[set * kWays + static_cast<unsigned>(std::countr_zero(unsigned(found))) / 2];
}

// An empty entry of that key, in the place of one of another generation, else of each in turn. Of
// two keys of a set with one tag, the newer one is kept.
CachedVerdict& VerdictCache::make_room(const VerdictKey& key, std::uint64_t hash) {
  ++filled_;
  Tags& tags = tags_[set_of(hash)];
  CachedVerdict* set = &entries_[set_of(hash) * kWays];
  std::size_t way = 0;
  const auto is_free = [&](std::size_t i) {
    return tags[i] == tag_of(hash) || set[i].key.policy >> 32 != key.policy >> 32;
  };
  while (way < kWays && tags[way] != tag_of(hash)) ++way;
  if (way == kWays) way = 0;
  while (way < kWays && !is_free(way)) ++way;
  if (way == kWays) way = turn_++ % kWays;
  tags[way] = tag_of(hash);
  clear(set[way], key);
  return set[way];
}

Decision VerdictCache::decide(const PolicySnapshot& snapshot, const Question& question) {
  ++asked_;
  const CidrTrie& trie = snapshot.tables().classes.of(question.remote.family()).trie();
  Groups groups(*this, snapshot, question, trie.match(question.remote));
  groups.find();
  return Judge(snapshot, groups.row(), question, groups).decide();
}

// The questions at these places, one at least and all of one family, of which the trie says so:
// finds the entries, then judges.
void VerdictCache::decide_family(const PolicySnapshot& snapshot,
                                 std::span<const Question> questions,
                                 std::span<const std::uint8_t> places,
                                 std::span<const CidrMatch> matches,
                                 std::span<Decision> decisions) {
  const FamilyClasses& classes = snapshot.tables().classes.of(questions[places[0]].remote.family());
  if (classes.trie().prefix_count() != 0) {
    for (const CidrMatch& match : matches) classes.prefetch_facts(match.longest);
  }
  // Made one by one: nothing of it is written twice.
  static_assert(std::is_trivially_destructible_v<Groups>);
  alignas(Groups) std::array<std::byte, kBurstMax * sizeof(Groups)> memory;
  auto* groups = reinterpret_cast<Groups*>(memory.data());
  for (std::size_t k = 0; k < places.size(); ++k) {
    new (groups + k) Groups(*this, snapshot, questions[places[k]], matches[k]);
  }
  for (std::size_t k = 0; k < places.size(); ++k) groups[k].find();
  for (std::size_t k = 0; k < places.size(); ++k) {
    const Question& question = questions[places[k]];
    // In its place: a copy would read in large pieces what was just written in small ones.
    new (&decisions[places[k]])
        Decision(Judge(snapshot, groups[k].row(), question, groups[k]).decide());
  }
}

// In steps, each for all questions: walk the trie, find the entries, judge.
void VerdictCache::decide_burst(const PolicySnapshot& snapshot, std::span<const Question> questions,
                                std::span<Decision> decisions) {
  CHECK(questions.size() == decisions.size() && questions.size() <= kBurstMax);
  asked_ += questions.size();
  std::array<std::uint8_t, kBurstMax> v4_places;
  std::array<std::uint8_t, kBurstMax> v6_places;
  std::array<std::uint32_t, kBurstMax> v4_addresses;
  std::size_t v4_count = 0;
  std::size_t v6_count = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const IpAddr& remote = questions[i].remote;
    v4_places[v4_count] = static_cast<std::uint8_t>(i);
    v6_places[v6_count] = static_cast<std::uint8_t>(i);
    v4_addresses[v4_count] = remote.v4_value();
    v4_count += remote.is_v4() ? 1 : 0;
    v6_count += remote.is_v4() ? 0 : 1;
  }
  const AddressClasses& classes = snapshot.tables().classes;
  alignas(CidrMatch) std::array<std::byte, kBurstMax * sizeof(CidrMatch)> memory;
  auto* matches = reinterpret_cast<CidrMatch*>(memory.data());
  if (v4_count != 0) {
    const std::span<CidrMatch> found(matches, v4_count);
    classes.v4.trie().match_burst(std::span<const std::uint32_t>(v4_addresses).first(v4_count),
                                  found);
    decide_family(snapshot, questions, std::span(v4_places).first(v4_count), found, decisions);
  }
  if (v6_count != 0) {
    std::array<IpAddr, kBurstMax> addresses;
    for (std::size_t k = 0; k < v6_count; ++k) addresses[k] = questions[v6_places[k]].remote;
    const std::span<CidrMatch> found(matches, v6_count);
    classes.v6.trie().match_burst(std::span<const IpAddr>(addresses).first(v6_count), found);
    decide_family(snapshot, questions, std::span(v6_places).first(v6_count), found, decisions);
  }
}

}  // namespace sluice
