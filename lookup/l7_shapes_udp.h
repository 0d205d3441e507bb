#pragma once

// Shape tests of datagrams, which are there as a whole: lengths must agree to the byte.

#include <cstdint>
#include <span>

#include "lookup/l7_app.h"
#include "lookup/l7_identify.h"
#include "lookup/l7_shapes.h"

namespace sluice {

inline constexpr std::uint32_t kStunCookie = 0x2112'a442;  // RFC 8489 5

// Yes for applications whose patterns already say all; never NeedMore.
L7Fit udp_shape(App app, const L7Input& input);

// One OpenVPN packet, as over UDP.
L7Fit openvpn_datagram_shape(L7Side side, std::span<const std::uint8_t> packet);

}  // namespace sluice
