#pragma once

// The ClientHello of TLS (RFC 8446 4.1.2): its server name (RFC 6066 3) and JA4 fingerprint.
//
// Read from a TCP stream, where it lies in one or several records, or from the CRYPTO stream of
// QUIC, where it lies bare. The hello is judged when it is there as a whole: what breaks its
// structure, names two hosts or a thing that is no host, or exceeds kL7HelloBytes, is Malformed.
// Bounded, no memory taken; pure.

#include <cstdint>
#include <span>

#include "lookup/l7_crypto.h"
#include "lookup/l7_names.h"
#include "lookup/l7_patterns.h"

namespace sluice {

// From the first byte of a TCP stream on. `scratch`: room to join records.
NameAnswer find_tls_name(std::span<const std::uint8_t> stream, L7Scratch& scratch);

// From a bare handshake stream. `is_quic` chooses the first letter of the fingerprint.
NameAnswer find_hello_name(std::span<const std::uint8_t> handshake, bool is_quic, L7Crypto& crypto);

}  // namespace sluice
