#pragma once

// The name of a conversation as the table stores and compares it: FlowTuple packed without a hole,
// so that equality is a few word compares and the bytes may be hashed.
//
//   Ipv4FlowKey, 16 bytes                        Ipv6FlowKey, 40 bytes
//      0       4       8      10     12             0       16      32     34     36
//      +-------+-------+------+------+-----------+  +-------+-------+------+------+-----------+
//      | local | remote| local| re-  | eni 24 ·  |  | local | remote| local| re-  | eni 24 ·  |
//      | addr  | addr  | port | mote | proto 8   |  | addr  | addr  | port | mote | proto 8   |
//      +-------+-------+------+------+-----------+  +-------+-------+------+------+-----------+
//
// ICMP has one number where others have two ports, so the second one holds the request's type, and
// whether the tuple had the number twice (a query, CT-26) or once (any other ICMP).

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/flow_hash.h"
#include "flowtable/flow_tuple.h"

namespace sluice {

// Any conversation but TCP and UDP over IPv4, see owner_hash().
std::uint64_t owner_hash_of_any(const HashKey& key, const FlowTuple& tuple);

// The words that a conversation over IPv4, ICMP's aside, is hashed by: its two ends in an order of
// their own, so that it does not matter who looks. An end is address << 16 | port.
constexpr std::array<std::uint64_t, 2> owner_words(std::uint64_t one, std::uint64_t other,
                                                   Proto proto) {
  const std::uint64_t first = one < other ? one : other;
  const std::uint64_t second = one < other ? other : one;
  return {first >> 16 << 32 | second >> 16,
          static_cast<std::uint64_t>(proto) << 32 | (first & 0xffff) << 16 | (second & 0xffff)};
}

// One end of a conversation.
struct FlowEnd {
  std::uint64_t high;
  std::uint64_t low;
  std::uint16_t port;

  constexpr auto operator<=>(const FlowEnd&) const = default;
};
// The words of TCP and UDP over IPv6.
constexpr std::array<std::uint64_t, 5> owner_words(const FlowEnd& one, const FlowEnd& other,
                                                   Proto proto) {
  const bool is_ordered = one <= other;
  const FlowEnd& first = is_ordered ? one : other;
  const FlowEnd& second = is_ordered ? other : one;
  return {first.high, first.low, second.high, second.low,
          static_cast<std::uint64_t>(proto) << 32 | std::uint64_t{first.port} << 16 | second.port};
}

// The keyed hash of a conversation without its interface and without its direction: what decides
// which worker owns it. Equal for both directions and at both interfaces.
inline std::uint64_t owner_hash(const HashKey& key, const FlowTuple& tuple) {
  if (!tuple.local.is_v4() || is_icmp(tuple.proto)) return owner_hash_of_any(key, tuple);
  const std::uint64_t local = std::uint64_t{tuple.local.v4_value()} << 16 | tuple.local_port;
  const std::uint64_t remote = std::uint64_t{tuple.remote.v4_value()} << 16 | tuple.remote_port;
  return keyed_hash(key, owner_words(local, remote, tuple.proto));
}

// owner_hash() with the interface mixed in: what places a flow within a shard. Its bits are spread
// anew, so that the bits which chose the worker do not leave buckets empty. Unpredictable because
// owner_hash() is.
constexpr std::uint64_t place_hash(std::uint64_t hash, EniIndex eni) {
  std::uint64_t x = hash + (std::uint64_t{eni.value()} + 1) * 0x9e3779b97f4a7c15u;
  x ^= x >> 32;
  x *= 0xbf58476d1ce4e5b9u;
  return x ^ (x >> 29);
}

// The two port fields of a key, see the banner.
struct PackedPorts {
  static constexpr std::uint16_t kIcmpQuery = 0x100;
  std::uint16_t local;
  std::uint16_t remote;
};

constexpr PackedPorts pack_ports(const FlowTuple& tuple) {
  if (!is_icmp(tuple.proto)) return {tuple.local_port, tuple.remote_port};
  const bool query = tuple.local_port == tuple.remote_port;
  return {tuple.local_port,
          static_cast<std::uint16_t>(tuple.icmp_type | (query ? PackedPorts::kIcmpQuery : 0))};
}

constexpr void unpack_ports(PackedPorts ports, FlowTuple& tuple) {
  tuple.local_port = ports.local;
  tuple.remote_port = ports.remote;
  if (!is_icmp(tuple.proto)) return;
  tuple.icmp_type = static_cast<std::uint8_t>(ports.remote);
  tuple.remote_port = (ports.remote & PackedPorts::kIcmpQuery) != 0 ? ports.local : 0;
}

constexpr std::uint32_t pack_eni_proto(EniIndex eni, Proto proto) {
  return eni.value() << 8 | static_cast<std::uint32_t>(proto);
}
constexpr std::uint32_t pack_eni_proto(const FlowTuple& tuple) {
  return pack_eni_proto(tuple.eni, tuple.proto);
}

// Equality by words of eight bytes, with one branch at its end.
template <class Key>
constexpr bool have_equal_words(const Key& one, const Key& other) {
  using Words = std::array<std::uint64_t, sizeof(Key) / sizeof(std::uint64_t)>;
  const auto left = std::bit_cast<Words>(one);
  const auto right = std::bit_cast<Words>(other);
  std::uint64_t different = 0;
  for (std::size_t i = 0; i < left.size(); ++i) different |= left[i] ^ right[i];
  return different == 0;
}

struct Ipv4FlowKey {
  std::uint32_t local;
  std::uint32_t remote;
  std::uint16_t local_port;
  std::uint16_t remote_port;
  std::uint32_t eni_proto;

