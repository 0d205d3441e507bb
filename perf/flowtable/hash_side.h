#pragma once

// The peer: rte_hash with lock-free readers, 16- or 40-byte keys, beside an array of 64-byte
// entries that its positions name. Its memory is a heap of its own in the same kind of pages as
// ours; DPDK's common one would be of 4 KiB pages here.

#include <rte_hash.h>
#include <rte_malloc.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/cache_line.h"
#include "base/check.h"
#include "flowtable/zeroed_memory.h"
#include "perf/flowtable/flow_numbers.h"
#include "perf/lookup/dpdk_memory.h"

namespace sluice {

// A heap of DPDK's in memory that we took.
class PeerHeap {
 public:
  explicit PeerHeap(std::size_t size)
      : size_((size + kPage - 1) / kPage * kPage), memory_(size_, true) {
    start_dpdk_memory();
    static int number = 0;
    name_ = "heap" + std::to_string(number++);
    CHECK(rte_malloc_heap_create(name_.c_str()) == 0);
    CHECK(rte_malloc_heap_memory_add(name_.c_str(), memory_.as<char>(), size_, nullptr, 0, kPage) ==
          0);
  }
  ~PeerHeap() {
    CHECK(rte_malloc_heap_memory_remove(name_.c_str(), memory_.as<char>(), size_) == 0);
    CHECK(rte_malloc_heap_destroy(name_.c_str()) == 0);
  }
  PeerHeap(const PeerHeap&) = delete;
  PeerHeap& operator=(const PeerHeap&) = delete;

  int socket() const { return rte_malloc_heap_get_socket(name_.c_str()); }
  std::size_t used() const {
    rte_malloc_socket_stats stats{};
    CHECK(rte_malloc_get_socket_stats(socket(), &stats) == 0);
    return stats.heap_allocsz_bytes;
  }

 private:
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  const std::size_t size_;
  ZeroedMemory memory_;
  std::string name_;
};

// A table of rte_hash in a heap of its own.
class PeerTable {
 public:
  PeerTable(std::uint32_t slots, std::uint32_t key_size) : heap_(heap_size(slots, key_size)) {
    rte_hash_parameters parameters{};
    static int number = 0;
    const std::string name = "peer" + std::to_string(number++);
    parameters.name = name.c_str();
    parameters.entries = slots;
    parameters.key_len = key_size;
    parameters.socket_id = heap_.socket();
    parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF;
    table_ = rte_hash_create(&parameters);
    CHECK(table_ != nullptr);
  }
  ~PeerTable() { rte_hash_free(table_); }
  PeerTable(const PeerTable&) = delete;
  PeerTable& operator=(const PeerTable&) = delete;

  rte_hash* get() const { return table_; }
  std::size_t memory_size() const { return heap_.used(); }

 private:
  // Buckets of 8 in a line, a slot for each key, a ring of free slots; and some to spare.
  static std::size_t heap_size(std::uint32_t slots, std::uint32_t key_size) {
    const std::size_t rounded = std::bit_ceil(slots + 1);
    const std::size_t slot = (key_size + 8 + 15) / 16 * 16;
    return rounded * 8 + slots * slot + rounded * 4 + (std::size_t{8} << 20);
  }

  PeerHeap heap_;
  rte_hash* table_ = nullptr;
};

template <class Key>
class HashSide {
 public:
  // What is taken once for all tables.
  static void prepare() { start_dpdk_memory(); }
  // A quarter more slots than flows: full, it would refuse some.
  explicit HashSide(std::uint32_t flows)
      : table_(flows + flows / 4, sizeof(Key)),
        entry_memory_((std::size_t{flows} + flows / 4 + 1) * sizeof(Entry), true),
        entries_(entry_memory_.as<Entry>()) {
    for (std::uint32_t i = 0; i < kBulk; ++i) pointers_[i] = &keys_[i];
  }

  std::uint32_t find(const Numbers& numbers, std::uint32_t stamp) {
    make_keys(numbers);
    rte_hash_lookup_bulk(table_.get(), pointers_.data(), kBulk, positions_.data());
    for (const std::int32_t position : positions_) {
      if (position >= 0) prefetch_write(&entries_[position]);
    }
    std::uint32_t missed = 0;
    for (const std::int32_t position : positions_) {
      if (position >= 0) {
        entries_[position].last_seen_ms = stamp;
      } else {
        ++missed;
      }
    }
    return missed;
  }
  void insert_missed(std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t i = first; i < end; ++i) {
      const std::int32_t position = rte_hash_add_key(table_.get(), &keys_[i]);
      CHECK(position >= 0);
      entries_[position].last_seen_ms = 0;
    }
  }
  void erase_found(std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t i = first; i < end; ++i) {
      const std::int32_t position = rte_hash_del_key(table_.get(), &keys_[i]);
      CHECK(position >= 0);
      // With lock-free readers a slot is given back apart, when none can look at it.
      CHECK(rte_hash_free_key_with_position(table_.get(), position) == 0);
    }
  }
  // Looked for in bulk first, so that what is waited for is asked for side by side.
  void insert(const Numbers& numbers) {
    make_keys(numbers);
    rte_hash_lookup_bulk(table_.get(), pointers_.data(), kBulk, positions_.data());
    insert_missed(0, kBulk);
  }
  void erase(const Numbers& numbers) {
    make_keys(numbers);
    rte_hash_lookup_bulk(table_.get(), pointers_.data(), kBulk, positions_.data());
    erase_found(0, kBulk);
  }
  std::uint64_t refused() const { return 0; }  // else a CHECK had failed
  void insert_number(std::uint32_t number) {
    const Key key = Key::from(numbered_tuple<Key>(number));
    CHECK(rte_hash_add_key(table_.get(), &key) >= 0);
  }

 protected:
  void make_keys(const Numbers& numbers) {
    for (std::uint32_t i = 0; i < kBulk; ++i) {
      keys_[i] = Key::from(numbered_tuple<Key>(numbers[i]));
    }
  }

 private:
  struct alignas(kCacheLine) Entry {
    std::uint32_t last_seen_ms;
  };

  PeerTable table_;
  ZeroedMemory entry_memory_;
  Entry* const entries_;
  std::array<Key, kBulk> keys_;
  std::array<const void*, kBulk> pointers_;
  std::array<std::int32_t, kBulk> positions_;
};

// The same without looking first: adding and deleting look for themselves.
template <class Key>
class HashSideAlone : public HashSide<Key> {
 public:
  using HashSide<Key>::HashSide;
  void insert(const Numbers& numbers) {
    this->make_keys(numbers);
    this->insert_missed(0, kBulk);
  }
  void erase(const Numbers& numbers) {
    this->make_keys(numbers);
    this->erase_found(0, kBulk);
  }
};

}  // namespace sluice
