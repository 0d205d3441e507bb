#include "lookup/l7_shapes.h"

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "lookup/l7_dns.h"
#include "lookup/l7_shapes_udp.h"

namespace sluice {
namespace {

std::uint32_t u32_little(ByteCursor& cursor) { return __builtin_bswap32(cursor.u32()); }

// The length of a BER element (X.690 8.1.3), four bytes at most; cursor failed if it has no form.
std::uint32_t read_ber_length(ByteCursor& cursor) {
  const std::uint8_t first = cursor.u8();
  if (first < 0x80) return first;
  std::uint32_t length = 0;
  const int count = first & 0x7f;
  if (count == 0 || count > 4) cursor.fail();
  for (int i = 0; i < count && cursor.is_good(); ++i) length = length << 8 | cursor.u8();
  return length;
}

// A record with a hello whose length is a hello's (RFC 8446 4, 5.1), or an alert.
L7Fit tls_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint8_t type = cursor.u8();
  cursor.skip(2);
  const std::uint32_t record = cursor.u16();
  if (type == 21) return L7Fit::Yes;
  cursor.skip(1);
  const std::uint32_t hello = cursor.u24();
  if (!cursor.is_good()) return L7Fit::NeedMore;
  return yes_if(record >= 4 && record <= 16384 + 256 && hello >= 38 && hello <= 1u << 17);
}

// HandshakeV10, the error in its place, or HandshakeResponse41 with its 23 bytes of filler, of
// which MariaDB uses the last four.
L7Fit mysql_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint32_t length = u32_little(cursor);  // the sequence number is the top byte
  if (input.side == L7Side::Responder) return yes_if(length >= 9 && length <= 1024);
  const std::uint32_t capabilities = u32_little(cursor);
  return yes_if((length & 0xff'ffff) >= 32 && (length & 0xff'ffff) <= 16384 &&
                (capabilities & 0x200) != 0);
}

// StartupMessage: its length.
L7Fit postgresql_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  if (input.side == L7Side::Responder) return L7Fit::Yes;
  const std::uint32_t length = cursor.u32();
  return yes_if(length >= 8 && length <= 10'000);
}

// messageLength counts its own header of 16 bytes; a first request answers nothing.
L7Fit mongodb_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint32_t length = u32_little(cursor);
  return yes_if(length >= 20 && length <= 48'000'000);
}

// Key, extras and value lie in the body; the two reserved bytes say which partition.
L7Fit memcached_shape(const L7Input& input) {
  if (input.transport == L7Transport::Udp || input.bytes[0] < 0x80) return L7Fit::Yes;
  ByteCursor cursor(input.bytes);
  cursor.skip(2);
  const std::uint32_t key = cursor.u16();
  const std::uint32_t extras = cursor.u8();
  cursor.skip(3);
  const std::uint32_t body = cursor.u32();
  if (!cursor.is_good()) return L7Fit::NeedMore;
  return yes_if(key <= 250 && extras <= 32 && key + extras <= body && body <= 1u << 27);
}

// TPKT (RFC 1006 6) and X.224 length agree.
L7Fit rdp_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  cursor.skip(2);
  const std::uint32_t whole = cursor.u16();
  return yes_if(cursor.u8() + 5u == whole);
}

// NetBIOS length (RFC 1002 4.3.1) of a header at least.
L7Fit smb_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint8_t type = cursor.u8();
  return yes_if(type == 0x81 || cursor.u24() >= 32);
}

// LDAPMessage: a sequence with a message id and an operation that fit into each other. An
// unbind request is empty.
L7Fit ldap_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  cursor.skip(1);
  const std::uint32_t whole = read_ber_length(cursor);
  const std::size_t content = cursor.position();
  if (cursor.u8() != 0x02) return L7Fit::No;
  const std::uint32_t id_bytes = cursor.u8();
  if (id_bytes == 0 || id_bytes > 4) return L7Fit::No;
  const L7Bytes id = cursor.take(id_bytes);
  const std::uint8_t operation = cursor.u8();
  const std::uint32_t body = read_ber_length(cursor);
  if (!cursor.is_good()) return input.transport == L7Transport::Tcp ? L7Fit::NeedMore : L7Fit::No;
  const std::size_t head = cursor.position() - content;
  // Application class, as RFC 4511 numbers them; not the highest bit of an id.
  const bool is_application = (operation & 0xc0) == 0x40 && (id[0] & 0x80) == 0;
  return yes_if(is_application && whole >= head && body <= whole - head && whole <= 1u << 24);
}

