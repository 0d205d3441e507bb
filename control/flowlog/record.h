#pragma once

// One record of a flow log before it becomes text: what one flow did at one interface, in one
// direction, with one action, within one interval (FL-10, FL-24); or a gap (FL-13).

#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/proto.h"
#include "base/verdict.h"

namespace sluice {

enum class LogStatus : std::uint8_t { Ok, NoData, SkipData };

constexpr std::string_view name_of(LogStatus status) {
  switch (status) {
    case LogStatus::Ok:
      return "OK";
    case LogStatus::NoData:
      return "NODATA";
    case LogStatus::SkipData:
      return "SKIPDATA";
  }
  return "OK";
}

struct LogRecord {
  LogStatus status = LogStatus::Ok;
  Direction direction = Direction::Ingress;
  Verdict action = Verdict::Accept;  // Drop is written REJECT
  DropReason reason = DropReason::None;
  Proto proto = Proto::Tcp;
  std::uint8_t tcp_flags = 0;          // FL-15; 0 for what is not TCP (FL-17)
  std::uint8_t app = 0;                // of lookup/l7_app.h, or kUninspected; 0: not known
  std::uint16_t source_port = 0;       // 0 for ICMP (FL-14)
  std::uint16_t destination_port = 0;  // 0 for ICMP
  std::uint32_t start_s = 0;
  std::uint32_t end_s = 0;
  EniIndex eni;
  RuleIndex rule;
  Generation generation;
  IpAddr source;       // as logged, after FL-20
  IpAddr destination;  // as logged, after FL-20
  IpAddr packet_source;
  IpAddr packet_destination;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  // IP total length (FL-25)
  // Of `packets`, those that the sum law counts here: a packet that several flow logs hold is
  // counted in the first of them only.
  std::uint64_t law_packets = 0;
};

}  // namespace sluice
