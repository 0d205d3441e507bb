#include "flowtable/fragment_table.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace sluice {

namespace {

constexpr std::uint32_t kFragmentUnit = 8;  // offsets count in these (RFC 791, 3.1)

// The least that a first fragment must hold, so that what is judged is in it (RFC 7112; for TCP
// RFC 3128). Header options beyond it are the parser's business.
std::uint32_t transport_header_size(Proto proto) {
  if (proto == Proto::Tcp) return 20;
  if (proto == Proto::Udp || is_icmp(proto)) return 8;
  return 0;
}

bool is_impossible(const FragmentPiece& piece) {
  if (piece.size == 0 || piece.offset % kFragmentUnit != 0) return true;
  if (!piece.last && piece.size % kFragmentUnit != 0) return true;
  return piece.offset > FragmentTable::kDatagramSizeMax ||
         piece.size > FragmentTable::kDatagramSizeMax - piece.offset;
}

std::uint32_t mask_for(std::uint32_t count) { return std::bit_ceil(count) - 1; }

}  // namespace

FragmentTable::FragmentTable(const FragmentTableConfig& config)
    : config_(config),
      bucket_mask_(mask_for(config.trains_max)),
      share_mask_(mask_for(config.held_max) * 4 + 3),
      held_max_{config.held_per_source_max, config.held_per_destination_max,
                config.held_per_nic_max},
      trains_max_{config.trains_per_source_max, config.trains_per_destination_max,
                  config.trains_per_nic_max},
      buckets_(std::make_unique<Index[]>(bucket_mask_ + 1)),
      trains_(std::make_unique<Train[]>(config.trains_max)),
      ranges_(std::make_unique<Range[]>(std::size_t{config.trains_max} * config.pieces_max)),
      packets_(std::make_unique<HeldPacket[]>(config.held_max)),
      shares_{std::make_unique<Share[]>(share_mask_ + 1),
              std::make_unique<Share[]>(share_mask_ + 1), std::make_unique<Share[]>(kNicShares)} {
  CHECK(config.trains_max > 0);
  CHECK(config.pieces_max > 0);
  CHECK(config.held_max > 0);
  CHECK(config.held_per_train_max > 0);
  for (std::size_t kind = 0; kind < kShareKinds; ++kind) {
    CHECK(held_max_[kind] > 0);
    CHECK(trains_max_[kind] > 0);
  }
  std::fill_n(buckets_.get(), bucket_mask_ + 1, kNone);
  for (Index i = config.trains_max; i-- > 0; free_train_ = i) {
    trains_[i].next_in_bucket = free_train_;
  }
  for (Index i = config.held_max; i-- > 0; free_packet_ = i) packets_[i].next = free_packet_;
}

FragmentTable::~FragmentTable() = default;

std::uint32_t FragmentTable::bucket_of(const FragmentKey& key) const {
  const std::uint64_t rest = std::uint64_t{key.id} << 32 | std::uint64_t{key.nic} << 8 |
                             static_cast<std::uint64_t>(key.proto);
  const std::uint64_t hash =
      keyed_hash(config_.key,
                 std::array<std::uint64_t, 5>{key.source.high(), key.source.low(),
                                              key.destination.high(), key.destination.low(), rest});
  return static_cast<std::uint32_t>(hash) & bucket_mask_;
}

std::uint32_t FragmentTable::share_bucket_of(const IpAddr& address) const {
  const std::uint64_t hash =
      keyed_hash(config_.key, std::array<std::uint64_t, 2>{address.high(), address.low()});
  return static_cast<std::uint32_t>(hash) & share_mask_;
}

FragmentTable::ShareIndexes FragmentTable::shares_of(const FragmentKey& key) const {
  return {share_bucket_of(key.source), share_bucket_of(key.destination), key.nic % kNicShares};
}

template <class Link>
void FragmentTable::append(AgeList& ages, Index train, Link&& link) {
  link(trains_[train]) = AgeLink{ages.newest, kNone};
  (ages.newest != kNone ? link(trains_[ages.newest]).newer : ages.oldest) = train;
  ages.newest = train;
}