// Behind the record mark of TCP the message fills it (RFC 4120 7.2.2).
L7Fit kerberos_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const bool is_tcp = input.transport == L7Transport::Tcp;
  const std::size_t mark = is_tcp ? cursor.u32() : input.bytes.size();
  const std::size_t begin = cursor.position();
  cursor.skip(1);
  const std::size_t body = read_ber_length(cursor);
  if (!cursor.is_good()) return is_tcp ? L7Fit::NeedMore : L7Fit::No;
  const std::size_t whole = cursor.position() - begin + body;
  return yes_if(is_tcp ? whole == mark : whole >= mark);
}

// The remaining length (3.1.1: 2.2.3) ends where the protocol's name begins.
L7Fit mqtt_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint8_t type = cursor.u8();
  std::uint32_t length = 0;
  int shift = 0;
  std::uint8_t byte = 0;
  do {
    byte = cursor.u8();
    length |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
    shift += 7;
  } while ((byte & 0x80) != 0 && shift < 28);
  if (type == 0x20) return L7Fit::Yes;
  const std::uint16_t name = cursor.u16();
  return yes_if((name == 4 || name == 6) && length >= 12 && cursor.u8() == 'M');
}

// A request's length, and a client id of printable text within it.
L7Fit kafka_shape(const L7Input& input) {
  ByteCursor cursor(input.bytes);
  const std::uint32_t length = cursor.u32();
  const std::uint16_t key = cursor.u16();
  const std::uint16_t version = cursor.u16();
  cursor.skip(4);
  const std::uint16_t client = cursor.u16();
  const std::uint32_t name = client == 0xffff ? 0 : client;
  if (length < 10 + name || length > 100'000'000 || version > 17 || name > 255) return L7Fit::No;
  // A nameless client only in the requests that open a connection.
  if (client == 0xffff && key != 18 && key != 17 && key != 3) return L7Fit::No;
  const L7Bytes there = cursor.take(std::min<std::size_t>(name, cursor.left()));
  const bool is_text = std::ranges::all_of(there, [](auto c) { return c > 0x20 && c < 0x7f; });
  if (!is_text) return L7Fit::No;
  return there.size() < name ? L7Fit::NeedMore : L7Fit::Yes;
}

// A hard reset behind its length: 14 bytes without tls-auth, else with the digest and the packet
// id that the first packet has (OpenVPN, ssl_pkt.h, tls_crypt.h).
L7Fit openvpn_tcp_shape(const L7Input& input) {
  const std::size_t length = ByteCursor(input.bytes).u16();
  if (length < 14 || length > 1500) return L7Fit::No;
  if (input.bytes.size() < length + 2) return L7Fit::NeedMore;
  return openvpn_datagram_shape(input.side, input.bytes.subspan(2, length));
}

// Bare or behind two bytes of length (RFC 4571).
L7Fit stun_tcp_shape(const L7Input& input) {
  ByteCursor bare(input.bytes);
  bare.skip(2);
  const std::size_t length = bare.u16();
  if (bare.u32() == kStunCookie) return yes_if(length % 4 == 0 && length <= 2048);
  ByteCursor framed(input.bytes);
  const std::size_t frame = framed.u16();
  framed.skip(2);
  const std::size_t inner = framed.u16();
  if (framed.u32() != kStunCookie) return L7Fit::NeedMore;
  return yes_if(inner % 4 == 0 && inner + 20 == frame);
}

L7Fit tcp_shape(App app, const L7Input& input) {
  if (app == App::Tls) return tls_shape(input);
  if (app == App::Mysql) return mysql_shape(input);
  if (app == App::Postgresql) return postgresql_shape(input);
  if (app == App::Mongodb) return mongodb_shape(input);
  if (app == App::Rdp) return rdp_shape(input);
  if (app == App::Smb) return smb_shape(input);
  if (app == App::Mqtt) return mqtt_shape(input);
  if (app == App::Kafka) return kafka_shape(input);
  if (app == App::Openvpn) return openvpn_tcp_shape(input);
  if (app == App::Stun) return stun_tcp_shape(input);
  return L7Fit::Yes;
}

}  // namespace

L7Fit shape_of(App app, const L7Input& input) {
  if (app == App::Dns) return dns_form(input.transport, input.side, input.bytes);
  if (app == App::Memcached) return memcached_shape(input);
  if (app == App::Ldap) return ldap_shape(input);
  if (app == App::Kerberos) return kerberos_shape(input);
  return input.transport == L7Transport::Tcp ? tcp_shape(app, input) : udp_shape(app, input);
}

}  // namespace sluice
