#pragma once

// Packets and capture files, byte by byte, for the tests of replay.

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/proto.h"

namespace sluice {

using Bytes = std::vector<std::uint8_t>;

inline void put16(Bytes& out, std::uint32_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}
inline void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
inline Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

inline Bytes udp(std::uint16_t source, std::uint16_t destination, std::size_t payload = 8) {
  Bytes out;
  put16(out, source);
  put16(out, destination);
  put16(out, static_cast<std::uint32_t>(8 + payload));
  put16(out, 0);
  out.resize(out.size() + payload, 0x5a);
  return out;
}

inline Bytes tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags,
                 std::uint32_t sequence = 1000, std::uint32_t acknowledgment = 0,
                 std::size_t payload = 0) {
  Bytes out;
  put16(out, source);
  put16(out, destination);
  put32(out, sequence);
  put32(out, acknowledgment);
  put16(out, 0x5000u | flags);
  put16(out, 65535);
  put32(out, 0);
  out.resize(out.size() + payload, 0x5a);
  return out;
}

// An echo message of 64 bytes, as ping sends it.
inline Bytes echo(std::uint8_t type, std::uint16_t identifier, std::uint16_t sequence) {
  Bytes out = {type, 0, 0, 0};
  put16(out, identifier);
  put16(out, sequence);
  out.resize(64, 0x5a);
  return out;
}

struct Ipv4Fields {
  std::uint16_t id = 1;
  std::uint16_t fragment = 0;  // flags and offset as on the wire
  std::uint8_t ttl = 64;
};

inline Bytes ipv4(std::string_view source, std::string_view destination, Proto proto,
                  const Bytes& payload, Ipv4Fields fields = {}) {
  Bytes out = {0x45, 0};
  put16(out, static_cast<std::uint32_t>(20 + payload.size()));
  put16(out, fields.id);
  put16(out, fields.fragment);
  out.push_back(fields.ttl);
  out.push_back(static_cast<std::uint8_t>(proto));
  put16(out, 0);
  put32(out, IpAddr::parse(source)->v4_value());
  put32(out, IpAddr::parse(destination)->v4_value());
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 20; i += 2)
    sum += static_cast<std::uint32_t>(out[i] << 8 | out[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  out[10] = static_cast<std::uint8_t>(~sum >> 8);
  out[11] = static_cast<std::uint8_t>(~sum);
  return joined(out, payload);
}

inline Bytes ipv6(std::string_view source, std::string_view destination, Proto proto,
                  const Bytes& payload) {
  Bytes out = {0x60, 0, 0, 0};
  put16(out, static_cast<std::uint32_t>(payload.size()));
  out.push_back(static_cast<std::uint8_t>(proto));
  out.push_back(64);
  for (const std::string_view address : {source, destination}) {
    std::uint8_t wire[16];
    IpAddr::parse(address)->to_wire16(wire);
    out.insert(out.end(), wire, wire + 16);
  }
  return joined(out, payload);
}

inline Bytes ethernet(const Bytes& packet, std::uint16_t ether_type = 0x0800) {
  Bytes out = {0x02, 0, 0, 0, 0, 0x0a, 0x02, 0, 0, 0, 0, 0x0b};
  put16(out, ether_type);
  return joined(out, packet);
}

// A classic capture file, little-endian, written packet by packet.
class CaptureFile {
 public:
  static constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
  static constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;

  explicit CaptureFile(std::uint32_t link_type = 1, std::uint32_t magic = kMicroseconds) {
    for (const std::uint32_t word : {magic, 0x00040002u, 0u, 0u, 262144u, link_type}) little(word);
  }
  // `fraction` in the unit of the file; `wire_length` 0: as captured.
  CaptureFile& add(std::uint32_t seconds, std::uint32_t fraction, const Bytes& bytes,
                   std::uint32_t wire_length = 0) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    for (const std::uint32_t word : {seconds, fraction, size, wire_length ? wire_length : size}) {
      little(word);
    }
    bytes_ = joined(std::move(bytes_), bytes);
    return *this;
  }
  CaptureFile& add(std::uint32_t seconds, const Bytes& bytes) { return add(seconds, 0, bytes); }
  Bytes& bytes() { return bytes_; }
  void save(const std::string& path) const {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes_.data()),
               static_cast<std::streamsize>(bytes_.size()));
  }

 private:
  void little(std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes_.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  Bytes bytes_;
};

// The same as a pcapng file: a section, an Ethernet interface, enhanced packet blocks.
class CaptureNgFile {
 public:
  CaptureNgFile() {
    block(0x0a0d0d0a, {0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff}, {});
    block(1, {1, 262144}, {});
  }
  CaptureNgFile& add(std::uint32_t seconds, const Bytes& bytes) {
    const std::uint64_t stamp_us = std::uint64_t{seconds} * 1'000'000;
    const auto size = static_cast<std::uint32_t>(bytes.size());
    block(6,
          {0, static_cast<std::uint32_t>(stamp_us >> 32), static_cast<std::uint32_t>(stamp_us),
           size, size},
          bytes);
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  void block(std::uint32_t kind, const std::vector<std::uint32_t>& words, Bytes body) {
    body.resize((body.size() + 3) / 4 * 4);
    const auto size = static_cast<std::uint32_t>(12 + 4 * words.size() + body.size());
    little(kind);
    little(size);
    for (const std::uint32_t word : words) little(word);
    bytes_ = joined(std::move(bytes_), body);
    little(size);
  }
  void little(std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes_.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  Bytes bytes_;
};

}  // namespace sluice
