#pragma once

// A client's Initial packets for tests, sealed as RFC 9001 5.3 and 5.4 say.

#include <openssl/evp.h>

#include <cstdint>
#include <span>

#include "base/check.h"
#include "lookup/l7_crypto.h"
#include "tests/lookup/hello_builder.h"

namespace sluice {

inline void put_varint(ByteList& out, std::size_t value) {
  CHECK(value < 0x4000);
  put16(out, 0x4000 | value);
}

inline ByteList crypto_frame(std::size_t offset, std::span<const std::uint8_t> piece) {
  ByteList frame{6};
  put_varint(frame, offset);
  put_varint(frame, piece.size());
  frame.insert(frame.end(), piece.begin(), piece.end());
  return frame;
}

struct InitialPacket {
  ByteList connection_id{0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
  ByteList sealed_for = connection_id;  // whose keys
  ByteList token;
  std::uint32_t version = 1;
  std::uint32_t number = 2;
  std::size_t padded_to = 1162;  // bytes of frames

  ByteList seal(ByteList frames, L7Crypto& crypto) const {
    if (frames.size() < padded_to) frames.resize(padded_to);
    const bool is_version2 = version != 1;
    ByteList header{static_cast<std::uint8_t>(is_version2 ? 0xd3 : 0xc3)};
    put16(header, version >> 16);
    put16(header, version & 0xffff);
    header.push_back(static_cast<std::uint8_t>(connection_id.size()));
    put(header, connection_id);
    header.push_back(0);  // source connection id
    header.push_back(static_cast<std::uint8_t>(token.size()));
    put(header, token);
    put_varint(header, 4 + frames.size() + 16);
    const std::size_t offset = header.size();
    put16(header, number >> 16);
    put16(header, number & 0xffff);
    const L7Crypto::InitialKeys keys = crypto.initial_keys(sealed_for, is_version2);
    ByteList packet = header;
    put(packet, encrypt(keys, header, frames));
    const auto sample = std::span<const std::uint8_t>(packet).subspan(offset + 4).first<16>();
    const auto mask = crypto.header_mask(keys, sample);
    packet[0] ^= mask[0] & 0x0f;
    for (std::size_t i = 0; i < 4; ++i) packet[offset + i] ^= mask[i + 1];
    return packet;
  }

 private:
  ByteList encrypt(const L7Crypto::InitialKeys& keys, const ByteList& header,
                   const ByteList& frames) const {
    auto nonce = keys.iv;
    for (std::size_t i = 0; i < 4; ++i) {
      nonce[11 - i] ^= static_cast<std::uint8_t>(number >> (8 * i));
    }
    ByteList out(frames.size() + 16);
    int size = 0;
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    CHECK(EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nullptr, keys.key.data(), nonce.data()) ==
          1);
    CHECK(EVP_EncryptUpdate(context, nullptr, &size, header.data(),
                            static_cast<int>(header.size())) == 1);
    CHECK(EVP_EncryptUpdate(context, out.data(), &size, frames.data(),
                            static_cast<int>(frames.size())) == 1);
    CHECK(EVP_EncryptFinal_ex(context, out.data() + size, &size) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, out.data() + frames.size()) == 1);
    EVP_CIPHER_CTX_free(context);
    return out;
  }
};

}  // namespace sluice
