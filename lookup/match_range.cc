#include "lookup/match_range.h"

#include <string>
#include <utility>

namespace sluice {

namespace {

// ICMP: -1/-1 any, t/-1 the whole type, t/c one code (SG-14, SG-15).
Result<MatchRange> icmp_range(const ProtoMatch& proto, const PortMatch& ports) {
  const bool is_type_any = ports.low == -1;
  const bool is_code_any = ports.high == -1;
  const bool is_sane = ports.low >= -1 && ports.low <= 255 && ports.high >= -1 &&
                       ports.high <= 255 && (!is_type_any || is_code_any);
  if (!is_sane) {
    return broken_input("ICMP type " + std::to_string(ports.low) + ", code " +
                        std::to_string(ports.high) + " (type -1 demands code -1)");
  }
  MatchRange match{static_cast<std::int16_t>(proto.number), PortRange()};
  if (is_type_any) return match;
  match.range.low = static_cast<std::uint16_t>(ports.low << 8 | (is_code_any ? 0 : ports.high));
  match.range.high = static_cast<std::uint16_t>(ports.low << 8 | (is_code_any ? 255 : ports.high));
  return match;
}

}  // namespace

Error broken_input(std::string what) {
  return {ErrorKind::Invalid, "broken-reference",
          std::move(what) + "; the compiler should have refused it", ""};
}

Result<MatchRange> match_range(const ProtoMatch& proto, const PortMatch& ports, bool icmp_counts) {
  if (proto.number < ProtoMatch::kAll || proto.number > 255) {
    return broken_input("protocol " + std::to_string(proto.number) + " is outside of -1 to 255");
  }
  const MatchRange whole{static_cast<std::int16_t>(proto.number), PortRange()};
  if (is_number(proto, Proto::Icmp) || is_number(proto, Proto::Icmpv6)) {
    return icmp_counts ? icmp_range(proto, ports) : Result<MatchRange>(whole);
  }
  if (!is_number(proto, Proto::Tcp) && !is_number(proto, Proto::Udp)) return whole;
  if (ports.low < 0 || ports.high > 65535 || ports.low > ports.high) {
    return broken_input("ports " + std::to_string(ports.low) + "-" + std::to_string(ports.high) +
                        " are no range of 0 to 65535");
  }
  return MatchRange{whole.proto, PortRange{static_cast<std::uint16_t>(ports.low),
                                           static_cast<std::uint16_t>(ports.high)}};
}

}  // namespace sluice
