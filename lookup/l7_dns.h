#pragma once

// DNS messages (RFC 1035 4.1): are these bytes one, and what does it ask for?
//
// Over TCP a message lies behind its length in two bytes (4.2.2). A question's name is read label
// by label without compression, which has nothing to point to there. Takes no memory; pure.

#include <cstdint>
#include <span>

#include "lookup/l7_identify.h"
#include "lookup/l7_names.h"
#include "lookup/l7_patterns.h"
#include "lookup/l7_shapes.h"

namespace sluice {

inline constexpr std::size_t kDnsHeaderBytes = 12;

// The name in the question of a query or of its answer. None where there is no question or it is
// for the root; Malformed where there are several or the name is no host name.
NameAnswer find_dns_name(L7Transport transport, std::span<const std::uint8_t> bytes);

// Whether header and question have the form of a query (Initiator) or an answer (Responder).
// NeedMore of a TCP stream only. What follows the question is not looked at.
L7Fit dns_form(L7Transport transport, L7Side side, std::span<const std::uint8_t> bytes);

}  // namespace sluice
