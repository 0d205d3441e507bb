#include "lookup/l7_shapes_udp.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/bytes.h"

namespace sluice {
namespace {

constexpr std::uint32_t kDhcpCookie = 0x6382'5363;
constexpr std::size_t kDhcpCookieOffset = 236;

bool is_all_zero(L7Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// NTP (RFC 5905 7.3): time packets of 48 bytes and what follows them in fours; control messages
// (RFC 9327 2) and the private ones of ntpd (mode 7).
L7Fit ntp_shape(const L7Input& input) {
  const L7Bytes bytes = input.bytes;
  const int version = bytes[0] >> 3 & 7;
  const int mode = bytes[0] & 7;
  if (version < 1 || version > 4) return L7Fit::No;
  ByteCursor cursor(bytes);
  cursor.skip(1);
  if (mode == 6) {
    cursor.skip(9);
    const std::size_t count = cursor.u16();
    return yes_if(version >= 2 && cursor.is_good() && cursor.left() >= count &&
                  cursor.left() < count + 4 + 24);
  }
  if (mode == 7) {
    cursor.skip(1);  // authentication, sequence
    const std::uint8_t implementation = cursor.u8();
    cursor.skip(1);  // request code
    const std::size_t items = cursor.u16() & 0xfff;
    const std::size_t item_bytes = cursor.u16() & 0xfff;
    return yes_if(version >= 2 && cursor.is_good() && implementation <= 3 &&
                  cursor.left() >= items * item_bytes && cursor.left() <= 500);
  }
  const std::uint8_t stratum = cursor.u8();
  const std::uint8_t poll = cursor.u8();
  const auto precision = static_cast<std::int8_t>(cursor.u8());
  const std::uint32_t root_delay = cursor.u32();
  const std::uint32_t root_dispersion = cursor.u32();
  // In 16.16 seconds: nobody keeps time over paths of minutes.
  const bool has_sane_root = root_delay >> 16 < 128 && root_dispersion >> 16 < 128;
  const bool is_sent_by_client = mode == 1 || mode == 3;
  const bool is_right_side = input.side == L7Side::Initiator || !is_sent_by_client || mode == 1;
  return yes_if(mode != 0 && is_right_side && bytes.size() >= 48 && bytes.size() % 4 == 0 &&
                bytes.size() <= 1024 && stratum <= 16 && poll <= 17 && precision <= 0 &&
                has_sane_root);
}

// Options of DHCPv6 (RFC 8415 21.1) that fill the message.
bool has_dhcpv6_options(ByteCursor cursor) {
  bool has_identifier = false;
  while (!cursor.is_at_end()) {
    const std::uint16_t code = cursor.u16();
    cursor.skip(cursor.u16());
    if (!cursor.is_good() || code == 0) return false;
    has_identifier |= code == 1 || code == 2 || code == 9;
  }
  return has_identifier;
}

L7Fit dhcp_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  if (input.bytes.size() >= kDhcpCookieOffset + 4 && input.bytes[0] <= 2) {
    cursor.skip(kDhcpCookieOffset);
    if (cursor.u32() == kDhcpCookie) return yes_if(input.bytes[2] <= 16);
    cursor = ByteCursor(input.bytes);
  }
  const std::uint8_t type = cursor.u8();
  const bool is_relayed = type == 12 || type == 13;
  cursor.skip(is_relayed ? 33 : 3);
  return yes_if(cursor.is_good() && has_dhcpv6_options(cursor));
}

// Versions 1 and 2, their drafts, what reserves itself for negotiation, and Google's of before.
bool is_quic_version(std::uint32_t version) {
  const std::uint32_t top = version >> 8;
  const bool is_google = (version >> 24 == 'Q' || version >> 24 == 'T') &&
                         (version >> 16 & 0xff) == '0' && (version >> 8 & 0xff) >= '0' &&
                         (version >> 8 & 0xff) <= '9' && (version & 0xff) >= '0' &&
                         (version & 0xff) <= '9';
  return version == 1 || version == 0x6b33'43cf || version == 0x709a'50c4 || top == 0xff'0000 ||
         is_google || (version & 0x0f0f'0f0f) == 0x0a0a'0a0a || (version & ~0xfu) == 0xface'b000;
}

// Google's public header before QUIC was standardised: flags, connection id of eight bytes,
// version.
bool is_google_quic(L7Bytes bytes) {
  ByteCursor cursor(bytes);
  const std::uint8_t flags = cursor.u8();
  cursor.skip(8);
  const std::uint32_t version = cursor.u32();
  return cursor.left() >= 12 && (flags & 0xc9) == 0x09 && version >> 24 == 'Q' &&
         is_quic_version(version);
}

// A long header with a version, connection ids, and an Initial's or handshake's room (RFC 8999 5.1,
// RFC 9000 14.1). Initiators pad to 1200 bytes; Version Negotiation has version 0.
L7Fit quic_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint8_t first = cursor.u8();
  if ((first & 0x80) == 0) return yes_if(is_google_quic(input.bytes));
  const std::uint32_t version = cursor.u32();
  const std::size_t destination = cursor.u8();
  cursor.skip(destination);
  const std::size_t source = cursor.u8();
  cursor.skip(source);
  if (!cursor.is_good()) return L7Fit::No;
  if (version == 0) {
    const bool is_list = cursor.left() >= 4 && cursor.left() % 4 == 0;
    return yes_if(input.side == L7Side::Responder && is_list && is_quic_version(cursor.u32()));
  }
  if (!is_quic_version(version)) return L7Fit::No;
  const bool is_google = version >> 24 == 'Q' || version >> 24 == 'T';
  if (is_google) return yes_if(input.bytes.size() >= 40);  // its ids have lengths of another form
  const bool is_long_enough = input.side == L7Side::Responder || input.bytes.size() >= 1200;
  return yes_if((first & 0x40) != 0 && destination <= 20 && source <= 20 && is_long_enough);
}

// STUN: attributes that fill the message (RFC 8489 5, 14). Without the cookie, as RFC 3489 had it,
// only where there is an attribute or the request is a plain binding.
L7Fit stun_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint16_t type = cursor.u16();
  const std::size_t length = cursor.u16();
  const bool has_cookie = cursor.u32() == kStunCookie;
  cursor.skip(12);
  if (!cursor.is_good() || type >> 14 != 0 || length % 4 != 0) return L7Fit::No;
  // What follows a message is another one (a framing of some clients), never less.
  if (has_cookie) return yes_if(length <= cursor.left());
  if (length != cursor.left()) return L7Fit::No;
  while (!cursor.is_at_end()) {
    const std::uint16_t attribute = cursor.u16();
    const std::size_t size = cursor.u16();
    cursor.skip((size + 3) & ~std::size_t{3});
    const bool is_known = (attribute >= 1 && attribute <= 0x30) || attribute >= 0x8000;
    if (!cursor.is_good() || !is_known) return L7Fit::No;
  }
  return yes_if(length > 0 || type == 0x0001);
}

// A sequence that fills the datagram, its version, then a community or a header (RFC 3412 6).
L7Fit snmp_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  cursor.skip(1);
  std::size_t length = cursor.u8();
  if (length >= 0x80) {
    const std::size_t count = length & 0x7f;
    if (count == 0 || count > 3) return L7Fit::No;
    length = 0;
    for (std::size_t i = 0; i < count; ++i) length = length << 8 | cursor.u8();
  }
  const bool fills = length == cursor.left();
  const bool has_version = cursor.u8() == 0x02 && cursor.u8() == 0x01;
  const std::uint8_t version = cursor.u8();
  const std::uint8_t next = cursor.u8();
  return yes_if(cursor.is_good() && fills && has_version && next == (version == 3 ? 0x30 : 0x04));
}

