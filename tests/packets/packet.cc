#include "tests/packets/packet.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

constexpr std::uint8_t kFragmentHeader = 44;

void put16(Bytes& bytes, std::uint16_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, static_cast<std::uint16_t>(value >> 16));
  put16(bytes, static_cast<std::uint16_t>(value));
}

void put(Bytes& bytes, std::span<const std::uint8_t> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

void put_address(Bytes& bytes, const IpAddr& address) {
  if (address.is_v4()) {
    put32(bytes, address.v4_value());
    return;
  }
  std::uint8_t wire[16];
  address.to_wire16(wire);
  put(bytes, wire);
}

IpAddr parse_address(std::string_view text) {
  const auto address = IpAddr::parse(text);
  CHECK(address.has_value());
  return *address;
}

MacAddr parse_mac(std::string_view text) {
  const auto mac = MacAddr::parse(text);
  CHECK(mac.has_value());
  return *mac;
}

IpAddr solicited_node(const IpAddr& target) {
  return IpAddr::v6(0xff02000000000000u, 0x1ff000000u | (target.low() & 0xffffffu));
}

Bytes discovery(std::uint8_t type, std::string_view mac, const IpAddr& source,
                const IpAddr& destination, std::string_view target, bool tells) {
  Bytes body;
  put_address(body, parse_address(target));
  if (tells) {
    body.push_back(type == Icmpv6Type::kNeighborSolicitation ? 1 : 2);
    body.push_back(1);
    put(body, parse_mac(mac).bytes);
  }
  Packet packet;
  packet.ip(source.to_string(), destination.to_string()).ttl(255);
  // The identifier's place holds the flags: solicited and override of an advertisement.
  const std::uint16_t flags = type == Icmpv6Type::kNeighborAdvertisement ? 0x6000 : 0;
  packet.icmp(type, 0, flags).payload(body).mac(mac, "33:33:ff:00:00:01");
  return packet.build();
}

}  // namespace

Packet::Packet()
    : source_mac_(parse_mac("02:00:00:00:00:01")),
      destination_mac_(parse_mac("02:00:00:00:00:02")) {}

Packet& Packet::mac(std::string_view source, std::string_view destination) {
  source_mac_ = parse_mac(source);
  destination_mac_ = parse_mac(destination);
  return *this;
}

Packet& Packet::vlan(std::uint16_t tag, std::uint16_t type) {
  put16(vlan_tags_, type);
  put16(vlan_tags_, tag);
  return *this;
}

Packet& Packet::ether_type(std::uint16_t type) {
  ether_type_ = type;
  return *this;
}

Packet& Packet::ip(std::string_view source, std::string_view destination) {
  source_ = parse_address(source);
  destination_ = parse_address(destination);
  return *this;
}

Packet& Packet::ttl(std::uint8_t value) {
  ttl_ = value;
  return *this;
}

Packet& Packet::id(std::uint32_t value) {
  id_ = value;
  return *this;
}

Packet& Packet::options(Bytes bytes) {
  ipv4_options_ = std::move(bytes);
  return *this;
}

Packet& Packet::extension(std::uint8_t type, Bytes body) {
  extensions_.push_back({type, std::move(body)});
  return *this;
}

