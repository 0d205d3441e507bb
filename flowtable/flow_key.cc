#include "flowtable/flow_key.h"

#include <array>
#include <utility>

namespace sluice {

std::uint64_t owner_hash_of_any(const HashKey& key, const FlowTuple& tuple) {
  FlowEnd first{tuple.local.high(), tuple.local.low(), tuple.local_port};
  FlowEnd second{tuple.remote.high(), tuple.remote.low(), tuple.remote_port};
  std::uint64_t kind = static_cast<std::uint64_t>(tuple.proto) << 32;
  if (is_icmp(tuple.proto)) {
    // The number belongs to the exchange, not to one of its ends.
    kind |= std::uint64_t{tuple.icmp_type} << 40 | tuple.local_port;
    first.port = 0;
    second.port = 0;
  }
  if (second < first) std::swap(first, second);
  kind |= std::uint64_t{first.port} << 16 | second.port;
  if (tuple.local.is_v4()) {
    return keyed_hash(key, std::array<std::uint64_t, 2>{first.low << 32 | second.low, kind});
  }
  return keyed_hash(
      key, std::array<std::uint64_t, 5>{first.high, first.low, second.high, second.low, kind});
}

}  // namespace sluice