template <class Link>
void FragmentTable::unlink(AgeList& ages, Index train, Link&& link) {
  const AgeLink its = link(trains_[train]);
  (its.older != kNone ? link(trains_[its.older]).newer : ages.oldest) = its.newer;
  (its.newer != kNone ? link(trains_[its.newer]).older : ages.newest) = its.older;
}

std::span<FragmentTable::Range> FragmentTable::ranges_of(Index train) {
  return {&ranges_[std::size_t{train} * config_.pieces_max], config_.pieces_max};
}

bool FragmentTable::is_over(const Train& train, TickMs now) {
  const std::uint32_t timeout_ms = train.key.source.is_v4() ? kIpv4TimeoutMs : kIpv6TimeoutMs;
  return now - train.begun_ms >= timeout_ms;
}

bool FragmentTable::is_complete(const Train& train) {
  return train.last_seen && train.bytes_seen == train.end;
}

FragmentAnswer FragmentTable::drop(DropReason reason) {
  FragmentAnswer answer;
  answer.kind = FragmentAnswer::Kind::Drop;
  answer.reason = reason;
  return answer;
}

FragmentAnswer FragmentTable::follow(const Train& train) {
  FragmentAnswer answer;
  answer.kind = FragmentAnswer::Kind::Follow;
  answer.proto = train.proto;
  answer.source_port = train.source_port;
  answer.destination_port = train.destination_port;
  answer.first_passed = train.stage == Stage::Passed;
  answer.note = train.note;
  if (!answer.first_passed) answer.reason = DropReason::FragmentRefused;
  return answer;
}

// The train of this key; one whose time is over is forgotten and not found.
FragmentTable::Index FragmentTable::find(const FragmentKey& key, TickMs now) {
  for (Index i = buckets_[bucket_of(key)]; i != kNone; i = trains_[i].next_in_bucket) {
    if (!(trains_[i].key == key)) continue;
    if (!is_over(trains_[i], now)) return i;
    forget_train(i, DropReason::FragmentTimeout);
    return kNone;
  }
  return kNone;
}

// Where all trains of a share, or all there are, are taken, the oldest one makes way: fragments of
// one datagram travel together, so an honest train is rarely the oldest.
void FragmentTable::make_room_for_train(const ShareIndexes& shares) {
  for (std::size_t kind = 0; kind < kShareKinds; ++kind) {
    const Share& one = share(kind, shares);
    if (one.trains < trains_max_[kind]) continue;
    forget_train(one.ages.oldest, DropReason::FragmentTooMany);
  }
  if (free_train_ != kNone) return;
  const Index ipv4 = ages_[0].oldest;
  const Index ipv6 = ages_[1].oldest;
  const bool take_ipv4 = ipv6 == kNone || (ipv4 != kNone && tick_before(trains_[ipv4].begun_ms,
                                                                        trains_[ipv6].begun_ms));
  forget_train(take_ipv4 ? ipv4 : ipv6, DropReason::FragmentTooMany);
}

FragmentTable::Index FragmentTable::begin_train(const FragmentKey& key, const ShareIndexes& shares,
                                                TickMs now) {
  make_room_for_train(shares);
  const Index index = free_train_;
  Train& train = trains_[index];
  free_train_ = train.next_in_bucket;
  train = Train{};
  train.key = key;
  train.shares = shares;
  train.begun_ms = now;
  Index& bucket = buckets_[bucket_of(key)];
  train.next_in_bucket = bucket;
  bucket = index;
  append(ages_of(train), index, [](Train& one) -> AgeLink& { return one.of_family; });
  for (std::size_t kind = 0; kind < kShareKinds; ++kind) {
    Share& its = share(kind, shares);
    ++its.trains;
    append(its.ages, index, [kind](Train& one) -> AgeLink& { return one.of_shares[kind]; });
  }
  ++train_count_;
  return index;
}

// What the train still holds is given back, dropped for `held_reason`.
void FragmentTable::forget_train(Index index, DropReason held_reason) {
  Train& train = trains_[index];
  make_ready(train, drop(held_reason));
  Index* link = &buckets_[bucket_of(train.key)];
  while (*link != index) link = &trains_[*link].next_in_bucket;
  *link = train.next_in_bucket;
  unlink(ages_of(train), index, [](Train& one) -> AgeLink& { return one.of_family; });
  for (std::size_t kind = 0; kind < kShareKinds; ++kind) {
    Share& its = share(kind, train.shares);
    --its.trains;
    unlink(its.ages, index, [kind](Train& one) -> AgeLink& { return one.of_shares[kind]; });
  }
  train.next_in_bucket = free_train_;
  free_train_ = index;
  --train_count_;
}

