#pragma once

// The host that a connection is for, from its first bytes: TLS server name, HTTP Host, DNS
// question; QUIC's is in l7_quic.h. And the JA4 fingerprint of a TLS or QUIC hello.
//
// Small parsers of our own over a span: they read nothing beyond it, allocate nothing, and take
// time that grows with its length at most. A name is lower-cased and checked (HostName); what is
// no host name is Malformed, so a list of domains never matches it. Pure; any thread that owns the
// scratch.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lookup/l7_app.h"
#include "lookup/l7_identify.h"
#include "lookup/l7_patterns.h"

namespace sluice {

// A host name in lower case without the last dot: 1 to 253 characters, labels of 1 to 63 letters,
// digits, hyphens and underscores, no hyphen at their ends (RFC 1123 2.1; the underscore for the
// service names of RFC 8552). An IPv4 address passes as well; it has that form.
class HostName {
 public:
  static constexpr std::size_t kSizeMax = 253;

  // Empty if `text`, with or without a last dot, is no host name.
  static HostName from(std::string_view text);

  std::string_view text() const { return {text_.data(), size_}; }
  bool is_empty() const { return size_ == 0; }

 private:
  std::array<char, kSizeMax> text_{};
  std::uint8_t size_ = 0;
};

// JA4, the client's part: "t13d1516h2_8daaf6152771_e5627efa2ab1" (FoxIO, technical details JA4).
struct Ja4 {
  static constexpr std::size_t kSize = 36;
  std::array<char, kSize> characters{};
  bool is_present = false;

  std::string_view text() const { return {characters.data(), is_present ? kSize : 0}; }
};

// ASCII only; every other byte stays as it is.
constexpr char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

enum class NameState : std::uint8_t {
  NeedMore,   // the bytes end before the name does
  Name,       // here it is
  None,       // whole, and names nobody
  Malformed,  // breaks its protocol's rules or ours (length, characters, two names)
};

struct NameAnswer {
  static NameAnswer of(NameState state) { return {state, {}, {}}; }

  NameState state = NameState::NeedMore;
  HostName name;  // empty unless state is Name
  Ja4 ja4;        // of hellos that were read whole
};

// The name in what the initiator sends first. `bytes` as in L7Input: the TCP stream from its
// first byte, or one UDP datagram. None for applications without a name (carries_name), and for
// QUIC, which takes several datagrams (QuicHello). A hello or head of a request that exceeds
// kL7HelloBytes is Malformed; NeedMore only for less than that of TCP. `scratch` for a hello in
// several records.
NameAnswer find_name(App app, L7Transport transport, std::span<const std::uint8_t> bytes,
                     L7Scratch& scratch);

}  // namespace sluice