// uTP (BEP 29): version 1, extensions that end, and a type. Only what opens or answers an opening.
L7Fit utp_shape(L7Side side, L7Bytes bytes) {
  ByteCursor cursor(bytes);
  const int type = cursor.u8() >> 4;
  std::uint8_t extension = cursor.u8();
  cursor.skip(2);  // connection id
  cursor.skip(4);  // time stamp
  const std::uint32_t difference = cursor.u32();
  const std::uint32_t window = cursor.u32();
  const std::uint16_t sequence = cursor.u16();
  const std::uint16_t acknowledged = cursor.u16();
  if (!cursor.is_good() || type > 4) return L7Fit::No;
  for (int i = 0; extension != 0; ++i) {
    extension = cursor.u8();
    const std::size_t size = cursor.u8();
    cursor.skip(size);
    if (!cursor.is_good() || extension > 3 || size == 0 || size % 4 != 0 || i > 3) return L7Fit::No;
  }
  if (type == 4) {
    return yes_if(side == L7Side::Initiator && difference == 0 && sequence == 1 &&
                  acknowledged == 0 && cursor.is_at_end());
  }
  const bool is_bare = type == 1 || type == 2 || type == 3;
  return yes_if(is_bare && side == L7Side::Responder && cursor.is_at_end() && window >= 1024);
}