bool FragmentTable::expire_oldest(AgeList& ages, TickMs now) {
  if (ages.oldest == kNone || !is_over(trains_[ages.oldest], now)) return false;
  forget_train(ages.oldest, DropReason::FragmentTimeout);
  return true;
}

void FragmentTable::make_ready(Train& train, const FragmentAnswer& answer) {
  if (train.held.head == kNone) return;
  for (Index i = train.held.head; i != kNone; i = packets_[i].next) packets_[i].answer = answer;
  (ready_.head == kNone ? ready_.head : packets_[ready_.tail].next) = train.held.head;
  ready_.tail = train.held.tail;
  train.held = HeldList{};
  train.held_count = 0;
}

void FragmentTable::end_train(Train& train, DropReason reason) {
  train.stage = Stage::Ended;
  train.end_reason = reason;
  make_ready(train, drop(reason));
}

bool FragmentTable::has_room(const ShareIndexes& shares) const {
  for (std::size_t kind = 0; kind < kShareKinds; ++kind) {
    if (share(kind, shares).held >= held_max_[kind]) return false;
  }
  return free_packet_ != kNone;
}

void FragmentTable::hold(Train& train, HeldIndex handle) {
  const Index index = free_packet_;
  HeldPacket& packet = packets_[index];
  free_packet_ = packet.next;
  packet.handle = handle;
  packet.next = kNone;
  packet.shares = train.shares;
  (train.held.head == kNone ? train.held.head : packets_[train.held.tail].next) = index;
  train.held.tail = index;
  ++train.held_count;
  for (std::size_t kind = 0; kind < kShareKinds; ++kind) ++share(kind, packet.shares).held;
  ++held_count_;
}

// Remembers the bytes of a piece, unless they were seen or cannot be.
FragmentTable::Placed FragmentTable::insert_range(Index index, Range range) {
  Train& train = trains_[index];
  const std::span<Range> ranges = ranges_of(index).first(train.piece_count);
  const auto behind =
      std::lower_bound(ranges.begin(), ranges.end(), range.begin,
                       [](const Range& known, std::uint32_t begin) { return known.begin < begin; });
  if (behind != ranges.end()) {
    if (behind->begin == range.begin && behind->end == range.end) return Placed::Duplicate;
    if (behind->begin < range.end) return Placed::Overlap;
  }
  if (behind != ranges.begin() && (behind - 1)->end > range.begin) return Placed::Overlap;
  if (train.piece_count == config_.pieces_max) return Placed::TooMany;
  const auto position = static_cast<std::size_t>(behind - ranges.begin());
  Range* all = ranges_of(index).data();
  std::copy_backward(all + position, all + train.piece_count, all + train.piece_count + 1);
  all[position] = range;
  ++train.piece_count;
  train.bytes_seen += range.end - range.begin;
  return Placed::New;
}

FragmentTable::Placed FragmentTable::place(Index index, const FragmentPiece& piece) {
  Train& train = trains_[index];
  const Range range{piece.offset, piece.offset + piece.size};
  const bool ends_elsewhere =
      piece.last && (train.last_seen ? range.end != train.end : range.end < train.end);
  const bool beyond_end = train.last_seen && range.end > train.end;
  if (ends_elsewhere || beyond_end) return Placed::Impossible;
  const Placed placed = insert_range(index, range);
  if (placed != Placed::New) return placed;
  train.end = std::max(train.end, range.end);
  train.last_seen = train.last_seen || piece.last;
  return Placed::New;
}

FragmentAnswer FragmentTable::first_piece(Train& train, const FragmentPiece& piece) {
  train.stage = Stage::Judging;
  train.proto = piece.proto;
  train.source_port = piece.source_port;
  train.destination_port = piece.destination_port;
  FragmentAnswer answer = follow(train);
  answer.kind = FragmentAnswer::Kind::Judge;
  answer.reason = DropReason::None;
  return answer;
}

