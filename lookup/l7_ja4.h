#pragma once

// JA4, a fingerprint of a client's hello: "t13d1516h2_8daaf6152771_e5627efa2ab1".
//
//   t    13       d     15       16          h2    _ 8daaf6152771   _ e5627efa2ab1
//   t|q  version  d|i   ciphers  extensions  ALPN    SHA-256 of       SHA-256 of the sorted
//                 name                                sorted ciphers   extensions and the
//                                                                      signature algorithms
//
// As FoxIO's technical details of JA4 say: values of GREASE (RFC 8701) count nowhere, server name
// and ALPN are not hashed but counted, hashes are cut to 12 digits, an empty list is
// "000000000000". Clients that shuffle their extensions keep their fingerprint. Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lookup/l7_crypto.h"
#include "lookup/l7_names.h"

namespace sluice {

// 16-bit numbers of a hello without GREASE, in its order; a hello with more has no fingerprint.
class HelloNumbers {
 public:
  static constexpr std::size_t kMax = 256;

  void add(std::uint16_t number);
  std::span<const std::uint16_t> all() const { return std::span(numbers_).first(count_); }
  bool has_overflown() const { return has_overflown_; }
  // Ascending.
  void sort();
  void erase(std::uint16_t number);

 private:
  std::array<std::uint16_t, kMax> numbers_;  // the first count_
  std::size_t count_ = 0;
  bool has_overflown_ = false;
};

constexpr bool is_grease(std::uint16_t number) {
  return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

// What of a hello goes into the fingerprint.
struct HelloFacts {
  bool is_quic = false;
  bool has_server_name = false;
  std::uint16_t version = 0;  // the highest that it supports
  std::span<const std::uint8_t> first_alpn;
  HelloNumbers ciphers;
  HelloNumbers extensions;
  HelloNumbers signature_algorithms;
};

// Not present if the hello has more than HelloNumbers::kMax of anything. Sorts `facts`.
Ja4 ja4_of(HelloFacts& facts, L7Crypto& crypto);

}  // namespace sluice
