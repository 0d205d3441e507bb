#pragma once

// Every capacity that is fixed at build time, with the relations between them.

#include <cstddef>
#include <cstdint>

namespace sluice {

inline constexpr std::size_t kBurstMax = 64;  // packets polled together
inline constexpr std::size_t kWorkersMax = 64;
inline constexpr std::size_t kNicsMax = 256;
inline constexpr std::uint32_t kInterfacesMax = 1u << 24;  // EniIndex fits 24 bits of a flow key
inline constexpr std::size_t kGroupsPerInterfaceMax = 64;  // AWS allows 16 (SG-42)

inline constexpr std::uint32_t kFlowCapacityMin = 1'024;
inline constexpr std::uint32_t kFlowCapacityDefault = 1'000'000;
inline constexpr std::uint32_t kFlowCapacityMax = 1u << 30;

inline constexpr unsigned kVlanTagsMax = 2;
inline constexpr unsigned kIpv6ExtensionsMax = 8;        // extension headers walked in a packet
inline constexpr unsigned kIpv6ExtensionBytesMax = 256;  // and bytes of them

// Flow deltas never span a boundary of this many seconds of Unix time; the exporter sums them up
// to the interval asked for (60 or 600 s, FL-11).
inline constexpr std::uint32_t kLogWindowS = 60;

inline constexpr std::size_t kMessageSizeMax = 16u << 20;  // one control message, bytes
inline constexpr std::size_t kMessageDepthMax = 32;
// Bytes that a compiled policy may take (PolicySnapshot::size), where nothing else is said.
inline constexpr std::size_t kPolicyMemoryDefault = std::size_t{1} << 30;
inline constexpr std::size_t kPolicyFileSizeMax = 1u << 30;  // a policy sent as a descriptor, bytes
inline constexpr std::size_t kClientsMax = 64;               // of both control sockets together

static_assert(600 % kLogWindowS == 0);

}  // namespace sluice