  static constexpr Ipv4FlowKey from(const FlowTuple& tuple) {
    const PackedPorts ports = pack_ports(tuple);
    return {tuple.local.v4_value(), tuple.remote.v4_value(), ports.local, ports.remote,
            pack_eni_proto(tuple)};
  }
  // `ports`: the remote one << 16 | the local one.
  static constexpr Ipv4FlowKey from(std::uint32_t local, std::uint32_t remote, std::uint32_t ports,
                                    std::uint32_t eni_proto) {
    return {local, remote, static_cast<std::uint16_t>(ports),
            static_cast<std::uint16_t>(ports >> 16), eni_proto};
  }
  constexpr EniIndex eni() const { return EniIndex(eni_proto >> 8); }
  constexpr FlowTuple tuple() const {
    FlowTuple result;
    result.eni = eni();
    result.proto = static_cast<Proto>(eni_proto & 0xff);
    unpack_ports({local_port, remote_port}, result);
    result.local = IpAddr::v4(local);
    result.remote = IpAddr::v4(remote);
    return result;
  }
  constexpr bool operator==(const Ipv4FlowKey& other) const {
    return have_equal_words(*this, other);
  }
};
static_assert(sizeof(Ipv4FlowKey) == 16);
static_assert(std::has_unique_object_representations_v<Ipv4FlowKey>);

struct Ipv6FlowKey {
  std::uint64_t local[2];  // high, low
  std::uint64_t remote[2];
  std::uint16_t local_port;
  std::uint16_t remote_port;
  std::uint32_t eni_proto;

  static constexpr Ipv6FlowKey from(const FlowTuple& tuple) {
    const PackedPorts ports = pack_ports(tuple);
    return {{tuple.local.high(), tuple.local.low()},
            {tuple.remote.high(), tuple.remote.low()},
            ports.local,
            ports.remote,
            pack_eni_proto(tuple)};
  }
  constexpr EniIndex eni() const { return EniIndex(eni_proto >> 8); }
  constexpr FlowTuple tuple() const {
    FlowTuple result;
    result.eni = eni();
    result.proto = static_cast<Proto>(eni_proto & 0xff);
    unpack_ports({local_port, remote_port}, result);
    result.local = IpAddr::v6(local[0], local[1]);
    result.remote = IpAddr::v6(remote[0], remote[1]);
    return result;
  }
  constexpr bool operator==(const Ipv6FlowKey& other) const {
    return have_equal_words(*this, other);
  }
};
static_assert(sizeof(Ipv6FlowKey) == 40);
static_assert(std::has_unique_object_representations_v<Ipv6FlowKey>);

}  // namespace sluice
