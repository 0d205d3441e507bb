#pragma once

// The flows of one worker: two tables of fixed capacity, one for IPv4 (64-byte entries) and one
// for IPv6 (128-byte entries), behind one interface in terms of FlowTuple.
//
// The journey of a packet through it: name() and seek() for the whole burst, guess() and then
// guess_second() for the whole burst, find(); where that is null and the rules allow, insert(). A
// packet that passes stores last_seen_ms into the state and makes no other call: the wheel looks at
// each flow when its time could be over, and arms it anew if it was touched since. So an idle flow
// may still be found for a while after its timeout; has_expired() of conntrack.h tells.
//
// Invariants: a tuple is in the table at most once; live flows never exceed the capacity; a
// FlowState stays where it is until its flow ends. One owner thread, but presence(), which any
// thread may ask; memory is reserved in the constructor and never again.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/clock.h"
#include "base/flow_hash.h"
#include "flowtable/flow_key.h"
#include "flowtable/flow_state.h"
#include "flowtable/flow_table.h"
#include "flowtable/flow_tuple.h"

namespace sluice {

struct FlowShardConfig {
  std::uint32_t capacity = 1u << 16;  // flows of both families together, at least 1,024
  HashKey key{};
  bool touch_memory = false;  // take the pages of the IPv4 table now, not at the first flow
};

// A conversation as the shard looks for it: its key packed, its place computed. Only the key of its
// own family has a value.
struct FlowName {
  FlowPlace place;
  bool is_v4;
  Ipv4FlowKey v4;
  Ipv6FlowKey v6;
};
static_assert(std::is_trivial_v<FlowName>);

class FlowShard {
 public:
  explicit FlowShard(const FlowShardConfig& config);
  ~FlowShard();
  FlowShard(const FlowShard&) = delete;
  FlowShard& operator=(const FlowShard&) = delete;

  // `hash` is owner_hash(config.key, tuple) everywhere below; the shard mixes the interface in.

  void name(const Ipv4FlowKey& key, std::uint64_t hash, FlowName& out) const {
    out.place = ipv4_.place(place_hash(hash, key.eni()));
    out.is_v4 = true;
    out.v4 = key;
  }
  void name(const FlowTuple& tuple, std::uint64_t hash, FlowName& out) const {
    out.is_v4 = tuple.local.is_v4();
    if (out.is_v4) return name(Ipv4FlowKey::from(tuple), hash, out);
    out.v6 = Ipv6FlowKey::from(tuple);
    // As the key has it: of "none" it keeps 24 bits, and remove() knows nothing but the key.
    out.place = ipv6_.place(place_hash(hash, out.v6.eni()));
  }

  // The same steps for whoever holds the key of one family. `Key` is Ipv4FlowKey or Ipv6FlowKey.
  template <class Key>
  FlowPlace place(const Key& key, std::uint64_t hash) const {
    return table<Key>().place(place_hash(hash, key.eni()));
  }
  template <class Key>
  void seek(const FlowPlace& place) const {
    table<Key>().prefetch_bucket(place);
  }
  template <class Key>
  FlowState* guess(const FlowPlace& place) const {
    return table<Key>().guess(place);
  }
  template <class Key>
  FlowState* find(const Key& key, const FlowPlace& place, FlowState* guess) {
    if (guess != nullptr && table<Key>().is_named(guess, key)) [[likely]]
      return guess;
    return table<Key>().find(key, place);
  }

  // Asks for the bucket line.
  void seek(const FlowName& name) const {
    if (name.is_v4) return ipv4_.prefetch_bucket(name.place);
    ipv6_.prefetch_bucket(name.place);
  }
  // A few packets after seek(): asks for the entry that is nearly always the flow's own, and
  // returns its state, for find() to look closer; null: none comes near.
  FlowState* guess(const FlowName& name) const {
    return name.is_v4 ? ipv4_.guess(name.place) : ipv6_.guess(name.place);
  }
  // For those whose guess() was null, after the guesses of the whole burst: what lies in their
  // second bucket.
  FlowState* guess_second(const FlowName& name) const {
    return name.is_v4 ? ipv4_.guess_second(name.place) : ipv6_.guess_second(name.place);
  }
  // The flow, or null. `guess`: what guess() gave, else what guess_second() did; if both gave null
  // and no flow was inserted since, there is none. At most two bucket lines and as many entries as
  // tags match.
  FlowState* find(const FlowName& name, FlowState* guess) {
    if (guess == nullptr) return nullptr;
    const bool is_right =
        name.is_v4 ? ipv4_.is_named(guess, name.v4) : ipv6_.is_named(guess, name.v6);
    return is_right ? guess : find(name);
  }
  FlowState* find(const FlowName& name);
  FlowState* find(const FlowTuple& tuple, std::uint64_t hash) {
    FlowName sought;
    name(tuple, hash, sought);
    return find(sought);
  }

  // From any thread, while the owner works: whether there is such a flow, see
  // FlowTable::presence(). Never waits for the owner and writes nothing. A removed flow's entry may
  // have had another name in between, never a mixture of two. Nobody but tests asks yet.
  Presence presence(const FlowTuple& tuple, std::uint64_t hash) const {
    FlowName sought;
    name(tuple, hash, sought);
    return sought.is_v4 ? ipv4_.presence(sought.v4, sought.place)
                        : ipv6_.presence(sought.v6, sought.place);
  }

