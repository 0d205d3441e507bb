#include "flowtable/refusal_cache.h"

#include "flowtable/flow_key.h"

namespace sluice {

RefusalCache::RefusalCache(std::size_t capacity, const HashKey& key)
    : slots_(std::bit_ceil(std::max(capacity, kWays))),
      key_(key),
      records_(std::make_unique<FlowDelta[]>(slots_)) {}

RefusalCache::~RefusalCache() = default;

void RefusalCache::merge(FlowDelta& record, const FlowDelta& packet) {
  record.packets += packet.packets;
  record.bytes += packet.bytes;
  record.tcp_flags |= packet.tcp_flags;
  record.first_s = std::min(record.first_s, packet.first_s);
  record.last_s = std::max(record.last_s, packet.last_s);
  record.generation = packet.generation;
}

// The tuple's hash is secret already; the rest of the key only has to move it on. One more draw of
// the secret keeps the sets of different reasons unrelated.
std::size_t RefusalCache::set_of(const FlowDelta& packet, std::uint64_t hash) const {
  const std::uint64_t kind =
      static_cast<std::uint64_t>(packet.reason) << 1 | static_cast<std::uint64_t>(packet.direction);
  const std::uint64_t placed = place_hash(hash ^ (kind * (key_.k0 | 1)), packet.tuple.eni);
  return static_cast<std::size_t>(placed) & (slots_ - 1) & ~(kWays - 1);
}

}  // namespace sluice
