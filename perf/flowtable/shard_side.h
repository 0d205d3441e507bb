#pragma once

// Our side: the flows of one family in a FlowShard, worked on in bulks as the pipeline does.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/flow_hash_burst.h"
#include "base/limits.h"
#include "flowtable/flow_shard.h"
#include "perf/flowtable/flow_numbers.h"

namespace sluice {

template <class Key>
class ShardSide {
 public:
  static constexpr std::uint32_t kTimeoutMs = 350'000;

  static void prepare() {}
  // `flows` is how many it must hold.
  explicit ShardSide(std::uint32_t flows)
      : shard_({.capacity = std::max(flows, kFlowCapacityMin), .key = {}, .touch_memory = kIsV4}) {}

  // Touches those that are there; returns how many are not.
  std::uint32_t find(const Numbers& numbers, std::uint32_t stamp) {
    name(numbers);
    for (std::uint32_t i = 0; i < kBulk; ++i) guesses_[i] = shard_.guess(names_[i]);
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      if (guesses_[i] == nullptr) guesses_[i] = shard_.guess_second(names_[i]);
    }
    std::uint32_t missed = 0;
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      found_[i] = shard_.find(names_[i], guesses_[i]);
      if (found_[i] != nullptr) {
        found_[i]->last_seen_ms = stamp;
      } else {
        ++missed;
      }
    }
    return missed;
  }
  // Those of the last find() from `first` to before `end`, which it has missed.
  void insert_missed(std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t i = first; i < end; ++i) {
      insert_one(numbered_tuple<Key>(numbers_[i]), hashes_[i]);
    }
  }
  // Those of the last find() from `first` to before `end`, which it has found unless they were
  // refused.
  void erase_found(std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t i = first; i < end; ++i) {
      if (found_[i] != nullptr) shard_.remove(found_[i]);
    }
  }
  // How many flows there was no room for near their places, all others being established.
  std::uint64_t refused() const { return refused_; }
  void insert(const Numbers& numbers) {
    find(numbers, 0);
    insert_missed(0, kBulk);
  }
  void erase(const Numbers& numbers) {
    find(numbers, 0);
    erase_found(0, kBulk);
  }
  void insert_number(std::uint32_t number) {
    const FlowTuple tuple = numbered_tuple<Key>(number);
    insert_one(tuple, owner_hash(HashKey{}, tuple));
  }

 private:
  static constexpr bool kIsV4 = std::is_same_v<Key, Ipv4FlowKey>;

  void insert_one(const FlowTuple& tuple, std::uint64_t hash) {
    FlowState* state =
        shard_.insert(tuple, hash, 0, kTimeoutMs, [](const FlowTuple&, FlowState&) {});
    if (state == nullptr) {
      ++refused_;
      return;
    }
    state->phase = static_cast<std::uint8_t>(FlowPhase::Established);
  }

  static constexpr std::uint64_t end_of(std::uint32_t address, std::uint16_t port) {
    return std::uint64_t{address} << 16 | port;
  }

  // What the pipeline does with a burst whose addresses and ports it has read.
  void name(const Numbers& numbers) {
    numbers_ = numbers;
    if constexpr (kIsV4) {
      name_v4();
    } else {
      for (std::uint32_t i = 0; i < kBulk; ++i) {
        const FlowTuple tuple = numbered_tuple<Key>(numbers[i]);
        hashes_[i] = owner_hash(HashKey{}, tuple);
        shard_.name(tuple, hashes_[i], names_[i]);
        shard_.seek(names_[i]);
      }
    }
  }
  void name_v4() {
    std::array<Key, kBulk> keys;
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      keys[i] = Key::from(numbered_tuple<Key>(numbers_[i]));
      const auto words = owner_words(end_of(keys[i].local, keys[i].local_port),
                                     end_of(keys[i].remote, keys[i].remote_port), Proto::Udp);
      first_[i] = words[0];
      second_[i] = words[1];
    }
    keyed_hash_burst(HashKey{}, first_, second_, hashes_);
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      shard_.name(keys[i], hashes_[i], names_[i]);
      shard_.seek(names_[i]);
    }
  }

  FlowShard shard_;
  std::uint64_t refused_ = 0;
  Numbers numbers_;
  std::array<std::uint64_t, kBulk> first_;
  std::array<std::uint64_t, kBulk> second_;
  std::array<std::uint64_t, kBulk> hashes_;
  std::array<FlowName, kBulk> names_;
  std::array<FlowState*, kBulk> guesses_;
  std::array<FlowState*, kBulk> found_;
};

}  // namespace sluice
