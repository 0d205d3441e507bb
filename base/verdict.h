#pragma once

// What may be answered about a packet, and who answered.

#include <cstdint>
#include <string_view>

namespace sluice {

// Seen from the network interface: ingress is traffic to it, egress traffic from it.
enum class Direction : std::uint8_t { Ingress = 0, Egress = 1 };

constexpr Direction opposite(Direction direction) {
  return direction == Direction::Ingress ? Direction::Egress : Direction::Ingress;
}
constexpr std::string_view name_of(Direction direction) {
  return direction == Direction::Ingress ? "ingress" : "egress";
}

// None: nothing of ours had to judge it (replay: no interface known, or not IP).
enum class Verdict : std::uint8_t { None = 0, Accept = 1, Drop = 2 };

constexpr std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::None:
      return "none";
    case Verdict::Accept:
      return "accept";
    case Verdict::Drop:
      return "drop";
  }
  return "none";
}

// What decided: a rule, a remembered flow, an ICMP error's flow, a network ACL, the exempt list.
enum class By : std::uint8_t { None = 0, Rule, Flow, Related, Acl, Exempt };

constexpr std::string_view name_of(By by) {
  switch (by) {
    case By::None:
      return "none";
    case By::Rule:
      return "rule";
    case By::Flow:
      return "flow";
    case By::Related:
      return "related";
    case By::Acl:
      return "acl";
    case By::Exempt:
      return "exempt";
  }
  return "none";
}

}  // namespace sluice
