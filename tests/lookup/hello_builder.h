#pragma once

// ClientHellos for tests, written field by field.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

using ByteList = std::vector<std::uint8_t>;

inline void put16(ByteList& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}
// Byte by byte: GCC 12 warns falsely of insert() with short lists.
inline void put(ByteList& out, std::string_view text) {
  for (const char c : text) out.push_back(static_cast<std::uint8_t>(c));
}
inline void put(ByteList& out, const ByteList& bytes) {
  for (const std::uint8_t byte : bytes) out.push_back(byte);
}
inline ByteList behind16(const ByteList& bytes) {
  ByteList out;
  put16(out, bytes.size());
  put(out, bytes);
  return out;
}

struct HelloBuilder {
  std::uint16_t legacy_version = 0x0303;
  // Not by a list: GCC 12 then warns falsely of a dangling pointer.
  std::vector<std::uint16_t> ciphers = std::vector<std::uint16_t>(2, 0x1301);
  std::vector<std::pair<std::uint16_t, ByteList>> extensions;

  HelloBuilder& extension(std::uint16_t type, ByteList content) {
    extensions.emplace_back(type, std::move(content));
    return *this;
  }
  HelloBuilder& server_name(std::string_view host) {
    ByteList entry{0};
    put16(entry, host.size());
    put(entry, host);
    return extension(0, behind16(entry));
  }
  HelloBuilder& numbers(std::uint16_t type, const std::vector<std::uint16_t>& list) {
    ByteList content;
    for (const std::uint16_t number : list) put16(content, number);
    if (type != 43) return extension(type, behind16(content));
    content.insert(content.begin(), static_cast<std::uint8_t>(content.size()));
    return extension(type, content);
  }

  // The handshake message, as QUIC carries it.
  ByteList handshake() const {
    ByteList body;
    put16(body, legacy_version);
    body.insert(body.end(), 32, 0x5a);  // random
    body.push_back(0);                  // session id
    put16(body, ciphers.size() * 2);
    for (const std::uint16_t cipher : ciphers) put16(body, cipher);
    put(body, ByteList{1, 0});  // compression
    ByteList all;
    for (const auto& [type, content] : extensions) {
      put16(all, type);
      put(all, behind16(content));
    }
    put(body, behind16(all));
    ByteList message{1, static_cast<std::uint8_t>(body.size() >> 16)};
    put(message, behind16(body));  // the low 16 bits of the length
    return message;
  }

  // In records of at most `record_bytes`.
  ByteList stream(std::size_t record_bytes = 16384) const {
    const ByteList message = handshake();
    ByteList out;
    for (std::size_t at = 0; at < message.size(); at += record_bytes) {
      const std::size_t size = std::min(record_bytes, message.size() - at);
      put(out, ByteList{22, 3, 1});
      put16(out, size);
      out.insert(out.end(), message.begin() + static_cast<std::ptrdiff_t>(at),
                 message.begin() + static_cast<std::ptrdiff_t>(at + size));
    }
    return out;
  }
};

}  // namespace sluice
