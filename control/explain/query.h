#pragma once

// A question that a person or program asks about one packet: the JSON object of `explain`, checked
// and turned into values. Names are not resolved here.
//
// Pure functions, any thread. An error's code is a stable word; its kind is Usage where something
// needed is missing, else Failed.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/address.h"
#include "base/proto.h"
#include "base/result.h"
#include "base/verdict.h"
#include "lookup/l7_app.h"

namespace sluice {

struct PacketQuery {
  std::string interface;
  Direction direction = Direction::Ingress;
  Proto proto = Proto::Tcp;
  IpAddr source;
  IpAddr destination;
  std::uint16_t source_port = 0;  // tcp, udp; 0 when left out: only the exempt list looks at it
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  bool is_established = false;  // asked as for a packet of a live tracked flow
  // What the connection turned out to be; nothing: that is not known yet.
  std::optional<App> app;
  std::string domain;  // that its client asked for, in lower case
};

// The object of product.md section 5. Codes: "bad-query", "unknown-key", "missing-…",
// "bad-protocol", "bad-direction", "bad-address", "bad-port", "bad-icmp", "bad-state",
// "bad-app", "mixed-families". Fields that the protocol has no use for are ignored; null means left
// out.
Result<PacketQuery> parse_query(const nlohmann::json& query);

// One of "tcp udp icmp icmpv6", or a number of 0 to 255; nothing for -1, which no packet has.
std::optional<Proto> parse_protocol(std::string_view text);
// The word of the protocol, or its number.
std::string protocol_word(Proto proto);

// A decimal number of at most `max`, all digits, nothing around it.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max);

}  // namespace sluice