L7Fit bittorrent_shape(const L7Input& input) {
  const L7Bytes bytes = input.bytes;
  if (bytes[0] == 'd') return yes_if(bytes.size() >= 20 && bytes[bytes.size() - 1] == 'e');
  if (bytes[0] == 0) return yes_if(bytes.size() == 16);  // connects to a tracker (BEP 15)
  return utp_shape(input.side, bytes);
}

// Fixed lengths, but for a transport message's.
L7Fit wireguard_shape(const L7Input& input) {
  const std::size_t size = input.bytes.size();
  return yes_if((input.bytes[0] == 1 && size == 148) || (input.bytes[0] == 2 && size == 92) ||
                (input.bytes[0] == 3 && size == 64));
}

// DATA of the first block, ACK of it, ERROR with a text, OACK with pairs (RFC 1350 5, RFC 2347).
L7Fit tftp_shape(const L7Input& input) {
  const L7Bytes bytes = input.bytes;
  const bool ends_text = bytes[bytes.size() - 1] == 0;
  switch (bytes[1]) {
    case 1:
    case 2:
      return yes_if(ends_text);
    case 3:
      return yes_if(bytes.size() <= 4 + 1468);
    case 4:
      return yes_if(bytes.size() == 4);
    case 5:
      return yes_if(bytes.size() >= 5 && bytes.size() <= 512 && ends_text);
    default:
      return yes_if(ends_text && std::ranges::count(bytes.subspan(2), 0) % 2 == 0);
  }
}

}  // namespace

L7Fit openvpn_datagram_shape(L7Side side, L7Bytes packet) {
  constexpr std::array<std::size_t, 4> kDigests{0, 16, 20, 32};
  const std::size_t size = packet.size();
  // Opcode and session, then (with a digest: it, a packet id and the time) a list of
  // acknowledgements and the message's id, which begins at 0.
  for (const std::size_t digest : kDigests) {
    const std::size_t head = 9 + digest + (digest == 0 ? 0 : 8);
    if (size <= head) continue;
    const std::size_t acknowledged = packet[head];
    const std::size_t list = acknowledged == 0 ? 0 : acknowledged * 4 + 8;
    if (acknowledged > 4 || (side == L7Side::Initiator && acknowledged != 0)) continue;
    if (size != head + 1 + list + 4 || !is_all_zero(packet.last(4))) continue;
    const bool has_first_id =
        digest == 0 || is_all_zero(packet.subspan(9 + digest, 3));  // few packets so far
    if (has_first_id && !is_all_zero(packet.subspan(1, 8))) return L7Fit::Yes;
  }
  // tls-crypt: packet id and time in clear, digest of 32, the rest sealed; version 3 of the client
  // with its wrapped key behind.
  constexpr std::size_t kTlsCrypt = 1 + 8 + 8 + 32 + 5;
  const bool is_crypt = side == L7Side::Initiator ? size == kTlsCrypt || packet[0] == 0x50
                                                  : size == kTlsCrypt || size == kTlsCrypt + 12;
  return yes_if(size >= kTlsCrypt && size <= 1500 && is_crypt &&
                is_all_zero(packet.subspan(9, 3)) && packet[12] != 0 &&
                !is_all_zero(packet.subspan(1, 8)));
}

L7Fit udp_shape(App app, const L7Input& input) {
  if (app == App::Ntp) return ntp_shape(input);
  if (app == App::Dhcp) return dhcp_shape(input);
  if (app == App::Quic) return quic_shape(input);
  if (app == App::Stun) return stun_shape(input);
  if (app == App::Snmp) return snmp_shape(input);
  if (app == App::Bittorrent) return bittorrent_shape(input);
  if (app == App::Wireguard) return wireguard_shape(input);
  if (app == App::Openvpn) return openvpn_datagram_shape(input.side, input.bytes);
  if (app == App::Tftp) return tftp_shape(input);
  return L7Fit::Yes;
}

}  // namespace sluice