  // A fresh, zeroed state (but last_seen_ms, which is now) for a tuple that find() does not know,
  // armed to expire `timeout_ms` after now; null if there is no room (the caller counts
  // table-full). Where a flow of a lesser class has to go (EvictionClass: ended before accounted
  // before embryonic, never an established one for a newcomer), on_end(const FlowTuple&,
  // FlowState&) is called with it before it goes.
  template <class OnEnd>
  FlowState* insert(const FlowTuple& tuple, std::uint64_t hash, TickMs now,
                    std::uint32_t timeout_ms, OnEnd&& on_end) {
    DCHECK(hash == owner_hash(key_, tuple));
    FlowName fresh;
    name(tuple, hash, fresh);
    const bool may_grow = size() < capacity_;
    FlowState* state = fresh.is_v4 ? ipv4_.insert(fresh.v4, fresh.place, may_grow, now, on_end)
                                   : ipv6_.insert(fresh.v6, fresh.place, may_grow, now, on_end);
    if (state == nullptr) return nullptr;
    state->last_seen_ms = now;
    rearm(state, now, timeout_ms);
    return state;
  }

  // See FlowTable::longest_idle(): up to 16 flows that have nothing to do with the name but that
  // they lie where it would. Costs two bucket lines and a line for each flow there.
  template <class MayGo>
  FlowState* longest_idle(const FlowName& name, TickMs now, MayGo&& may_go) {
    return name.is_v4 ? ipv4_.longest_idle(name.place, now, may_go)
                      : ipv6_.longest_idle(name.place, now, may_go);
  }

  // Forgets the flow. `state` must come from find() or insert() of this shard.
  void remove(FlowState* state);

  // Tells the wheel that the flow now expires `timeout_ms` after now. Only needed when the time
  // left shrinks (closing); touching a flow costs no call: set last_seen_ms.
  void rearm(FlowState* state, TickMs now, std::uint32_t timeout_ms);

  // The tuple of a live flow.
  FlowTuple tuple_of(const FlowState* state) const;

  // Visits up to `budget` flows whose wheel time has come. timeout_of(const FlowTuple&, FlowState&)
  // gives the idle timeout in ms that holds for it now; flows idle for that long are handed to
  // on_end(const FlowTuple&, FlowState&) and forgotten, others are armed anew. Returns how many
  // were visited. Costs nothing until the next tick of the wheel (TimerWheel::kTickMs); a flow
  // goes at most one tick late if the budget suffices. Callbacks may not insert or remove.
  template <class TimeoutOf, class OnEnd>
  std::size_t expire(TickMs now, std::size_t budget, TimeoutOf&& timeout_of, OnEnd&& on_end) {
    const std::size_t visited = ipv4_.expire(now, budget, timeout_of, on_end);
    return visited + ipv6_.expire(now, budget - visited, timeout_of, on_end);
  }

  // Walks the live flows in memory order, at most `budget` slots a call, from `cursor` (0 = begin);
  // visit(const FlowTuple&, FlowState&). Returns the next cursor, 0 when the walk is complete. The
  // visitor may not insert or remove. A flow that lives during the whole walk is visited once.
  template <class Visit>
  std::size_t walk(std::size_t cursor, std::size_t budget, Visit&& visit) {
    const std::size_t ipv6_begin = capacity_;
    if (cursor < ipv6_begin) {
      const auto first = static_cast<std::uint32_t>(cursor);
      const std::uint32_t next = ipv4_.walk(first, budget, visit);
      if (next < ipv4_.used()) return next;
      budget -= next > first ? next - first : 0;
      cursor = ipv6_begin;
    }
    const auto first = static_cast<std::uint32_t>(cursor - ipv6_begin);
    const std::uint32_t next = ipv6_.walk(first, budget, visit);
    return next < ipv6_.used() ? ipv6_begin + next : 0;
  }

  std::size_t size() const { return std::size_t{ipv4_.size()} + ipv6_.size(); }  // live flows
  std::size_t capacity() const { return capacity_; }
  // Length of a whole walk() at this moment; never shrinks.
  std::size_t slots() const { return std::size_t{ipv4_.used()} + ipv6_.used(); }
  // Flows looked at, since the beginning, to find one that makes room: at most 16 an insert() that
  // needs it, and a longest_idle().
  std::uint64_t looked() const { return ipv4_.looked() + ipv6_.looked(); }
  // Bytes reserved for one family, all its arrays together.
  std::size_t memory_size(Family family) const {
    return family == Family::Ipv4 ? ipv4_.memory_size() : ipv6_.memory_size();
  }

 private:
  template <class Key>
  FlowTable<Key>& table() {
    if constexpr (std::is_same_v<Key, Ipv4FlowKey>) {
      return ipv4_;
    } else {
      return ipv6_;
    }
  }
  template <class Key>
  const FlowTable<Key>& table() const {
    return const_cast<FlowShard*>(this)->table<Key>();
  }

  const std::uint32_t capacity_;
  const HashKey key_;
  FlowTable<Ipv4FlowKey> ipv4_;
  FlowTable<Ipv6FlowKey> ipv6_;
};

}  // namespace sluice
