#pragma once

// First bytes of connections, for the benches of layer 7.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice {

using Bytes = std::vector<std::uint8_t>;

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

inline void put16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

// A ClientHello of 517 bytes, as browsers pad it, for `host`.
inline Bytes client_hello(std::string_view host) {
  Bytes name{0, 0};
  put16(name, host.size() + 5);
  put16(name, host.size() + 3);
  name.push_back(0);
  put16(name, host.size());
  name.insert(name.end(), host.begin(), host.end());
  Bytes extensions = name;
  put16(extensions, 43);
  for (const std::uint8_t byte : {0, 3, 2, 3, 4}) extensions.push_back(byte);
  const std::size_t head = 4 + 2 + 32 + 33 + 2 + 32 + 2 + 2;
  const std::size_t padding = 512 - head - extensions.size() - 4;
  put16(extensions, 21);
  put16(extensions, padding);
  extensions.resize(extensions.size() + padding);
  Bytes body{3, 3};
  body.resize(34, 0x5a);
  body.push_back(32);
  body.resize(67, 0x33);
  put16(body, 32);
  for (std::uint16_t cipher = 0; cipher < 16; ++cipher) put16(body, 0xc020 + cipher);
  for (const std::uint8_t byte : {1, 0}) body.push_back(byte);
  put16(body, extensions.size());
  body.insert(body.end(), extensions.begin(), extensions.end());
  Bytes record{0x16, 3, 1};
  put16(record, body.size() + 4);
  record.push_back(1);
  record.push_back(0);
  put16(record, body.size());
  record.insert(record.end(), body.begin(), body.end());
  return record;
}

// A question for www.example.com, or the head of its answer.
inline Bytes dns_message(std::uint16_t id, bool is_answer) {
  Bytes bytes;
  put16(bytes, id);
  for (const int value : {is_answer ? 0x8180 : 0x0100, 1, is_answer ? 1 : 0, 0, 0}) {
    put16(bytes, static_cast<std::size_t>(value));
  }
  const Bytes question = bytes_of(std::string_view("\3www\7example\3com\0\0\1\0\1", 21));
  bytes.insert(bytes.end(), question.begin(), question.end());
  return bytes;
}

}  // namespace sluice
