#pragma once

// Every capacity that is fixed at build time, with the relations between them.

#include <cstddef>
#include <cstdint>

namespace sluice {

inline constexpr std::size_t kBurstMax = 64;  // packets polled together
inline constexpr std::size_t kWorkersMax = 64;
inline constexpr std::size_t kNicsMax = 256;

// What one policy may hold: far above AWS's quotas (SG-40 to SG-47, NA-15), and what keeps a
// question to it, and a check of it, within bounds. Cost of the worst one: see lookup/README.md.
inline constexpr std::uint32_t kInterfacesMax = 1u << 24;   // EniIndex fits 24 bits of a flow key
inline constexpr std::uint32_t kRulesMax = (1u << 24) - 1;  // RuleIndex fits 24 bits of a flow
inline constexpr std::size_t kVpcsMax = 1'024;  // an address has at most one owner in each
inline constexpr std::size_t kCidrsPerVpcMax = 256;
inline constexpr std::size_t kPeersPerVpcMax = 128;  // AWS: 125
inline constexpr std::size_t kSubnetsMax = 65'536;
inline constexpr std::size_t kCidrsPerSubnetMax = 64;
inline constexpr std::size_t kGroupsMax = 131'072;         // AWS: 2,500 (SG-40)
inline constexpr std::size_t kRulesPerGroupMax = 16'384;   // in each direction; AWS: 120 (SG-41)
inline constexpr std::size_t kGroupsPerInterfaceMax = 64;  // AWS: 16 (SG-42)
inline constexpr std::size_t kAddressesPerInterfaceMax = 4'096;
inline constexpr std::size_t kPrefixListsMax = 16'384;         // AWS: 100 (SG-44)
inline constexpr std::size_t kEntriesPerListMax = 16'000'000;  // AWS: 1,000 (SG-44)
inline constexpr std::size_t kAclsMax = 65'536;                // AWS: 200 in a VPC (NA-15)
inline constexpr std::size_t kEntriesPerAclMax = 1'024;        // in each direction; AWS: 40 (NA-15)
inline constexpr std::size_t kFlowLogsMax = 1'024;
inline constexpr std::size_t kSignaturesMax = 10'000;
inline constexpr std::size_t kPatternSizeMax = 2'048;  // of one signature, bytes
inline constexpr std::size_t kDomainsPerRuleMax = 10'000;

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
