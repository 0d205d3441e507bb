#pragma once

// Unicast addresses that hosts have: 1.0.0.0 to 223.255.255.255 but 127.0.0.0/8; 2000::/3 and
// fc00::/7. Of a packet from one such address to another few questions have to be asked.

#include "base/address.h"

namespace sluice {

[[gnu::always_inline]] inline bool is_host(const IpAddr& address) {
  if (address.is_v4()) {
    const std::uint64_t first = address.low() >> 24;
    return first - 1 < 223 && first != 127;
  }
  return address.high() >> 61 == 1 || address.high() >> 57 == 0x7e;
}

}  // namespace sluice
