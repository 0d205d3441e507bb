#pragma once

// The host of the first HTTP/1 request of a connection (RFC 9112 3.2, RFC 9110 7.2).
//
// The target's authority where it has one (a proxy's request, CONNECT), else the Host field. What
// leaves a doubt about which host the server will serve is Malformed: two Host fields, one that
// contradicts the target, folded lines, a blank before the colon, control characters. HTTP/2's
// preface and HTTP/1.0 without a Host: None. Lines may end in a bare LF, as servers accept it.
// Takes no memory; pure.

#include <cstdint>
#include <span>

#include "lookup/l7_names.h"

namespace sluice {

// From the first byte of the initiator's stream on; the head of the request may take kL7HelloBytes.
NameAnswer find_http_name(std::span<const std::uint8_t> stream);

}  // namespace sluice
