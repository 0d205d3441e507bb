#pragma once

// Which application do these first bytes belong to?
//
// One direction of a connection is judged at a time: a dispatch on the leading bytes settles the
// frequent ones, Hyperscan nominates among the rest, and a shape test of each nominee (lengths,
// reserved bits, enumerations) confirms it. Ports are never asked. The answer is a function of
// the input alone, takes no memory and bounded time.
//
// Some openings fit several applications ("220 ready" is SMTP or FTP until the client speaks).
// The answer then says which are left (`candidates`); handed in with the bytes of the other
// direction, the two together decide:
//
//   responder "220 ready\r\n"    -> candidates {smtp, ftp}
//   initiator "USER joe\r\n"     -> {ftp, pop3}, of {smtp, ftp} only ftp is left: ftp
//
// The caller keeps per connection one AppSet, begins with AppSet::all(), and stores what the last
// answer said. The connection is unknown for good when both directions are.

#include <cstdint>
#include <span>

#include "lookup/l7_app.h"
#include "lookup/l7_patterns.h"

namespace sluice {

using L7Bytes = std::span<const std::uint8_t>;

struct L7Input {
  L7Transport transport = L7Transport::Tcp;
  L7Side side = L7Side::Initiator;
  // TCP: the stream of this side from its first byte on, in order, as far as it is there. UDP: the
  // payload of one datagram, whole. Any length; Hyperscan sees the first kL7ScanBytes.
  L7Bytes bytes;
  // TCP: the stream may go on. UDP: further datagrams may come and be asked about.
  bool more_may_come = true;
  // What earlier answers for this connection left over.
  AppSet candidates = AppSet::all();
};

struct L7Answer {
  App app = App::Unknown;
  // No more bytes of this side would change it. A known application is always final; Unknown and
  // final means: of this side, unknown for good.
  bool is_final = false;
  AppSet candidates = AppSet::all();  // hand in with the next question about this connection
};

// Worker that owns `scratch`, which fits `patterns`. At most one scan of kL7ScanBytes and one shape
// test for each nominee; perf/lookup/l7_bench measures it.
L7Answer identify(const L7Patterns& patterns, L7Scratch& scratch, const L7Input& input);

}  // namespace sluice
