#pragma once

// What libcrypto does for Layer 7, and the only place that knows it: SHA-256 for fingerprints, the
// keys and the opening of QUIC Initial packets (RFC 9001 5.2 to 5.4).
//
// The contexts are made once and used again, so that nothing but create() takes memory
// (tests/lookup/l7_memory_test.cc counts). One thread at a time.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace sluice {

class L7Crypto {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  // The keys by which a client seals its Initial packets.
  struct InitialKeys {
    std::array<std::uint8_t, 16> key{};
    std::array<std::uint8_t, 12> iv{};
    std::array<std::uint8_t, 16> header_key{};
  };

  // Null where libcrypto lacks an algorithm. Allocates.
  static std::unique_ptr<L7Crypto> create();
  ~L7Crypto();
  L7Crypto(const L7Crypto&) = delete;
  L7Crypto& operator=(const L7Crypto&) = delete;

  Digest sha256(std::string_view text);

  // The client's keys for the connection id that its first Initial is addressed to (0 to 20
  // bytes). `is_version2`: salt and labels of RFC 9369 instead of RFC 9001.
  InitialKeys initial_keys(std::span<const std::uint8_t> connection_id, bool is_version2);

  // The mask for header protection from the 16 bytes of sample (RFC 9001 5.4.3).
  std::array<std::uint8_t, 5> header_mask(const InitialKeys& keys,
                                          std::span<const std::uint8_t, 16> sample);

  // Opens `sealed` (ciphertext and 16 bytes of tag) into `plain`, which has room for all but the
  // tag. False where the tag is wrong; plain then holds nothing of use.
  bool open(const InitialKeys& keys, std::uint64_t packet_number,
            std::span<const std::uint8_t> header, std::span<const std::uint8_t> sealed,
            std::span<std::uint8_t> plain);

 private:
  struct Contexts;
  explicit L7Crypto(std::unique_ptr<Contexts> contexts);
  Digest hmac(std::span<const std::uint8_t> key, std::span<const std::uint8_t> message);
  void expand_label(const Digest& secret, std::string_view label, std::span<std::uint8_t> out);

  std::unique_ptr<Contexts> contexts_;
};

}  // namespace sluice