FragmentAnswer FragmentTable::later_piece(Index index, HeldIndex held) {
  Train& train = trains_[index];
  const bool is_judged = train.stage == Stage::Passed || train.stage == Stage::Refused;
  if (!is_judged) {
    hold(train, held);
    FragmentAnswer answer;
    answer.kind = FragmentAnswer::Kind::Hold;
    return answer;
  }
  const FragmentAnswer answer = follow(train);
  // Forgotten as soon as it is whole, for its number may be used again at once.
  if (is_complete(train)) forget_train(index, DropReason::None);
  return answer;
}

FragmentAnswer FragmentTable::add(const FragmentKey& key, const FragmentPiece& piece,
                                  HeldIndex held, TickMs now) {
  if (is_impossible(piece)) return drop(DropReason::FragmentMalformed);
  const bool first = piece.offset == 0;
  if (first && piece.last) {
    FragmentAnswer answer;
    answer.kind = FragmentAnswer::Kind::Judge;
    answer.proto = piece.proto;
    answer.source_port = piece.source_port;
    answer.destination_port = piece.destination_port;
    return answer;
  }
  Index index = find(key, now);
  if (index == kNone) {
    const ShareIndexes shares = shares_of(key);
    if (!first && !has_room(shares)) return drop(DropReason::FragmentTooMany);
    index = begin_train(key, shares, now);
  }
  Train& train = trains_[index];
  if (train.stage == Stage::Ended) return drop(train.end_reason);
  if (first && piece.size < transport_header_size(piece.proto)) {
    end_train(train, DropReason::FragmentTiny);
    return drop(DropReason::FragmentTiny);
  }
  const bool must_hold = !first && (train.stage == Stage::Waiting || train.stage == Stage::Judging);
  if (must_hold && (train.held_count == config_.held_per_train_max || !has_room(train.shares))) {
    return drop(DropReason::FragmentTooMany);
  }
  switch (place(index, piece)) {
    case Placed::New:
      return first ? first_piece(train, piece) : later_piece(index, held);
    case Placed::Duplicate:
      return drop(DropReason::FragmentDuplicate);
    case Placed::Overlap:
      end_train(train, DropReason::FragmentOverlap);
      return drop(DropReason::FragmentOverlap);
    case Placed::Impossible:
      end_train(train, DropReason::FragmentMalformed);
      return drop(DropReason::FragmentMalformed);
    case Placed::TooMany:
      end_train(train, DropReason::FragmentTooMany);
      return drop(DropReason::FragmentTooMany);
  }
  return drop(DropReason::FragmentMalformed);
}

void FragmentTable::set_verdict(const FragmentKey& key, bool passed, TickMs now,
                                std::uint32_t note) {
  const Index index = find(key, now);
  if (index == kNone || trains_[index].stage != Stage::Judging) return;
  Train& train = trains_[index];
  train.stage = passed ? Stage::Passed : Stage::Refused;
  train.note = note;
  make_ready(train, follow(train));
  if (is_complete(train)) forget_train(index, DropReason::None);
}

std::size_t FragmentTable::give_back(std::span<Released> out) {
  std::size_t count = 0;
  while (count < out.size() && ready_.head != kNone) {
    const Index index = ready_.head;
    HeldPacket& packet = packets_[index];
    out[count++] = Released{packet.handle, packet.answer};
    ready_.head = packet.next;
    for (std::size_t kind = 0; kind < kShareKinds; ++kind) --share(kind, packet.shares).held;
    --held_count_;
    packet.next = free_packet_;
    free_packet_ = index;
  }
  if (ready_.head == kNone) ready_.tail = kNone;
  return count;
}

std::size_t FragmentTable::release(TickMs now, std::span<Released> out) {
  for (AgeList& ages : ages_) {
    for (unsigned i = 0; i < kExpiredPerCall && expire_oldest(ages, now); ++i) {
    }
  }
  return give_back(out);
}

std::size_t FragmentTable::release_all(std::span<Released> out) {
  for (AgeList& ages : ages_) {
    while (ages.oldest != kNone) forget_train(ages.oldest, DropReason::FragmentTimeout);
  }
  return give_back(out);
}

}  // namespace sluice