Packet& Packet::tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags) {
  proto_ = static_cast<std::uint8_t>(Proto::Tcp);
  header_.clear();
  put16(header_, source);
  put16(header_, destination);
  put32(header_, 1'000);
  put32(header_, (flags & TcpFlags::kAck) != 0 ? 1'000 : 0);
  header_.push_back(0x50);
  header_.push_back(flags);
  put16(header_, 64'000);
  put32(header_, 0);
  return *this;
}

Packet& Packet::numbers(std::uint32_t sequence, std::uint32_t acknowledgment) {
  Bytes bytes;
  put32(bytes, sequence);
  put32(bytes, acknowledgment);
  std::copy(bytes.begin(), bytes.end(), header_.begin() + 4);
  return *this;
}

Packet& Packet::window(std::uint16_t size) {
  set16(header_, 14, size);
  return *this;
}

Packet& Packet::tcp_options(Bytes bytes) {
  put(header_, bytes);
  header_[12] = static_cast<std::uint8_t>(header_.size() / 4 << 4);
  return *this;
}

Packet& Packet::udp(std::uint16_t source, std::uint16_t destination) {
  proto_ = static_cast<std::uint8_t>(Proto::Udp);
  header_.clear();
  put16(header_, source);
  put16(header_, destination);
  put32(header_, 0);
  return *this;
}

Packet& Packet::icmp(std::uint8_t type, std::uint8_t code, std::uint16_t identifier,
                     std::uint16_t sequence) {
  proto_ = 0;  // by the addresses' family, see transport_proto()
  header_.clear();
  header_.push_back(type);
  header_.push_back(code);
  put16(header_, 0);
  put16(header_, identifier);
  put16(header_, sequence);
  return *this;
}

Packet& Packet::proto(std::uint8_t number) {
  proto_ = number;
  header_.clear();
  return *this;
}

Packet& Packet::payload(std::size_t size) {
  payload_.resize(size);
  for (std::size_t i = 0; i < size; ++i) payload_[i] = static_cast<std::uint8_t>(i);
  return *this;
}

Packet& Packet::payload(Bytes bytes) {
  payload_ = std::move(bytes);
  return *this;
}

Packet& Packet::quote(const Packet& other, std::size_t size) {
  payload_ = other.build_ip();
  if (size < payload_.size()) payload_.resize(size);
  return *this;
}

Packet& Packet::fragment(std::size_t offset, std::size_t size, bool more) {
  is_fragment_ = true;
  fragment_offset_ = offset;
  fragment_size_ = size;
  has_more_ = more;
  return *this;
}

std::uint8_t Packet::transport_proto() const {
  if (proto_ != 0) return proto_;
  if (header_.empty()) return 0;
  return static_cast<std::uint8_t>(is_v6() ? Proto::Icmpv6 : Proto::Icmp);
}

void Packet::finish_checksums(Bytes& transport) const {
  const std::uint8_t number = transport_proto();
  std::size_t at = 0;
  if (number == static_cast<std::uint8_t>(Proto::Udp)) {
    if (header_.empty()) return;
    set16(transport, 4, static_cast<std::uint16_t>(transport.size()));
    at = 6;
  } else if (number == static_cast<std::uint8_t>(Proto::Tcp)) {
    at = 16;
  } else if (number == 1 || number == 58) {
    at = 2;
  } else {
    return;
  }
  if (header_.empty()) return;
  Bytes pseudo;
  if (number != 1) {
    put_address(pseudo, source_);
    put_address(pseudo, destination_);
    put32(pseudo, static_cast<std::uint32_t>(transport.size()));
    put32(pseudo, number);
  }
  const std::uint16_t sum = checksum_sum(transport, checksum_sum(pseudo));
  set16(transport, at, static_cast<std::uint16_t>(~sum));
}

Bytes Packet::transport() const {
  Bytes bytes = header_;
  put(bytes, payload_);
  finish_checksums(bytes);
  if (!is_fragment_) return bytes;
  const std::size_t begin = std::min(fragment_offset_, bytes.size());
  const std::size_t end = std::min(begin + fragment_size_, bytes.size());
  return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
               bytes.begin() + static_cast<std::ptrdiff_t>(end));
}

Bytes Packet::ipv4_header(std::size_t payload_size) const {
  const std::size_t size = 20 + ipv4_options_.size();
  Bytes bytes;
  bytes.push_back(static_cast<std::uint8_t>(0x40 | size / 4));
  bytes.push_back(0);
  put16(bytes, static_cast<std::uint16_t>(size + payload_size));
  put16(bytes, static_cast<std::uint16_t>(id_));
  std::uint16_t fragment = 0;
  if (is_fragment_) {
    fragment = static_cast<std::uint16_t>(fragment_offset_ / 8 | (has_more_ ? 0x2000 : 0));
  }
  put16(bytes, fragment);
  bytes.push_back(ttl_);
  bytes.push_back(transport_proto());
  put16(bytes, 0);
  put_address(bytes, source_);
  put_address(bytes, destination_);
  put(bytes, ipv4_options_);
  mend_ipv4(bytes, 0);
  return bytes;
}

Bytes Packet::ipv6_header(std::size_t payload_size) const {
  std::vector<Extension> chain = extensions_;
  if (is_fragment_) {
    Bytes body;
    put16(body, static_cast<std::uint16_t>(fragment_offset_ | (has_more_ ? 1 : 0)));
    put32(body, id_);
    chain.push_back({kFragmentHeader, body});
  }
  Bytes extension_bytes;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::size_t size = 2 + chain[i].body.size();
    CHECK(size % 8 == 0);
    extension_bytes.push_back(i + 1 < chain.size() ? chain[i + 1].type : transport_proto());
    const bool has_length = chain[i].type != kFragmentHeader;
    extension_bytes.push_back(has_length ? static_cast<std::uint8_t>(size / 8 - 1) : 0);
    put(extension_bytes, chain[i].body);
  }
  Bytes bytes;
  put32(bytes, 0x60000000);
  put16(bytes, static_cast<std::uint16_t>(extension_bytes.size() + payload_size));
  bytes.push_back(chain.empty() ? transport_proto() : chain[0].type);
  bytes.push_back(ttl_);
  put_address(bytes, source_);
  put_address(bytes, destination_);
  put(bytes, extension_bytes);
  return bytes;
}

Bytes Packet::build_ip() const {
  const Bytes transport_bytes = transport();
  Bytes bytes = is_v6() ? ipv6_header(transport_bytes.size()) : ipv4_header(transport_bytes.size());
  put(bytes, transport_bytes);
  return bytes;
}

std::size_t Packet::transport_offset() const {
  return 14 + vlan_tags_.size() + (is_v6() ? ipv6_header(0) : ipv4_header(0)).size();
}

Bytes Packet::build() const {
  Bytes bytes;
  put(bytes, destination_mac_.bytes);
  put(bytes, source_mac_.bytes);
  put(bytes, vlan_tags_);
  if (ether_type_ != 0) {
    put16(bytes, ether_type_);
    put(bytes, payload_);
    return bytes;
  }
  put16(bytes, is_v6() ? 0x86dd : 0x0800);
  put(bytes, build_ip());
  return bytes;
}

Bytes window_scale_option(std::uint8_t scale) { return {3, 3, scale, 0}; }

Bytes arp(std::uint16_t operation, std::string_view sender_mac, std::string_view sender,
          std::string_view target, std::string_view frame_source) {
  Bytes body;
  put16(body, 1);
  put16(body, 0x0800);
  body.push_back(6);
  body.push_back(4);
  put16(body, operation);
  put(body, parse_mac(sender_mac).bytes);
  put_address(body, parse_address(sender));
  put(body, MacAddr{}.bytes);
  put_address(body, parse_address(target));
  return Packet()
      .mac(frame_source.empty() ? sender_mac : frame_source, "ff:ff:ff:ff:ff:ff")
      .ether_type(0x0806)
      .payload(body)
      .build();
}

Bytes solicitation(std::string_view mac, std::string_view source, std::string_view target) {
  const IpAddr from = parse_address(source);
  return discovery(Icmpv6Type::kNeighborSolicitation, mac, from,
                   solicited_node(parse_address(target)), target, !from.is_unspecified());
}

Bytes advertisement(std::string_view mac, std::string_view source, std::string_view destination,
                    std::string_view target) {
  return discovery(Icmpv6Type::kNeighborAdvertisement, mac, parse_address(source),
                   parse_address(destination), target, true);
}

void set8(Bytes& bytes, std::size_t at, std::uint8_t value) { bytes.at(at) = value; }

void set16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t at) {
  CHECK(at + 1 < bytes.size());
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void mend_ipv4(Bytes& frame, std::size_t at) {
  set16(frame, at + 10, 0);
  const std::size_t size = (frame.at(at) & 15u) * 4u;
  const auto header = std::span<const std::uint8_t>(frame).subspan(at, size);
  set16(frame, at + 10, static_cast<std::uint16_t>(~checksum_sum(header)));
}

std::uint16_t checksum_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

}  // namespace sluice
